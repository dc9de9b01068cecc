"""history: the versions of a resource, of a type, or of everything, newest first.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote, urlencode

from fhir_server.interactions import telling
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.shape import SHORTER, shaped
from fhir_server.r4 import json
from fhir_server.r4.datatypes import Interval, parse_instant_or_partial
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search import cursor
from fhir_server.sql import TRUE, Fragment, all_of
from fhir_server.store import read as store
from fhir_server.store.read import Version
from fhir_server.store.write import instant

Pair = tuple[str, str]
PARAMETERS = (
    "_count",
    "_since",
    "_at",
    "_list",
    "_sort",
    "_cursor",
    "_summary",
    "_elements",
    "_format",
    "_pretty",
)
SORTS = {"-_lastUpdated": True, "_lastUpdated": False, "": True, "none": True}


def history(context: Context, resource_type: str, logical_id: str, pairs: Sequence[Pair]) -> Result:
    """A history Bundle; `resource_type` and `logical_id` may be empty. Knows PARAMETERS, and refuses others unless it is to be lenient."""
    context.access.require("read", resource_type)
    _refuse_unknown(context, pairs)
    asked = dict(pairs)
    newest_first = _newest_first(asked.get("_sort", ""))
    count = 0 if asked.get("_summary") == "count" else _count(context, asked.get("_count"))
    path = "/".join(part for part in (resource_type, logical_id, "_history") if part)
    place = _place(resource_type, logical_id)
    where = all_of(
        [
            place,
            *_times(asked),
            *_listed(context, asked),
            *_after(context, asked.get("_cursor", ""), newest_first),
        ]
    )
    if resource_type == "AuditEvent":
        telling.catch_up(context.service)
    with context.connect() as connection:
        found = store.versions(connection, context.access, where, newest_first=newest_first, limit=count + 1)
        if not found and logical_id and not store.versions(connection, context.access, place, limit=1):
            raise FhirError(Problem.NOT_FOUND, f"There is no {resource_type}/{logical_id}.")
        shown = [(version.rid, version.version) for version in found[:count]]
        context.record("history", path, urlencode(pairs), shown)
        if count == 0:
            total = store.count_versions(
                connection, context.access, all_of([place, *_times(asked), *_listed(context, asked)])
            )
            return Result(200, _counted(context, total, pairs, path))
    return Result(200, _bundle(context, found, count, pairs, path))


def _refuse_unknown(context: Context, pairs: Sequence[Pair]) -> None:
    unknown = [name for name, _ in pairs if name not in PARAMETERS]
    if unknown and not context.lenient:
        known = ", ".join(name for name in PARAMETERS if name != "_cursor")
        raise FhirError(Problem.UNKNOWN_PARAMETER, f"{unknown[0][:64]}: a history knows {known}.")


def _place(resource_type: str, logical_id: str) -> Fragment:
    parts = []
    if resource_type:
        parts.append(Fragment("v.type = %s", (TYPE_CODE[resource_type],)))
    if logical_id:
        parts.append(Fragment("v.id = %s", (logical_id,)))
    return all_of(parts)


def _times(asked: dict[str, str]) -> list[Fragment]:
    """`_since`: at or after the instant. `_at`: versions that were current at some time during the period."""
    found = []
    if since := asked.get("_since"):
        found.append(Fragment("v.last_updated >= %s", (_interval("_since", since).lo,)))
    if at := asked.get("_at"):
        period = _interval("_at", at)
        later = (
            "SELECT 1 FROM history x WHERE x.rid = v.rid AND x.version > v.version AND x.last_updated <= %s"
        )
        later += " UNION ALL SELECT 1 FROM resource x WHERE x.rid = v.rid AND x.version > v.version AND x.last_updated <= %s"
        found.append(
            Fragment(f"v.last_updated < %s AND NOT EXISTS ({later})", (period.hi, period.lo, period.lo))
        )
    return found


def _listed(context: Context, asked: dict[str, str]) -> list[Fragment]:
    """`_list`: versions of the resources that are items of this List, if it may be read."""
    item = context.service.registry.get("List", "item")
    if not asked.get("_list") or item is None:
        return []
    allowed = context.access.on("l")
    text = (
        "v.rid IN (SELECT i.target FROM resource l JOIN reference_index i ON i.rid = l.rid AND i.param = ANY(%s)"
        f" WHERE l.type = %s AND l.id = %s AND l.body IS NOT NULL AND ({allowed.text}))"
    )
    values = (list(item.stored), TYPE_CODE["List"], asked["_list"].removeprefix("List/"), *allowed.values)
    return [Fragment(text, values)]


def _interval(name: str, text: str) -> Interval:
    try:
        return parse_instant_or_partial(text.replace(" ", "+"))
    except ValueError:
        raise FhirError(
            Problem.BAD_PARAMETER, f"{name}: expected an instant such as 2024-05-03T10:00:00Z."
        ) from None


def _after(context: Context, text: str, newest_first: bool) -> list[Fragment]:
    if not text:
        return [TRUE]
    sign = "<" if newest_first else ">"
    position = cursor.read(text, context.service.cursor_key)
    return [Fragment(f"(v.last_updated, v.rid, v.version) {sign} (%s::timestamptz, %s, %s)", tuple(position))]


def _newest_first(text: str) -> bool:
    if text not in SORTS:
        raise FhirError(Problem.BAD_PARAMETER, "_sort: a history is sorted by _lastUpdated or -_lastUpdated.")
    return SORTS[text]


def _count(context: Context, text: str | None) -> int:
    if text is None:
        return context.limits.page
    if not text.isascii() or not text.isdigit():
        raise FhirError(Problem.BAD_PARAMETER, "_count: expected a whole number from 0.")
    return min(int(text[:9]), context.limits.most)


def _bundle(context: Context, found: list[Version], count: int, pairs: Sequence[Pair], path: str) -> bytes:
    shown = found[:count]
    head: dict[str, Any] = {"resourceType": "Bundle", "id": context.service.new_id(), "type": "history"}
    said = [pair for pair in pairs if pair[0] != "_cursor"]
    if len(found) <= count and len(said) == len(pairs):
        head["total"] = len(shown)
    head["link"] = [{"relation": "self", "url": _url(context, path, pairs)}]
    if len(found) > count and shown:
        last = shown[-1]
        position = (last.last_updated.astimezone(UTC).isoformat(), last.rid, last.version)
        more = [*said, ("_cursor", cursor.write(position, context.service.cursor_key))]
        head["link"].append({"relation": "next", "url": _url(context, path, more)})
    text = json.encode(head)
    shorten = _shorten(dict(pairs))
    entries = [_entry(context, version, shorten) for version in shown]
    return text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text


def _counted(context: Context, total: int, pairs: Sequence[Pair], path: str) -> bytes:
    """`_summary=count`, and `_count=0`, which means the same."""
    links = [{"relation": "self", "url": _url(context, path, pairs)}]
    head = {"resourceType": "Bundle", "id": context.service.new_id(), "type": "history"}
    return json.encode({**head, "total": total, "link": links})


def _shorten(asked: dict[str, str]) -> Callable[[bytes], bytes]:
    """`_summary` and `_elements`, for each version."""
    summary, wanted = asked.get("_summary", ""), [e for e in asked.get("_elements", "").split(",") if e]
    if summary not in SHORTER:
        raise FhirError(Problem.BAD_PARAMETER, "_summary: expected true, false, text, data or count.")
    return lambda body: shaped(body, summary, wanted)


def _entry(context: Context, found: Version, shorten: Callable[[bytes], bytes]) -> bytes:
    url = f"{context.base}/{found.type}/{found.id}"
    made = {
        "fullUrl": url,
        "request": _request(found),
        "response": {
            "status": "204" if found.body is None else "201" if found.version == 1 else "200",
            "etag": f'W/"{found.version}"',
            "lastModified": instant(found.last_updated),
        },
    }
    text = json.encode(made)
    return text[:-1] + b',"resource":' + shorten(found.body) + b"}" if found.body is not None else text


def _request(found: Version) -> dict[str, str]:
    if found.body is None:
        return {"method": "DELETE", "url": f"{found.type}/{found.id}"}
    return (
        {"method": "POST", "url": found.type}
        if found.version == 1
        else {"method": "PUT", "url": f"{found.type}/{found.id}"}
    )


def _url(context: Context, path: str, pairs: Sequence[Pair]) -> str:
    query = urlencode(pairs, quote_via=quote, safe=":/")
    return f"{context.base}/{path}" + (f"?{query}" if query else "")
