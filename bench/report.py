"""The table that a run prints: what, the figure, the raw limit of the same run, and the ratio."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles


def line(what: str, figure: str, limit: str = "", ratio: float | None = None) -> None:
    """One row, printed at once."""
    print(
        f"| {what:<58} | {figure:>24} | {limit:>24} | {'' if ratio is None else f'{ratio:.2f}':>5} |",
        flush=True,
    )


def head() -> None:
    """The head of the table."""
    line("what", "figure", "raw limit, same run", None)
    print(f"|{'-' * 60}|{'-' * 25}:|{'-' * 25}:|{'-' * 6}:|", flush=True)


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


def milliseconds(seconds: Sequence[float]) -> str:
    """`p50 1.2 ms, p99 3.4 ms`."""
    middle, high = percentiles(seconds)
    return f"p50 {middle:.1f} p99 {high:.1f} ms"
