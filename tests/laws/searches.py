"""Small worlds of resources and searches over them, drawn so that they often meet: few codes, few days, few amounts.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as some

from tests.laws.oracle import OF_ALL, PARAMETERS, TARGETS
from tests.laws.oracle_values import PREFIXES, UCUM

Json = dict[str, Any]
Pair = tuple[str, str]
Search = tuple[str, list[Pair], tuple[str, ...], int]
"""A type, its conditions, sort keys, and the size of a page."""
BASE = "http://test/fhir"
IDS = {
    "Patient": ("p1", "p2", "p3"),
    "Practitioner": ("d1", "p1"),
    "Organization": ("o1", "o2"),
    "Observation": ("b1", "b2", "b3", "b4", "b5"),
    "RiskAssessment": ("r1", "r2"),
    "ValueSet": ("v1", "v2", "v3"),
}
SYSTEMS = ("http://a", "http://b")
CODES = ("x", "y", "x,y")
TEXTS = ("Smith", "smith jones", "Smith-Jones", "Çelik", "O'Hara", "Jo, ann", "a|b$c")
MOMENTS = (
    "2020-03-14T10:30:00Z",
    "2020-03-14T23:30:00-05:00",
    "2020-03-14T10:30:00.500Z",
    "2020-03-14T10:30:07+02:00",
)
DAYS = ("2020", "2020-03", "2020-03-14", "2020-03-15", "2019-12-31")
URIS = (
    "http://a/fhir/ValueSet/1",
    "http://a/fhir/ValueSet/1/2",
    "http://a/fhir",
    "urn:oid:1.2.3",
    "http://a/fhirx",
)
AMOUNTS = ("0.8", "0.80", "8e-1", "0.75", "8", "1e1", "10", "0.01", "-1")
UNITS = ("mg/dL", "g/L", "mg", "apples")
UPDATED = ("2026-03-14", "2026-03", "2026-03-14T09:26:53Z", "2026-03-14T09:26Z", "2026-03-13", "2027")


def maybe(**members: some.SearchStrategy[Any]) -> some.SearchStrategy[Json]:
    """An object with some of the members."""
    return some.fixed_dictionaries({}, optional=members)


def many(of: some.SearchStrategy[Any]) -> some.SearchStrategy[list[Any]]:
    return some.lists(of, min_size=1, max_size=2)


def refer(*types: str) -> some.SearchStrategy[Json]:
    """A reference to one of them, to another version, to another server, or by identifier alone."""
    local = [f"{t}/{i}" for t in types for i in IDS[t]]
    other = [f"{local[0]}/_history/2", f"http://elsewhere/fhir/{local[0]}"]
    named = some.sampled_from([*local * 3, *other]).map(lambda text: {"reference": text})
    return some.one_of(named, named, named, some.builds(dict, identifier=identifiers))


texts, codes, moments = some.sampled_from(TEXTS), some.sampled_from(CODES), some.sampled_from(MOMENTS)
days = some.sampled_from(DAYS)
dates = days | moments
codings = some.fixed_dictionaries(
    {"code": codes}, optional={"system": some.sampled_from(SYSTEMS), "display": texts}
)
concepts: some.SearchStrategy[Json] = some.fixed_dictionaries(
    {"coding": many(codings)}, optional={"text": texts}
) | some.builds(dict, text=texts)
identifiers = some.fixed_dictionaries(
    {"value": codes}, optional={"system": some.sampled_from(SYSTEMS), "type": concepts}
)
periods = maybe(start=dates, end=dates).filter(lambda p: bool(p) and p.get("start", "") <= p.get("end", "9"))
timings: some.SearchStrategy[Json] = some.builds(dict, event=many(dates)) | some.builds(
    dict, repeat=some.builds(dict, boundsPeriod=periods)
)
decimals = some.sampled_from(["0.8", "0.84", "0.85", "0.75", "8", "8.0", "10", "0.01", "-1"]).map(Decimal)
quantities = some.fixed_dictionaries(
    {"value": decimals},
    optional={
        "system": some.sampled_from([UCUM, UCUM, "http://a"]),
        "code": some.sampled_from(UNITS),
        "unit": some.sampled_from(UNITS),
        "comparator": some.sampled_from(["<", ">="]),
    },
)
ranges = some.tuples(decimals, decimals).map(
    lambda ends: {"low": {"value": min(ends)}, "high": {"value": max(ends)}}
)
metas = maybe(
    tag=many(codings), security=many(codings), profile=some.lists(some.sampled_from(URIS), min_size=1, max_size=2, unique=True),
    source=some.sampled_from(URIS),
)  # fmt: skip
names = maybe(family=texts, given=many(texts)).filter(bool)
effective: some.SearchStrategy[Json] = some.one_of(
    some.builds(dict, effectiveDateTime=dates),
    some.builds(dict, effectivePeriod=periods),
    some.builds(dict, effectiveTiming=timings),
)
contents: dict[str, some.SearchStrategy[Json]] = {
    "Patient": maybe(
        meta=metas,
        name=many(names),
        address=many(some.builds(dict, city=texts)),
        birthDate=days,
        gender=some.sampled_from(["male", "female"]),
        active=some.booleans(),
        identifier=many(identifiers),
        generalPractitioner=many(refer("Practitioner", "Organization")),
        managingOrganization=refer("Organization"),
    ),
    "Practitioner": maybe(name=many(names), active=some.booleans()),
    "Organization": maybe(active=some.booleans(), partOf=refer("Organization")),
    "Observation": some.builds(
        lambda one, other: one | other,
        effective | some.just({}),
        maybe(
            meta=metas,
            status=some.sampled_from(["final", "amended"]),
            code=concepts,
            subject=refer("Patient"),
            hasMember=many(refer("Observation")),
            valueQuantity=quantities,
            component=many(maybe(code=concepts, valueQuantity=quantities).filter(bool)),
        )
        | maybe(code=concepts, subject=refer("Patient"), valueString=texts)
        | maybe(code=concepts, subject=refer("Patient"), valueCodeableConcept=concepts),
    ),
    "RiskAssessment": maybe(
        subject=refer("Patient"),
        occurrenceDateTime=dates,
        prediction=many(
            some.builds(dict, probabilityDecimal=decimals) | some.builds(dict, probabilityRange=ranges)
        ),
    ),
    "ValueSet": maybe(url=some.sampled_from(URIS), version=codes, name=texts, meta=metas),
}
worlds = some.fixed_dictionaries(
    {}, optional={f"{kind}/{name}": contents[kind] for kind, known in IDS.items() for name in known}
)


def escaped(text: str) -> str:
    for letter in ("\\", ",", "|", "$"):
        text = text.replace(letter, f"\\{letter}")
    return text


asked_tokens = some.one_of(
    codes.map(escaped),
    some.tuples(some.sampled_from(SYSTEMS), codes).map(lambda p: f"{p[0]}|{escaped(p[1])}"),
    codes.map(lambda code: f"|{escaped(code)}"),
    some.sampled_from(SYSTEMS).map(lambda system: f"{system}|"),
)
asked_codes = some.sampled_from(
    ["true", "false", "male", "final", "amended", "x", "p1", "http://a|male", "|final"]
)
prefixes = some.sampled_from(["", "", *PREFIXES])
asked_dates = some.tuples(prefixes, dates | some.just("2020-03-14T10:30Z")).map("".join)
asked_updates = some.tuples(prefixes, some.sampled_from(UPDATED)).map("".join)
asked_numbers = some.tuples(prefixes, some.sampled_from(AMOUNTS)).map("".join)
asked_units = some.sampled_from(
    ["", "", "||mg", "||apples", "|http://a|mg", "|http://a|", *(f"|{UCUM}|{u}" for u in UNITS[:3])]
)
asked_quantities = some.tuples(asked_numbers, asked_units).map("".join)
asked_texts = (texts | some.sampled_from(["smi", "jones", "celik", "ohara", "o hara", "ann"])).map(escaped)
asked_uris = some.sampled_from([*URIS, "http://a/", "http://a"])
ASKED: dict[str, some.SearchStrategy[str]] = {
    "token": asked_tokens,
    "code": asked_codes,
    "date": asked_dates,
    "number": asked_numbers,
    "quantity": asked_quantities,
    "string": asked_texts,
    "family": asked_texts,
    "uri": asked_uris,
}
MODIFIERS = {
    "token": ("", "", "not", "text", "of-type"),
    "code": ("", "not"),
    "string": ("", "contains", "exact"),
    "family": ("", "contains", "exact"),
    "uri": ("", "below", "above"),
    "reference": ("", "", "identifier", "type"),
}


@some.composite
def conditions(draw: some.DrawFn, resource_type: str, depth: int = 0) -> Pair:
    """`name=value` on resources of the type: a parameter, a chain or a `_has`, nested at will."""
    ways = ["plain", "plain", "plain", "chain", "has"] if depth < 3 else ["plain"]
    references = [c for c, (kind, _) in PARAMETERS[resource_type].items() if kind.startswith("reference")]
    way = draw(some.sampled_from(ways))
    if way == "chain" and references:
        return draw(chains(resource_type, draw(some.sampled_from(references)), depth))
    if way == "has":
        sources = [
            (t, c) for t, known in PARAMETERS.items() for c in known if resource_type in TARGETS.get(c, ())
        ]
        if sources:
            kind, code = draw(some.sampled_from(sources))
            name, value = draw(conditions(kind, depth + 1))
            return f"_has:{kind}:{code}:{name}", value
    return draw(plain(resource_type))


@some.composite
def chains(draw: some.DrawFn, resource_type: str, code: str, depth: int) -> Pair:
    target = draw(some.sampled_from([t for t in TARGETS[code] if t in PARAMETERS]))
    name, value = draw(conditions(target, depth + 1))
    typed = draw(some.booleans())
    return f"{code}:{target}.{name}" if typed else f"{code}.{name}", value


@some.composite
def plain(draw: some.DrawFn, resource_type: str) -> Pair:
    every = {**PARAMETERS[resource_type], **OF_ALL}
    code = draw(some.sampled_from(sorted(every)))
    kind, rule = every[code]
    if kind != "composite" and draw(some.integers(0, 7)) == 7:
        return f"{code}:missing", draw(some.sampled_from(["true", "false"]))
    if kind == "composite":
        parts = [PARAMETERS[resource_type][c][0] for c in rule.partition(".")[2].split("$")]
        each = some.tuples(*(ASKED[part] for part in parts)).map("$".join)
        return code, ",".join(draw(many(each)))
    kind = kind.partition(" ")[0]
    known = ("",) if code == "_lastUpdated" else MODIFIERS.get(kind, ("",))
    modifier = draw(some.sampled_from(known))
    if kind == "reference":
        return draw(references(code, modifier))
    asked = ASKED[kind] if code != "_lastUpdated" else asked_updates
    if modifier == "text":
        asked = asked_texts
    if modifier == "of-type":
        asked = some.tuples(some.sampled_from(SYSTEMS), codes, codes).map(lambda p: "|".join(map(escaped, p)))
    return f"{code}:{modifier}" if modifier else code, ",".join(draw(many(asked)))


@some.composite
def references(draw: some.DrawFn, code: str, modifier: str) -> Pair:
    if modifier == "identifier":
        return f"{code}:identifier", draw(asked_tokens)
    target = draw(some.sampled_from([t for t in TARGETS[code] if t in IDS]))
    name = draw(some.sampled_from(IDS[target]))
    if modifier == "type":
        return f"{code}:{target}", name
    forms = [name, f"{target}/{name}", f"{BASE}/{target}/{name}", f"{target}/{name}/_history/2"]
    return code, draw(some.sampled_from([*forms, f"http://elsewhere/fhir/{target}/{name}"]))


SORTED = ("string", "family", "date", "number", "code", "token", "uri")


@some.composite
def searches(draw: some.DrawFn) -> Search:
    kind = draw(
        some.sampled_from(
            ["Patient", "Observation", "Observation", "RiskAssessment", "ValueSet", "Organization"]
        )
    )
    pairs = draw(some.lists(conditions(kind), max_size=3))
    every = {**PARAMETERS[kind], **OF_ALL}
    codes = some.sampled_from(sorted(c for c, (t, _) in every.items() if t in SORTED))
    keys = draw(some.lists(codes, max_size=2, unique=True))
    sort = tuple(draw(some.sampled_from([key, f"-{key}"])) for key in keys)
    return kind, pairs, sort, draw(some.integers(1, 7))
