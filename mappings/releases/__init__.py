"""Releases of code systems as their publishers hand them out, to whoever holds their licence; nothing of them is shipped.

    files      folders and .zip files -> Release: which system it is, and the file for each part of it
    lines      rows of a file with the number of their line; what is broken is named, the rest goes on
    pieces     Head, Code, Name, Edge and Fact: what a code system is made of, in the order of its files
    loinc      LoincTable and accessory files (CSV)          https://hl7.org/fhir/R4/loinc.html
    snomed     SNOMED CT Snapshot files (RF2)                https://hl7.org/fhir/R4/snomedct.html
    rxnorm     RXNCONSO and the files beside it (RRF)        https://hl7.org/fhir/R4/rxnorm.html
    readers    kind of release -> its reader

A reader streams: a file is never in memory as a whole. This package imports nothing of fhir_server.
"""
