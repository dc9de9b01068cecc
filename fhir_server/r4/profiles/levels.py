"""What happens to a write that does not keep a profile which it claims: `reject`, `warn` or `ignore`, for each profile.

`warn, http://example.org/StructureDefinition/a=reject, http://example.org/*=ignore`: a level alone is for all others, the longest fitting
name decides. Structure errors of R4 are refused whatever stands here. https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

LEVELS = ("reject", "warn", "ignore")


@dataclass(frozen=True)
class Levels:
    """Levels by canonical or by its beginning (`http://example.org/*`)."""

    usual: str = "warn"
    named: Mapping[str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> Levels:
        """Raises ValueError, saying what was expected."""
        usual, named = "warn", {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            url, _, level = part.rpartition("=")
            if level not in LEVELS:
                raise ValueError(f"expected reject, warn or ignore, or URL=reject; found {part[:80]}")
            if url:
                named[url] = level
            else:
                usual = level
        return cls(usual, named)

    def of(self, canonical: str) -> str:
        """The level of a profile."""
        return _level(canonical.partition("|")[0], self.usual, tuple((self.named or {}).items()))


@lru_cache(maxsize=1000)
def _level(url: str, usual: str, named: tuple[tuple[str, str], ...]) -> str:
    fitting = [(len(name.rstrip("*")), level) for name, level in named if _fits(url, name)]
    return max(fitting)[1] if fitting else usual


def _fits(url: str, name: str) -> bool:
    return url.startswith(name[:-1]) if name.endswith("*") else url == name
