"""Code systems and value sets: what a code is, which codes a value set has. Knows nothing of servers or databases.

concept        Concept, Filter, CannotTell; System: what is asked of a code system, wherever its codes stand
memory         a code system in memory: of a CodeSystem resource, or of rows
filters        the filters of a compose, over a code system in memory
shipped        R4's own code systems and value sets, ICD-10-CM
forms          systems whose codes are told by their form: UCUM, languages, MIME types
lay_codes      LOINC, SNOMED CT and RxNorm as far as terminology.lay knows them
catalog        canonical URL and version -> System or ValueSet: stored, loaded, shipped
compose        a ValueSet -> its members, all or those of one code
expansion      members -> ValueSet.expansion: text filter, pages, hierarchy, designations

https://hl7.org/fhir/R4/terminology-service.html
"""
