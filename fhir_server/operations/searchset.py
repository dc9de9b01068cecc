"""A searchset that an operation puts together from stored bytes.

https://hl7.org/fhir/R4/bundle.html#searchset
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from fhir_server.interactions.context import Context, Result
from fhir_server.r4 import json
from fhir_server.r4.outcome import Issue, operation_outcome
from fhir_server.store.read import Version

Pair = tuple[str, str]


def searchset(
    context: Context,
    found: Sequence[tuple[str, Version]],
    links: Sequence[dict[str, str]],
    total: int | None,
    issues: Sequence[Issue] = (),
) -> Result:
    """(mode, resource) in order; `total` is left out where it is not known; `issues` are said in an entry of their own."""
    context.record("search", shown=[(version.rid, version.version) for _, version in found])
    head: dict[str, Any] = {"resourceType": "Bundle", "id": context.service.new_id(), "type": "searchset"}
    if total is not None:
        head["total"] = total
    text = json.encode(head | {"link": list(links)})
    entries = [_entry(context, mode, version) for mode, version in found]
    if issues:
        entries.append(json.encode({"resource": operation_outcome(issues), "search": {"mode": "outcome"}}))
    return Result(200, text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text)


def link(context: Context, relation: str, path: str, pairs: Sequence[Pair]) -> dict[str, str]:
    """Bundle.link."""
    query = urlencode(pairs, quote_via=quote, safe=":/|,$*")
    return {"relation": relation, "url": f"{context.base}/{path}" + (f"?{query}" if query else "")}


def _entry(context: Context, mode: str, found: Version) -> bytes:
    url = f"{context.base}/{found.type}/{found.id}"
    body = found.body or b"{}"
    return b'{"fullUrl":"%s","resource":%s,"search":{"mode":"%s"}}' % (url.encode(), body, mode.encode())
