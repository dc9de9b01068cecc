"""JSON in and out, with decimals kept digit by digit: `72.50` stays `72.50`.

The one place that names the JSON library. https://hl7.org/fhir/R4/json.html#decimal
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from typing_extensions import Buffer

from fhir_server.r4.outcome import FhirError, Problem

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTING = msgspec.json.Encoder(decimal_format="number", order="deterministic")


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
