"""The interactions of FHIR, one file each: (Context, request) -> Result, with no word of HTTP's own objects.

read, vread, update, patch, delete, history | create, search | capabilities, transaction, batch; conditions.py resolves the
conditional ones. https://hl7.org/fhir/R4/http.html
"""
