"""Where data came from, as a Consent may ask: `actor` in the role of custodian or author, or `data` that is `authoredby` somebody.

R4's example for records of one organization names it as the custodian (CST): https://hl7.org/fhir/R4/consent-example-notAuthor.html. A
resource says its source in its own elements (SOURCES); where it names nobody of that kind, or where the index does not have all of them,
nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fhir_server.access.truth import Truth
from fhir_server.r4.definitions import RESOURCE_TYPES, TYPE_CODE, elements, search_parameters

Json = Mapping[str, Any]
SOURCE_ROLES = frozenset({"CST", "AUT"})
"""https://hl7.org/fhir/R4/v3/ParticipationType/cs.html: custodian, author (originator)."""

SOURCES = (
    *(
        "author",
        "custodian",
        "performer",
        "recorder",
        "asserter",
        "requester",
        "serviceProvider",
        "informationSource",
        "source",
    ),
    *("provider", "enterer", "sender", "operator", "managingOrganization"),
)


def is_source(entry: Any) -> bool:
    """Whether an actor of a provision is where the data came from, and not who gets it."""
    concept = entry.get("role") if isinstance(entry, Mapping) else None
    coding = concept.get("coding") if isinstance(concept, Mapping) else None
    codes = (
        [each.get("code") for each in coding if isinstance(each, Mapping)] if isinstance(coding, list) else []
    )
    return bool(codes) and all(code in SOURCE_ROLES for code in codes)


def parted(provision: Json) -> Json:
    """The provision with its sources under a name of their own: `source`, beside `actor`."""
    actors = provision.get("actor")
    sources = [entry for entry in actors if is_source(entry)] if isinstance(actors, list) else []
    if not sources:
        return provision
    others = [entry for entry in actors or () if not is_source(entry)]
    rest = {name: value for name, value in provision.items() if name != "actor"}
    return {**rest, "source": sources, **({"actor": others} if others else {})}


def reference_of(entry: Any) -> str:
    """Whom an actor or a data entry names, without the version; empty where it names nobody by a local reference."""
    reference = entry.get("reference") if isinstance(entry, Mapping) else None
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    found = text.partition("/_history/")[0] if isinstance(text, str) else ""
    return found if found.partition("/")[0] in TYPE_CODE and found.count("/") == 1 else ""


def is_from(entry: Any, resource: Json) -> Truth:
    """Whether the resource came from whom the entry names."""
    named, own = reference_of(entry), set(named_sources(resource))
    if not named or "modifierExtension" in entry:
        return None
    if named in own:
        return True
    tells = TYPE_CODE.get(str(resource.get("resourceType"))) in indexed()[1]
    return False if tells and named.partition("/")[0] in {text.partition("/")[0] for text in own} else None


def named_sources(resource: Json) -> Iterator[str]:
    """Whom a resource names as its source."""
    for name in SOURCES:
        yield from _references(resource.get(name))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, Mapping):
        text = value.get("reference")
        if isinstance(text, str):
            yield text.partition("/_history/")[0]
        for each in value.values():
            if isinstance(each, Mapping | list):
                yield from _references(each)


@cache
def indexed() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Search parameters of sources, and the types all of whose sources they cover: what the others do not say may be elsewhere."""
    numbers: set[int] = set()
    covered = []
    for kind in RESOURCE_TYPES:
        paths = list(_paths(kind))
        found = {path: _parameters(kind, path) for path in paths}
        numbers |= {number for each in found.values() for number in each}
        if paths and all(found.values()):
            covered.append(TYPE_CODE[kind])
    return tuple(sorted(numbers)), tuple(sorted(covered))


def _paths(kind: str) -> Iterator[str]:
    for name in SOURCES:
        element = elements(kind).get(name)
        if element is None:
            continue
        if element.type == "Reference":
            yield name
        elif element.type == "BackboneElement":
            yield from (
                f"{name}.{n}" for n, each in elements(element.path).items() if each.type == "Reference"
            )


def _parameters(kind: str, path: str) -> set[int]:
    """The parameters whose expression is this path as a whole, whatever else they look at."""
    wanted = f"{kind}.{path}"
    return {
        p.id
        for p in search_parameters()
        if p.base == kind
        and p.type == "reference"
        and wanted in [part.strip() for part in p.expression.split("|")]
    }
