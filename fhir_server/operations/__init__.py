"""FHIR operations, one file each: its OperationDefinition beside its handler; registry.py says what an operation is.

https://hl7.org/fhir/R4/operations.html
"""
