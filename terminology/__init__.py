"""What codes mean. This package knows nothing of servers or patients.

coding.py        Coding, the system URLs, helpers over CodeableConcept
ucum.py          units: parse, canonical form, conversion; analytes.py: mass <-> moles by analyte
concept_map.py   a ConceptMap, asked forwards and backwards by translate.py
lay.py           plain words for codes: describe, reference_range, find_term, drug_classes
  lay_entry.py   LayEntry and its parts           lay_data.py    data/lay/*.json, read once
  lay_search.py  a question's words -> entries    drugs.py       medication -> ingredients -> classes
purposes.py      "blood thinner", "the pill for my pressure" -> drug classes    spelling.py  misspelt words
safety.py        interactions, allergy groups, monitoring rules, schedules, pregnancy concerns
codes/           code systems and value sets: lookup, membership, expansion
data/            the facts themselves, each with its source and dates; SOURCES.md: licences
"""
