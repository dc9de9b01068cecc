"""What an answer should hold, compared with what it holds."""

from __future__ import annotations

from typing import Any

import httpx

from fhir_server.r4 import json


def differences(wanted: Any, found: Any, place: str = "") -> str:
    """The first place where `found` lacks what `wanted` has, or nothing. Members that `wanted` does not name may be there."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return next(
            filter(None, (differences(v, found.get(k), f"{place}.{k}") for k, v in wanted.items())), ""
        )
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = zip(wanted, found, strict=True)
        return next(filter(None, (differences(w, f, f"{place}[{n}]") for n, (w, f) in enumerate(pairs))), "")
    return "" if wanted == found else f"{place.lstrip('.') or 'answer'} is {str(found)[:300]}, not {wanted}"


def outcome_problem(answer: httpx.Response) -> str:
    """What keeps the answer from being the OperationOutcome of a failure, or nothing."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("application/fhir+xml"):
        return "" if "<OperationOutcome" in answer.text else "no OperationOutcome"
    if not kind.startswith("application/fhir+json"):
        return f"content-type {kind}"
    found = json.decode_object(answer.content)
    issues = found.get("issue") or [{}]
    if found.get("resourceType") != "OperationOutcome" or not issues[0].get("diagnostics"):
        return f"no OperationOutcome with diagnostics: {found}"
    return ""
