"""What tells who somebody is, and how it is taken out: HIPAA's Safe Harbor, 45 CFR 164.514(b)(2). Pure.

known    the names, addresses, numbers and days that resources give a person     patterns   what looks like such in any free text
text     scrub: both taken out of a text     days     dates moved by a secret number of days
rules    what a de-identified export keeps (rules.json)     values     what becomes of each datatype
resource   a resource, element by element     pseudonyms   ids and numbers under a key     names     everybody's names
owner    whose resource it is     release    one export, and its manifest
https://www.ecfr.gov/current/title-45/section-164.514
"""
