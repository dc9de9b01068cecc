"""The first and last moment that a date, dateTime or time of FHIRPath may mean: lowBoundary() and highBoundary().

A time without a zone may be of any: the earliest is +14:00, the latest -12:00. http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time
"""

from __future__ import annotations

import re
from calendar import monthrange

_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?:T(?:(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<part>\d{1,3}))?)?)?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?"
)
_WIDTHS = ((4, "{year}"), (6, "{year}-{month}"), (8, "{year}-{month}-{day}"))
WHOLE = 17
"""Digits of a moment to the millisecond."""


def moment_boundary(text: str, digits: int, *, is_high: bool) -> str | None:
    """The boundary with so many digits (4, 6, 8 or 17); None where the text is no moment, or the digits are others."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    given = {name: value for name, value in found.groupdict().items() if value}
    month = given.get("month", "12" if is_high else "01")
    last_day = f"{monthrange(int(given['year']), int(month))[1]:02}"
    open_end = {"month": month, "day": last_day if is_high else "01"} | (_LATEST if is_high else _EARLIEST)
    if "hour" in given:
        open_end["minute"] = "00"  # an hour alone is its first minute
    parts = {**open_end, **given}
    if digits == WHOLE:
        return "{year}-{month}-{day}T{hour}:{minute}:{second}.{part}{zone}".format(**parts)
    return next((form.format(**parts) for width, form in _WIDTHS if width == digits), None)


_EARLIEST = {"hour": "00", "minute": "00", "second": "00", "part": "000", "zone": "+14:00"}
_LATEST = {"hour": "23", "minute": "59", "second": "59", "part": "999", "zone": "-12:00"}
