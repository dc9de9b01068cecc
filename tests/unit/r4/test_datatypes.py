"""Dates of any precision as intervals. https://hl7.org/fhir/R4/datatypes.html#dateTime"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.r4.datatypes import EARLIEST, LATEST, parse_instant_or_partial

# text -> lo, hi, both in UTC without the zone
INTERVALS: dict[str, tuple[str, str]] = {
    # partial dates are as wide as what they leave open
    "2019": ("2019-01-01", "2020-01-01"),
    "2019-05": ("2019-05-01", "2019-06-01"),
    "2019-12": ("2019-12-01", "2020-01-01"),
    "2019-05-03": ("2019-05-03", "2019-05-04"),
    "2019-12-31": ("2019-12-31", "2020-01-01"),
    "2020-02-29": ("2020-02-29", "2020-03-01"),
    # without a zone: UTC
    "2019-05-03T10:11": ("2019-05-03T10:11", "2019-05-03T10:12"),
    "2019-05-03T10:11:12": ("2019-05-03T10:11:12", "2019-05-03T10:11:13"),
    # zones
    "2019-05-03T10:11:12Z": ("2019-05-03T10:11:12", "2019-05-03T10:11:13"),
    "2019-05-03T10:11:12+02:00": ("2019-05-03T08:11:12", "2019-05-03T08:11:13"),
    "2019-05-03T23:30:00-05:30": ("2019-05-04T05:00", "2019-05-04T05:00:01"),
    "2019-05-03T10:11Z": ("2019-05-03T10:11", "2019-05-03T10:12"),
    # fractions are as wide as their last digit, a microsecond at least
    "2019-05-03T10:11:12.5Z": ("2019-05-03T10:11:12.500", "2019-05-03T10:11:12.600"),
    "2019-05-03T10:11:12.050Z": ("2019-05-03T10:11:12.050", "2019-05-03T10:11:12.051"),
    "2019-05-03T10:11:12.123456789Z": ("2019-05-03T10:11:12.123456", "2019-05-03T10:11:12.123457"),
    # a leap second is the first second of the next minute
    "2016-12-31T23:59:60Z": ("2017-01-01", "2017-01-01T00:00:01"),
    "2017-01-01T00:59:60+01:00": ("2017-01-01", "2017-01-01T00:00:01"),
    # the edges of time
    "0001": ("0001-01-01", "0002-01-01"),
    "0001-01-01T00:00:00+14:00": ("0001-01-01", "0001-01-01T00:00:01"),
    "9999": ("9999-01-01", "9999-12-31T23:59:59.999999"),
    "9999-12": ("9999-12-01", "9999-12-31T23:59:59.999999"),
    "9999-12-31": ("9999-12-31", "9999-12-31T23:59:59.999999"),
    "9999-12-31T23:59:59Z": ("9999-12-31T23:59:59", "9999-12-31T23:59:59.999999"),
    "9999-12-31T23:59:59.999999Z": ("9999-12-31T23:59:59.999998", "9999-12-31T23:59:59.999999"),
    "9999-12-31T23:59:59-05:00": ("9999-12-31T23:59:59.999998", "9999-12-31T23:59:59.999999"),
    "9999-12-31T23:59:60Z": ("9999-12-31T23:59:59.999998", "9999-12-31T23:59:59.999999"),
}


@pytest.mark.parametrize(("text", "ends"), INTERVALS.items(), ids=INTERVALS.keys())
def test_a_date_is_the_interval_of_its_precision(text: str, ends: tuple[str, str]) -> None:
    found = parse_instant_or_partial(text)
    lo, hi = (datetime.fromisoformat(end).replace(tzinfo=UTC) for end in ends)
    assert (found.lo, found.hi) == (lo, hi)


NO_DATES = """
    0000 201 19 2019- 2019-5 2019-00 2019-13 2019-02-29 2019-04-31 2019-05-00 20190503 2019-05-03T 2019-05-03T10
    2019-05-03T24:00:00Z 2019-05-03T10:60:00Z 2019-05-03T10:11:61Z 2019-05-03T10:11:12. 2019-05-03T10:11:12+15:00
    2019-05-03T10:11:12+02 2019-05-03T10:11:12+02:60 2019-05-03t10:11:12z 10:11:12 -2019 12019 today ٢٠١٩
"""


@pytest.mark.parametrize("text", ["", " 2019", "2019 ", "2019\n", "2019-05-03 10:11:12", *NO_DATES.split()])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|out of range|must be in"):
        parse_instant_or_partial(text)


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(UTC))
ZONES = st.integers(-14 * 60, 14 * 60)


@given(moment=MOMENTS, zone=ZONES)
def test_no_interval_is_empty_or_outside_of_time(moment: datetime, zone: int) -> None:
    sign, minutes = "-" if zone < 0 else "+", abs(zone)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{sign}{minutes // 60:02}:{minutes % 60:02}".rjust(25, "0")
    found = parse_instant_or_partial(text)
    assert EARLIEST <= found.lo < found.hi <= LATEST


@given(moment=MOMENTS)
def test_a_longer_text_lies_inside_the_shorter_ones(moment: datetime) -> None:
    text = moment.replace(microsecond=0).isoformat().removesuffix("+00:00") + "Z"
    whole = parse_instant_or_partial(text)
    for size in (4, 7, 10):
        outer = parse_instant_or_partial(text[:size])
        assert outer.lo <= whole.lo < whole.hi <= outer.hi
    assert whole.hi - whole.lo <= timedelta(seconds=1)
