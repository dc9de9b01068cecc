"""$closure: a client's table of which of its codes subsume which, kept up to date code by code.

The name alone starts an empty table; with concepts, what they add to it comes back; with a version, what was added since.
https://hl7.org/fhir/R4/conceptmap-operation-closure.html and https://hl7.org/fhir/R4/terminology-service.html#closure
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.operations.terms import Coded, catalog, text_of, told
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import closures
from terminology.codes.concept import CannotTell

Json = dict[str, Any]
Pair = tuple[str, str]
LONGEST_NAME = 200


def closure(context: Context, request: OperationRequest) -> Result:
    """200 with a ConceptMap of what is new. Raises NOT_FOUND for a table that was never started, or an unknown code."""
    name = text_of(request, "name")
    if not name or len(name) > LONGEST_NAME:
        raise FhirError(Problem.BAD_REQUEST, f"$closure needs a name of up to {LONGEST_NAME} letters.")
    concepts = [Coded.parse(value, "concept") for value in request.values("concept")]
    since = _since(request)
    if concepts and since is not None:
        raise FhirError(Problem.BAD_REQUEST, "Either concepts are added, or a version is asked for.")
    with context.connect() as connection:
        if not concepts and since is None:
            closures.start(connection, name)
            return _answer(context, name, 0, [])
        version = closures.lock(connection, name)
        if version is None:
            raise FhirError(Problem.NOT_FOUND, "No closure table of this name was started.")
        before = closures.held(connection, name)
        if since is not None:
            return _answer(context, name, version, _related(context, before, before, since))
        added = [pair for pair in dict.fromkeys(_pairs(context, concepts)) if pair not in before]
        if added:
            version += 1
            closures.add(connection, name, version, added)
        now = before | dict.fromkeys(added, version)
        return _answer(context, name, version, _related(context, now, now if added else {}, version - 1))


def _since(request: OperationRequest) -> int | None:
    text = text_of(request, "version")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FhirError(Problem.BAD_PARAMETER, "version: expected one that this operation has given.")
    return int(text)


def _pairs(context: Context, concepts: Sequence[Coded]) -> Iterator[Pair]:
    """The codes, each as its system writes it. Raises NOT_FOUND, NOT_PROCESSABLE."""
    for coded in concepts:
        with told():
            system = catalog(context).require_system(coded.system, coded.version)
            found = system.find([coded.code]).get(coded.code)
            if found is None:
                text = f"{coded.system[:300]} has no code {coded.code[:100]}. {system.note}"
                raise CannotTell("not-found", text.strip())
            if system.content != "complete":
                raise CannotTell("incomplete", system.note or f"Only a part of {system.url} is known here.")
        yield coded.system, found.code


def _related(
    context: Context, held: closures.Held, below: Iterable[Pair], since: int
) -> list[tuple[Pair, Pair]]:
    """(code, code above it) where one of the two came after `since`."""
    found = []
    for system, code in below:
        with told():
            above = catalog(context).require_system(system).above(code)
        ancestors = [(system, each) for each in above if (system, each) in held]
        own = held[system, code]
        found += [((system, code), each) for each in ancestors if max(own, held[each]) > since]
    return found


def _answer(context: Context, name: str, version: int, related: Sequence[tuple[Pair, Pair]]) -> Result:
    groups: dict[str, dict[str, list[Json]]] = {}
    for (system, code), (_, above) in related:
        target = {"code": above, "equivalence": "subsumes"}
        groups.setdefault(system, {}).setdefault(code, []).append(target)
    found: Json = {
        "resourceType": "ConceptMap",
        "id": context.service.new_id(),
        "version": str(version),
        "name": name,
        "status": "active",
        "experimental": True,
        "date": context.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if groups:
        found["group"] = [_group(system, rows) for system, rows in groups.items()]
    return Result(200, json.encode(found))


def _group(system: str, rows: dict[str, list[Json]]) -> Json:
    elements = [{"code": code, "target": targets} for code, targets in rows.items()]
    return {"source": system, "target": system, "element": elements}


OPERATION = Operation(
    "closure",
    "Which of a client's codes subsume which",
    closure,
    system=True,
    affects_state=True,
    parameters=(
        Parameter("name", "in", 1, "1", "string", "the table; alone it starts an empty one"),
        Parameter("concept", "in", 0, "*", "Coding", "codes to add"),
        Parameter("version", "in", 0, "1", "string", "or: what was added since this version"),
        Parameter("return", "out", 1, "1", "ConceptMap", "code -> code above it (subsumes); its version"),
    ),
)
