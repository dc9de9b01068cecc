"""Value sets for profiles: whether a code is in one, by all that the catalog knows.

What a value set rests on and is not known here (a filter over a code system that nobody stored, a value set of elsewhere, a circle)
gives None: it cannot be told. All codes of a system that is not known, or not whole, are trusted.
https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

from terminology.codes.catalog import Catalog
from terminology.codes.compose import Composer, One
from terminology.codes.concept import CannotTell

MOST_KEPT = 50_000
"""Answers that stay in memory."""

Asked = tuple[str, str | None, str]


class KnownSets:
    """CodesOfSets over a Catalog; safe to share between threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._answers: dict[Asked, bool | None] = {}
        self._edition: tuple[int, ...] = ()

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        """See CodesOfSets."""
        edition = self._catalog.edition
        if edition != self._edition or len(self._answers) > MOST_KEPT:
            self._answers, self._edition = {}, edition
        answers, asked = self._answers, (value_set, system, code)
        if asked not in answers:
            answers[asked] = self._told(value_set, system, code)
        return answers[asked]

    def _told(self, value_set: str, system: str | None, code: str) -> bool | None:
        found = self._catalog.value_set(value_set)
        if found is None:
            return None
        try:
            return bool(Composer(self._catalog, One(system, code)).members(found))
        except CannotTell as doubt:
            return True if doubt.is_open else None
