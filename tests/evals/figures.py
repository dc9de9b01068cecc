"""The figures of the assistant: each is compared with the recorded one, and all are printed as one table.

`recorded.yaml` holds, by name, what was reached; an eval that falls below it fails. `informative` figures are printed beside them
and hold nobody to anything: the same questions put to another method, say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

RECORDED: dict[str, float] = yaml.safe_load(Path(__file__).with_name("recorded.yaml").read_text())
ROUNDING = 0.0005
"""The table and the recorded file show three digits."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: a share, or an amount where `at_most` says so."""

    name: str
    value: float
    cases: int
    recorded: float | None


@dataclass(slots=True)
class Figures:
    """What the evals of this session found, in the order in which they came."""

    rows: list[Row] = field(default_factory=list)

    def reach(self, name: str, value: float, cases: int) -> None:
        """Note a figure; it has to be at least the recorded one."""
        recorded = RECORDED[name]
        self.rows.append(Row(name, value, cases, recorded))
        assert value >= recorded - ROUNDING, f"{name}: {value:.3f}, recorded was {recorded:.3f}"

    def stay_under(self, name: str, value: float, cases: int) -> None:
        """Note a figure that has to be at most the recorded one."""
        recorded = RECORDED[name]
        self.rows.append(Row(name, value, cases, recorded))
        assert value <= recorded + ROUNDING, f"{name}: {value:.3f}, recorded was {recorded:.3f}"

    def informative(self, name: str, value: float, cases: int) -> None:
        """Note a figure that is there to be compared with."""
        self.rows.append(Row(name, value, cases, None))

    def show(self) -> None:
        """The table."""
        table = Table("what", "figure", "recorded", "cases", title="The assistant's figures")
        for row in self.rows:
            held = "" if row.recorded is None else f"{row.recorded:.3f}"
            table.add_row(row.name, f"{row.value:.3f}", held, str(row.cases))
        Console(width=110).print(table)
