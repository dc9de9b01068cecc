"""What tells who somebody is, and how it is taken out: HIPAA's Safe Harbor, 45 CFR 164.514(b)(2). Pure.

known    the names, addresses, numbers and days that resources give a person     patterns   what looks like such in any free text
text     scrub: both taken out of a text     days     dates moved by a secret number of days, or cut to the year
https://www.ecfr.gov/current/title-45/section-164.514
"""
