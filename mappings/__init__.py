"""Anything from outside becomes a FHIR R4 transaction Bundle here. Pure: no database, no network, no clock.

    source     Source and its Kind
    files      paths -> Source: what each file, archive member or NDJSON part is, and its bytes
    archive    the members of .zip, .tar.xz and .tar.gz and what .gz holds, streamed and bounded
    recognise  bytes -> kind: json, ndjson, xml, ccda, hl7v2 or unknown
    order      sources so that what creates comes before what refers to it by identifier
    bundle     a Bundle of any type, or one resource -> a transaction Bundle that may be loaded twice
    entry      a Bundle entry and the request that loads it
    pointing   references between entries, turned to the ids that the entries get here
    identity   the logical id that a foreign resource gets here, the same one every time
    reference  the walk over references that the other files share
    translated translations of codes, added beside them as they are loaded
    releases   LOINC, SNOMED CT and RxNorm as their publishers hand them out
    tables     ConceptMaps of our own between code systems, as FHIR JSON
    problem    NotMappable: what came, what was expected, where

This package imports nothing of fhir_server.
"""
