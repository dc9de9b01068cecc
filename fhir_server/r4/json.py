"""JSON in and out, with decimals kept digit by digit: `72.50` stays `72.50`, and `1e2` stays `1e2`.

The one place that names the JSON library. https://hl7.org/fhir/R4/json.html#decimal
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from typing_extensions import Buffer

from fhir_server.r4.outcome import FhirError, Problem


class Spelled(Decimal):
    """A Decimal that is written as it came, where Decimal has a spelling of its own: `1e2`, `0.0000001`."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Spelled:
        """Raises InvalidOperation where the text is no number."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text


def number(text: str) -> Decimal:
    """A number with a point or an exponent."""
    return Spelled(text) if "e" in text or "E" in text or "0.000000" in text else Decimal(text)


def _written(value: Any) -> msgspec.Raw:
    if isinstance(value, Spelled):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"{type(value).__name__} is nothing that JSON has.")


_DECODER = msgspec.json.Decoder(float_hook=number)
_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_written)
_SORTING = msgspec.json.Encoder(decimal_format="number", order="deterministic", enc_hook=_written)


def decode(body: Buffer) -> Any:
    """Parse; numbers with a point or an exponent become Decimal. Raises Problem.NOT_JSON with the position."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FhirError(Problem.NOT_JSON, f"The body is not JSON: {error}") from None
    except InvalidOperation:
        raise FhirError(
            Problem.NOT_JSON, "A number of the body is larger than any that can be kept."
        ) from None


def encode(value: Any) -> bytes:
    """Compact UTF-8, members in the order that they have."""
    return _ENCODER.encode(value)


def encode_sorted(value: Any) -> bytes:
    """The same bytes for the same content, whatever the order of the members."""
    return _SORTING.encode(value)


def decode_object(body: Buffer) -> dict[str, Any]:
    """Parse and insist on an object, which is what every resource is."""
    found = decode(body)
    if not isinstance(found, dict):
        raise FhirError(Problem.NOT_JSON, f"A resource is a JSON object; this is a {type(found).__name__}.")
    return found
