"""Search parameters of users that are asked by meaning: their extension, and the vectors of what they find in a resource.

The contract that Microsoft's FHIR server and ignixa share: a SearchParameter of type `special` with the extension vector-search-config
(extractionPolicy, maxInputTokens, minimumScore, chunkSizeTokens, chunkOverlapTokens, distanceMetric).
https://github.com/microsoft/fhir-server/pull/5802. A token counts here as a word, and a piece has as many as the model reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from psycopg import Connection

from ai_layer.embed import Embedder
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.parameters import Parameter
from fhir_server.search.ranking import Config, unknown_special
from fhir_server.store.hooks import Change
from fhir_server.store.parameters import Parameters

EXTENSION = "http://microsoft.com/fhir/StructureDefinition/vector-search-config"
POLICIES = ("firstValue", "concatenate", "perValueRow")
MOST_WORDS = 8000
PIECE, OVERLAP = 40, 8
"""Words of a piece, which the model on this machine reads whole, and how many of them the next piece repeats."""
LEAST_PIECE = 16
_COPY = "COPY meaning (rid, param, part, embedding) FROM STDIN"


def config_of(resource: Mapping[str, Any]) -> Config:
    """The extension's parts as texts. Raises INVALID where there is no such extension, or a part is not what it has to be."""
    given = [e for e in resource.get("extension", ()) if e.get("url") == EXTENSION]
    if not given:
        raise unknown_special()
    found: dict[str, str] = {}
    for part in given[0].get("extension", ()):
        name, value = str(part.get("url")), next((v for k, v in part.items() if k.startswith("value")), None)
        if name in _HOLDS and not _HOLDS[name](value):
            raise FhirError(Problem.INVALID, f"vector-search-config: {name} has a value that it cannot have.")
        if name in _HOLDS:
            found[name] = str(value)
    if int(found.get("chunkOverlapTokens", 0)) >= int(found.get("chunkSizeTokens", PIECE)):
        raise FhirError(
            Problem.INVALID, "vector-search-config: chunkOverlapTokens is less than chunkSizeTokens."
        )
    return tuple(sorted(found.items()))


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and value == int(value) >= least


_HOLDS: dict[str, Callable[[Any], bool]] = {
    "extractionPolicy": lambda value: value in POLICIES,
    "maxInputTokens": lambda value: _is_whole(value, 1),
    "minimumScore": lambda value: isinstance(value, (int, Decimal)) and 0 <= value <= 1,
    "chunkSizeTokens": lambda value: _is_whole(value, LEAST_PIECE),
    "chunkOverlapTokens": lambda value: _is_whole(value, 0),
    "distanceMetric": lambda value: value == "cosine",
}


def pieces(values: Sequence[Any], config: Mapping[str, str]) -> Iterator[str]:
    """What is embedded: the texts as the policy takes them, cut into overlapping pieces."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    policy = config.get("extractionPolicy", "concatenate")
    if policy == "firstValue":
        texts = texts[:1]
    elif policy == "concatenate":
        texts = ["\n".join(texts)]
    size = min(int(config.get("chunkSizeTokens", PIECE)), PIECE)
    step = size - min(int(config.get("chunkOverlapTokens", OVERLAP)), size - 1)
    for text in texts:
        words = text.split()[: int(config.get("maxInputTokens", MOST_WORDS))]
        for start in range(0, max(len(words) - size + step, 1), step) if words else ():
            yield " ".join(words[start : start + size])


class Vectors:
    """The WriteHook that keeps them; `parameters` is given as soon as there is a Service."""

    tables: tuple[str, ...] = ("meaning",)

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.parameters: Parameters | None = None

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """Bring them in line with these changes."""
        rows = [row for change in changes for row in self._rows(change)]
        if rows:
            vectors = self.embedder.embed([text for *_, text in rows])
            with connection.cursor().copy(_COPY) as copy:
                for (rid, param, part, _), vector in zip(rows, vectors, strict=True):
                    copy.write_row((rid, param, part, str(vector.tolist())))

    def _rows(self, change: Change) -> Iterator[tuple[int, int, int, str]]:
        for parameter in self._asked_by_meaning(change.type) if change.resource else ():
            assert parameter.extract is not None
            texts = pieces(parameter.extract.run(change.resource), dict(parameter.config))
            for part, text in enumerate(texts):
                yield change.rid, parameter.id, part, text

    def _asked_by_meaning(self, resource_type: str) -> list[Parameter]:
        if self.parameters is None:
            return []
        registry = self.parameters.held
        return [p for p in registry.by_type.get(resource_type, {}).values() if p.is_ranking and p.extract]
