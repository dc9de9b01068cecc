"""The search parameter types of R4, one file each: what an element writes into the index, and what a value asks of it.

Each module offers `rows(value)` -> index rows (without rid and param) and `where(asked)` -> Fragment over the columns of its table.
https://hl7.org/fhir/R4/search.html#ptypes
"""
