"""The AI layer: from a patient's question to an answer whose every line cites the chart.

ask          the whole path, in one readable function
retrieve     the evidence for a question, under an Access      index      passages written with their resources
beside       critical limits, other units, medicines that bear on a result   danger     a new critical result comes first
retriever    $retrieve for LangChain
passages     a resource's meaning in words                     embed      words -> vectors
evidence     the least elements of a resource, hashed          explain    evidence -> claims, by rule
chat         a configured model may rephrase                   ground     claims that their citations do not bear are dropped (grounding)
guard        red flags first (triage); what is never said   answers    Answer -> Parameters, or server-sent events
tools        what assistants of others may do: MCP, LangChain, an agent    cds    checks as CDS Hooks cards
minimum, shield  what goes out to a model, and nothing that tells whose record it is
drafts       refills and appointments that wait for a person   operations the FHIR operations; app puts all together
"""
