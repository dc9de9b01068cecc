"""Computes the vectors of the plain words into ai_layer/data/word_vectors.npz, after entries or passages have changed.

python -m tools.embed_words
"""

from __future__ import annotations

from ai_layer.embed import MiniLM
from ai_layer.word_vectors import known_texts, write


def main() -> None:
    """Write them in the order of their texts, so that the same words give the same file."""
    model = MiniLM()
    texts = sorted(known_texts())
    write(model.model_id, texts, model.computed(texts))
    print(f"{len(texts)} texts")


if __name__ == "__main__":
    main()
