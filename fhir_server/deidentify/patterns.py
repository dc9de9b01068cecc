"""What looks like an identifier in any free text, whoever it belongs to: rows of a kind and a pattern.

The kinds are those of 45 CFR 164.514(b)(2)(i). A name that nobody knows cannot be told from other words: known.py has the patient's own.
"""

from __future__ import annotations

import re

_STREET = r"Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace|Parkway|Highway|Hwy"
_NUMBERED = (
    r"MRN|SSN|DOB|VIN|medical record|health plan|account|acct|policy|member(?:ship)?|beneficiary|certificate|licen[cs]e|passport|serial"
    r"|plate|device|accession|insurance|social security"
)

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("mail", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("url", re.compile(r"\b(?:https?|ftp)://\S+|\bwww\.\S+", re.IGNORECASE)),
    ("number", re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)),
    (
        "ip",
        re.compile(
            r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b",
            re.IGNORECASE,
        ),
    ),
    ("ssn", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    (
        "telecom",
        re.compile(
            r"(?<![\w.])(?:\+?\d{1,3}[ .-]?)?(?:\(\d{2,4}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?!\d)"
            r"|(?<!\w)\+\d(?:[ ().-]{0,2}\d){6,14}"
            r"|(?<![\w-])\d{3}-\d{4}(?![\w-])"
        ),
    ),
    (
        "number",
        re.compile(
            rf"\b(?:{_NUMBERED})\b(?: (?:number|no\.?|id|plate))?\s*[:#=]*\s*(?=[A-Z-]*\d)[A-Z0-9][A-Z0-9/-]{{3,}}",
            re.IGNORECASE,
        ),
    ),
    ("number", re.compile(r"\b(?=[A-HJ-NPR-Z0-9]*\d)(?=[A-HJ-NPR-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}\b")),
    ("number", re.compile(r"(?<![\w.])\d{9,}(?![\w.]\d)")),
    (
        "address",
        re.compile(
            rf"\b\d{{1,6}} (?:[NSEW]\.? )?(?:[A-Z][\w'-]+ ){{1,3}}(?:{_STREET})\b\.?(?:,? (?:Apt|Suite|Unit)\.? \w+)?"
        ),
    ),
    ("address", re.compile(r"\b[A-Z]{2},? \d{5}(?:-\d{4})?\b")),
    ("name", re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mme|Dr|Prof)\.? [A-Z][\w'-]+(?: [A-Z][\w'-]+)?")),
    (
        "age",
        re.compile(
            r"\b(?:9\d|1[0-4]\d)[ -]?(?:years?|yrs?|ans)\b(?:[ -]old)?|\b(?:9\d|1[0-4]\d) ?(?:yo|y/o|y\.o\.)",
            re.IGNORECASE,
        ),
    ),
)
