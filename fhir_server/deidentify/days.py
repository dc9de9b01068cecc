"""Dates: moved by a number of days that only the key tells, the same for all dates of one patient; or cut to the year.

What was a week apart stays a week apart. A date keeps its precision, a time of day stays.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import date, timedelta

MOST_DAYS = 365
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(T.*)?\Z", re.ASCII)


def offset(key: str, patient: str) -> int:
    """1 to 365 days back, for this patient. Raises ValueError without a key: anybody could take such a move back."""
    if not key:
        raise ValueError("Dates are moved with a secret key; none is set.")
    made = hmac.new(key.encode(), f"days {patient}".encode(), hashlib.sha256).digest()
    return -(1 + int.from_bytes(made[:8]) % MOST_DAYS)


def moved(text: str, days: int) -> str:
    """A date, dateTime or instant so many days later. Raises ValueError where it is none, or where it leaves the calendar."""
    match = _DATE.match(text)
    if match is None:
        raise ValueError("not a FHIR date")
    year, month, day, rest = match.groups()
    try:
        found = date(int(year), int(month or 1), int(day or 1)) + timedelta(days=days)
    except OverflowError:
        raise ValueError("a date that leaves the calendar") from None
    shown = found.isoformat()
    return (shown if day else shown[:7] if month else shown[:4]) + (rest or "")


def is_date(text: str) -> bool:
    """Whether a text is a date of FHIR's."""
    return _DATE.match(text) is not None
