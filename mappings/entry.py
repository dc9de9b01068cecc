"""A Bundle entry and the request that loads it.

In a transaction or batch the entry says itself what it asks for. In the other Bundle types an entry is part of a
record: the newest version of each resource counts, and an outcome of the search that made the Bundle is no part of it.
https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mappings.identity import id_of_content, id_of_url, id_of_urn_uuid, split_restful
from mappings.problem import NotMappable

Entry = dict[str, Any]

REQUESTED = frozenset({"transaction", "batch"})
_OF_THE_ANSWER = frozenset({"search", "response", "link"})


class Placed(NamedTuple):
    """An entry with its request.

    `target` is what references to its fullUrl must say from now on; `alias` is a relative reference that means it too.
    """

    entry: Entry
    full_url: str
    target: str
    alias: str = ""


@dataclass(slots=True)
class Names:
    """The ids that the resources of one Bundle get."""

    source: str
    own_base: str
    _seen: Counter[str] = field(default_factory=Counter)

    def id(self, full_url: str, resource: dict[str, Any]) -> str:
        """From the fullUrl where it names the resource in the world, else its own id, else one of its content."""
        if ":" not in full_url:
            return str(resource.get("id") or self._id_of_content(resource))
        if uuid := id_of_urn_uuid(full_url):
            return uuid
        if full_url.startswith("urn:uuid:"):
            return id_of_url(f"{self.source} {full_url}")
        return self._id_of_url(full_url, resource)

    def _id_of_url(self, full_url: str, resource: dict[str, Any]) -> str:
        parts = split_restful(full_url)
        if parts is None or parts.type != resource["resourceType"]:
            return id_of_url(full_url)
        return parts.id if parts.base == self.own_base else id_of_url(parts.url)

    def _id_of_content(self, resource: dict[str, Any]) -> str:
        id = id_of_content(resource)
        self._seen[id] += 1
        return id if self._seen[id] == 1 else id_of_content(resource, self._seen[id])


def checked(bundle: dict[str, Any], is_requested: bool) -> list[Entry]:
    """The entries that hold something to load; raises NotMappable with the place of the first that is no entry."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise NotMappable("The entries of a Bundle are an array.", "Bundle.entry")
    for i, entry in enumerate(entries):
        if problem := _problem(entry):
            raise NotMappable(problem, f"Bundle.entry[{i}]")
    return [entry for entry in entries if is_requested or _holds_record(entry)]


def newest(entries: Iterable[Entry]) -> list[Entry]:
    """One entry for each resource: the highest version, or the first, for a history runs from new to old."""
    kept: dict[object, Entry] = {}
    for i, entry in enumerate(entries):
        name = _name(entry) or i
        if name not in kept or _version(entry) > _version(kept[name]):
            kept[name] = entry
    return list(kept.values())


def place(entry: Entry, names: Names, is_requested: bool) -> Placed:
    """The entry with the request that loads it: its own, or a PUT or DELETE of the id that follows from its source."""
    request = entry.get("request") if is_requested else None
    if request and not _is_plain_create(entry, request):
        return _as_requested(entry, request)
    if "resource" not in entry:
        return _as_requested(entry, {}) if is_requested else _deletion(entry, names)
    return _update(entry, names, request or {}, with_alias=not is_requested)


def _update(entry: Entry, names: Names, request: dict[str, Any], with_alias: bool) -> Placed:
    resource, full_url = entry["resource"], entry.get("fullUrl", "")
    type, old, id = resource["resourceType"], resource.get("id"), names.id(full_url, resource)
    if old != id:
        resource = {**resource, "id": id}
    target = f"{type}/{id}"
    rest = {name: value for name, value in entry.items() if name not in _OF_THE_ANSWER}
    put = {**rest, "resource": resource, "request": {**request, "method": "PUT", "url": target}}
    return Placed(put, full_url, target, f"{type}/{old}" if with_alias and old and old != id else "")


def _deletion(entry: Entry, names: Names) -> Placed:
    type, _, id = str(entry["request"]["url"]).strip("/").partition("/")
    full_url = entry.get("fullUrl", "")
    target = f"{type}/{names.id(full_url, {'resourceType': type, 'id': id})}"
    return Placed({"request": {"method": "DELETE", "url": target}}, full_url, target)


def _as_requested(entry: Entry, request: dict[str, Any]) -> Placed:
    """The entry as it came; who is only found at run time is pointed to by the fullUrl, as the transaction knows it."""
    full_url, url = entry.get("fullUrl", ""), str(request.get("url", "")).strip("/")
    is_known = request.get("method") in ("PUT", "PATCH") and "?" not in url
    return Placed(entry, full_url, url if is_known else full_url)


def _is_plain_create(entry: Entry, request: dict[str, Any]) -> bool:
    if request.get("method") != "POST" or "ifNoneExist" in request or "resource" not in entry:
        return False
    return bool(str(request.get("url", "")).strip("/") == entry["resource"]["resourceType"])


def _holds_record(entry: Entry) -> bool:
    if "resource" in entry:
        return (entry.get("search") or {}).get("mode") != "outcome"
    return (entry.get("request") or {}).get("method") == "DELETE"


def _name(entry: Entry) -> str:
    full_url = str(entry.get("fullUrl", ""))
    if ":" in full_url:
        parts = split_restful(full_url)
        return parts.url if parts else full_url
    resource = entry.get("resource")
    if resource is None:
        return str(entry["request"].get("url", ""))
    return f"{resource['resourceType']}/{resource['id']}" if resource.get("id") else ""


def _version(entry: Entry) -> int:
    meta = (entry.get("resource") or {}).get("meta") or {}
    text = str(meta.get("versionId") or (entry.get("response") or {}).get("etag") or "")
    digits = text.removeprefix("W/").strip('"')
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "An entry of a Bundle is an object."
    if "resource" in entry:
        resource = entry["resource"]
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            return "The resource of an entry is an object with a resourceType."
    if not isinstance(entry.get("fullUrl", ""), str):
        return "The fullUrl of an entry is a string."
    if any(not isinstance(entry.get(name, {}), dict) for name in ("request", "response", "search")):
        return "The request, response and search of an entry are objects."
    return ""
