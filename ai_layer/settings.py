"""What the AI layer reads from the settings: which embedder, which model, and the limits of a question."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from fhir_server.settings import Settings

QUESTION_LETTERS = 2000
"""Letters of a question; more is answered with 413."""
READ_LETTERS = 20_000
"""Letters of a question that are read for red flags, however long it is."""
MOST_FOUND = 50
"""Resources of one retrieval at most."""


@dataclass(frozen=True, slots=True)
class AiSettings:
    """`model` empty: answers are written by rule. `opt_in`: an active Consent that permits it is needed."""

    embedder: str
    model: str
    model_base_url: str
    opt_in: bool
    model_prices: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    moves_dates: bool = False
    deidentify_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Settings) -> AiSettings:
        """Out of the server's settings."""
        is_opt_in = settings.consent == "opt-in"
        prices = _prices(settings.model_prices)
        return cls(
            *(settings.embedder, settings.model, settings.model_base_url, is_opt_in, prices),
            moves_dates=settings.model_dates == "shift",
            deidentify_key=settings.deidentify_key,
        )


def _prices(text: str) -> tuple[Decimal, Decimal]:
    """`3,15`: a million tokens in, and out."""
    try:
        price_in, price_out = map(Decimal, text.split(","))
    except (ValueError, InvalidOperation):
        raise ValueError("CHARTLINE_MODEL_PRICES: expected two numbers, such as 3,15.") from None
    return price_in, price_out
