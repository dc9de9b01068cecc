"""What $retrieve is compared with: BM25 over the resources' own words, and plain MiniLM over their names. Nothing of ours in either.

BM25 as in Robertson and Zaragoza, The Probabilistic Relevance Framework (2009): k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ai_layer.embed import embedder
from ai_layer.passages import KINDS, concept_of, time_of
from terminology.coding import best_text, codings_of
from terminology.text import fold

Json = dict[str, Any]
K1, B = 1.2, 0.75


class Baselines:
    """One patient's resources, ranked by words or by likeness; the newer of equals first."""

    def __init__(self, resources: Sequence[Json]) -> None:
        told = [r for r in resources if r["resourceType"] in KINDS and concept_of(r)]
        told.sort(key=lambda r: t.timestamp() if (t := time_of(r)) else 0.0, reverse=True)
        self.references = [f"{r['resourceType']}/{r['id']}" for r in told]
        self.names = [best_text(concept_of(r)) for r in told]
        shown = [[c.display for c in codings_of(concept_of(r))] for r in told]
        self.texts = [
            fold(" ".join([r["resourceType"], n, *more])).split()
            for r, n, more in zip(told, self.names, shown, strict=True)
        ]
        self.counts = [Counter(text) for text in self.texts]
        self.holding = Counter(word for count in self.counts for word in count)
        self.mean_length = sum(map(len, self.texts)) / len(self.texts)
        self.distinct = list(dict.fromkeys(self.names))
        self.vectors = np.array(embedder().embed(self.distinct))

    def by_words(self, question: str, most: int) -> list[str]:
        """BM25."""
        words = fold(question).split()
        scores = [sum(self._weight(word, n) for word in words) for n in range(len(self.texts))]
        return self._best(scores, most)

    def by_likeness(self, question: str, most: int) -> list[str]:
        """Cosine of the question's vector and each name's."""
        likeness = dict(zip(self.distinct, self.vectors @ embedder().embed([question])[0], strict=True))
        return self._best([float(likeness[name]) for name in self.names], most)

    def _weight(self, word: str, n: int) -> float:
        often = self.counts[n][word]
        if not often:
            return 0.0
        rare = math.log(1 + (len(self.texts) - self.holding[word] + 0.5) / (self.holding[word] + 0.5))
        return rare * often * (K1 + 1) / (often + K1 * (1 - B + B * len(self.texts[n]) / self.mean_length))

    def _best(self, scores: Sequence[float], most: int) -> list[str]:
        order = sorted(range(len(scores)), key=lambda n: -scores[n])
        return [self.references[n] for n in order[:most]]
