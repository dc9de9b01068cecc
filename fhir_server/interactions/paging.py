"""The links of a searchset: `self` says what was understood; `first`, `previous` and `next` carry signed cursors.

https://hl7.org/fhir/R4/search.html#conformance and https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from fhir_server.interactions.context import Context
from fhir_server.search import page
from fhir_server.search.cursor import Cursor
from fhir_server.search.query import Query
from fhir_server.store.read import Row

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Links:
    """Where a page stands in its search; `path` is relative to the base, `at` the cursor that led here."""

    context: Context
    query: Query
    path: str
    at: Cursor | None

    def kept(self, matches: Sequence[Row]) -> list[Row]:
        """The page's own matches, in the search's order; one more was fetched to see whether there is more."""
        found = list(matches[: page.size(self.query, self.at)])
        return found[::-1] if self._is_backward else found

    def of(self, kept: Sequence[Row], has_more: bool) -> list[dict[str, str]]:
        """The Bundle's links."""
        said = [pair for pair in self.query.understood if pair[0] != "_cursor"]
        links = [self._link("self", [*said, *_at(self.query.cursor)])]
        has_next = self._is_backward or (has_more and not self._is_full(kept))
        if self.query.cursor or has_next:
            links.append(self._link("first", said))
        if kept and (has_more if self._is_backward else self.at is not None):
            links.append(self._link("previous", [*said, *self._beside(kept[0], self._start(kept), True)]))
        if kept and has_next:
            seen = self._start(kept) + len(kept)
            links.append(self._link("next", [*said, *self._beside(kept[-1], seen, False)]))
        return links

    @property
    def _is_backward(self) -> bool:
        return self.at is not None and self.at.is_backward

    def _start(self, kept: Sequence[Row]) -> int:
        """How many matches stand before this page."""
        if self.at is None:
            return 0
        return max(0, self.at.seen - len(kept)) if self._is_backward else self.at.seen

    def _is_full(self, kept: Sequence[Row]) -> bool:
        most = self.query.most
        return most is not None and self._start(kept) + len(kept) >= most

    def _beside(self, row: Row, seen: int, is_backward: bool) -> list[Pair]:
        cursor = Cursor(row.keys, row.rid, seen, is_backward)
        return _at(cursor.text(self.context.service.cursor_key, self.query.order))

    def _link(self, relation: str, pairs: Sequence[Pair]) -> dict[str, str]:
        query = urlencode(pairs, quote_via=quote, safe=":/|,$*")
        url = f"{self.context.base}/{self.path}".rstrip("/")
        return {"relation": relation, "url": url + (f"?{query}" if query else "")}


def _at(cursor: str) -> list[Pair]:
    return [("_cursor", cursor)] if cursor else []
