"""Words of time become spans; what is not understood restricts nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ai_layer.timewords import time_span

NOW = datetime(2026, 3, 14, tzinfo=UTC)


def day(year: int, month: int = 1, date: int = 1) -> datetime:
    return datetime(year, month, date, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "since", "until"),
    [
        ("my sugar in 2019", day(2019), day(2020)),
        ("weight since March 2020", day(2020, 3), None),
        ("weight since March", day(2026, 3), None),
        ("weight since May", day(2025, 5), None),
        ("anything before 2015", None, day(2015)),
        ("mon poids depuis avril 2021", day(2021, 4), None),
        ("results of the last 2 weeks", day(2026, 2, 28), None),
        ("my last weight", None, None),
        ("what is my weight", None, None),
        ("in December 2024", day(2024, 12), day(2025)),
    ],
)
def test_a_span_is_read(question: str, since: datetime | None, until: datetime | None) -> None:
    found = time_span(question, NOW)
    assert (found.since, found.until) == (since, until)


@pytest.mark.parametrize(
    ("question", "wants"),
    [
        ("is my cholesterol getting better?", "trend"),
        ("how has my weight changed over time", "trend"),
        ("when was my first A1c", "first"),
        ("what is my A1c", "latest"),
    ],
)
def test_which_values_are_wanted_is_read(question: str, wants: str) -> None:
    assert time_span(question, NOW).wants == wants
