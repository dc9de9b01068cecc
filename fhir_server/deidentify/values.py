"""What becomes of the datatypes that may tell who somebody is: a row each. GONE: nothing of it stays.

https://www.ecfr.gov/current/title-45/section-164.514 (b)(2), https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_server.deidentify.days import is_date, moved
from fhir_server.deidentify.names import Names
from fhir_server.deidentify.pseudonyms import Pseudonyms
from fhir_server.deidentify.rules import rules

Json = dict[str, Any]
GONE: Any = object()
OLDEST = 89
"""Years; more is one group, of 90 and older."""
A_YEAR = {"a": 1, "mo": 12, "wk": 52, "d": 365, "year": 1, "years": 1, "yr": 1, "yrs": 1, "months": 12}
UCUM = "http://unitsofmeasure.org"


@dataclass(slots=True)
class Run:
    """One export: `days` is how far the dates of the resource in hand move; None: only their year stays."""

    pseudonyms: Pseudonyms
    names: Names
    now: datetime
    days: int | None = None
    removed: Counter[str] = field(default_factory=Counter)

    def without(self, kind: str) -> Any:
        """GONE, counted."""
        self.removed[kind] += 1
        return GONE


def date(value: Any, run: Run) -> Any:
    """Its year, or the moved date; nothing where the year alone tells an age of 90 or more."""
    if not isinstance(value, str) or not is_date(value):
        return run.without("date")
    if int(value[:4]) < run.now.year - OLDEST:
        return run.without("age over 89")
    run.removed["date"] += run.days is None and len(value) > 4
    try:
        return value[:4] if run.days is None else moved(value, run.days)
    except ValueError:
        return run.without("date")


def instant(value: Any, run: Run) -> Any:
    """An instant has no year alone."""
    return run.without("date") if run.days is None else date(value, run)


def address(value: Any, run: Run) -> Any:
    """State and country, and three digits of a ZIP code that enough people share."""
    if not isinstance(value, Mapping):
        return run.without("address")
    run.removed["address"] += 1
    kept: Json = {name: value[name] for name in ("use", "type") if isinstance(value.get(name), str)}
    country = value.get("country")
    if isinstance(country, str) and re.fullmatch(r"[A-Z]{2,3}", country):
        kept["country"] = country
    if country in (None, "US", "USA"):
        kept |= {"state": value["state"]} if str(value.get("state", "")).lower() in rules().states else {}
        kept |= {"postalCode": zip3(code)} if (code := value.get("postalCode")) and zip3(code) else {}
    return kept if kept.keys() - {"use", "type"} else GONE


def zip3(code: Any) -> str:
    """`02139` is `021`; 20,000 people or fewer are `000`; empty where it is no ZIP code."""
    found = re.fullmatch(r"(\d{3})\d\d(?:-?\d{4})?", str(code))
    return "" if found is None else "000" if found[1] in rules().restricted_zip3 else found[1]


def identifier(value: Any, run: Run) -> Any:
    """A pseudonym; what kind of number it is stays where that is coded."""
    if not isinstance(value, Mapping) or "value" not in value:
        return run.without("identifier")
    run.removed["identifier"] += 1
    made = run.pseudonyms.identifier(value.get("system"), value.get("value"))
    kind = concept(value["type"], run) if "type" in value else GONE
    return {"value": made} if kind is GONE else {"type": kind, "value": made}


def reference(value: Any, run: Run) -> Any:
    """The same reference under pseudonyms, without its display."""
    if not isinstance(value, Mapping):
        return run.without("reference")
    kept: Json = {}
    if isinstance(text := value.get("reference"), str):
        kept["reference"] = run.pseudonyms.reference(text)
    if isinstance(kind := value.get("type"), str) and kind.isalpha():
        kept["type"] = kind
    if (number := identifier(value["identifier"], run) if "identifier" in value else GONE) is not GONE:
        kept["identifier"] = number
    run.removed["free text"] += "display" in value
    return kept if kept.keys() - {"type"} else GONE


def coding(value: Any, run: Run) -> Any:
    """A code of a system that everybody has, with a display that holds no name."""
    if (
        not isinstance(value, Mapping)
        or not isinstance(value.get("code"), str)
        or not rules().is_public(value.get("system"))
    ):
        return run.without("local code")
    kept = {"system": value["system"], "code": value["code"]}
    if isinstance(display := value.get("display"), str):
        if run.names.are_in(display):
            run.removed["free text"] += 1
        else:
            kept["display"] = display
    return kept


def concept(value: Any, run: Run) -> Any:
    """Its codings; its text where one of them says the same."""
    if not isinstance(value, Mapping):
        return run.without("free text")
    given = value.get("coding", ())
    kept = [c for each in (given if isinstance(given, list) else ()) if (c := coding(each, run)) is not GONE]
    text = value.get("text")
    if text in [c.get("display") for c in kept] and text:
        return {"coding": kept, "text": text}
    run.removed["free text"] += text is not None
    return {"coding": kept} if kept else GONE


def quantity(value: Any, run: Run) -> Any:
    """The number with its coded unit; years beyond 89 are one group."""
    if not isinstance(value, Mapping) or not isinstance(value.get("value"), (int, Decimal)):
        return run.without("free text")
    kept: Json = {name: value[name] for name in ("value", "comparator") if name in value}
    if rules().is_public(value.get("system")) and isinstance(value.get("code"), str):
        kept |= {"unit": value["code"], "system": value["system"], "code": value["code"]}
    elif "unit" in value:
        run.removed["free text"] += 1
    if is_old(value):
        run.removed["age over 89"] += 1
        return kept | {"value": (OLDEST + 1) * A_YEAR[_unit(value)], "comparator": ">="}
    return kept


def is_old(value: Any) -> bool:
    """Whether an amount of time is an age of 90 or more."""
    amount = value.get("value") if isinstance(value, Mapping) else None
    per_year = A_YEAR.get(_unit(value)) if isinstance(value, Mapping) else None
    return isinstance(amount, (int, Decimal)) and bool(per_year) and amount > OLDEST * (per_year or 1)


def _unit(value: Mapping[str, Any]) -> str:
    return str(value.get("code") or value.get("unit") or "").lower()


def interval(value: Any, run: Run) -> Any:
    """A Range: gone where it is one of old ages, since its ends have no comparator."""
    if not isinstance(value, Mapping):
        return run.without("free text")
    if any(is_old(value.get(end)) for end in ("low", "high")):
        return run.without("age over 89")
    ends = {end: quantity(value[end], run) for end in ("low", "high") if end in value}
    return {end: found for end, found in ends.items() if found is not GONE} or GONE


def gone(kind: str) -> Callable[[Any, Run], Any]:
    """A datatype of which nothing stays."""
    return lambda value, run: run.without(kind)


def code(value: Any, run: Run) -> Any:
    """A short word; whatever else was written there goes."""
    is_plain = (
        isinstance(value, str) and re.fullmatch(r"[\w.+/:<>=-]{1,60}", value) and not run.names.are_in(value)
    )
    return value if is_plain else run.without("free text")


def as_is(value: Any, run: Run) -> Any:
    """Numbers and truths tell nobody's name."""
    return GONE if isinstance(value, (str, Mapping, list)) else value


def time(value: Any, run: Run) -> Any:
    """A time of day."""
    return (
        value
        if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d:\d\d(?:\.\d+)?", value)
        else run.without("free text")
    )


def logical_id(value: Any, run: Run) -> Any:
    """An id inside a resource, such as a DICOM UID."""
    return run.pseudonyms.of(f"id {value}")


VALUES: dict[str, Callable[[Any, Run], Any]] = {
    **dict.fromkeys(("boolean", "integer", "decimal", "positiveInt", "unsignedInt"), as_is),
    **dict.fromkeys(("date", "dateTime"), date),
    **dict.fromkeys(("Quantity", "Age", "Duration", "Count", "Distance"), quantity),
    **dict.fromkeys(("string", "markdown", "Annotation", "Narrative", "xhtml"), gone("free text")),
    **dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), gone("address on the web")),
    **dict.fromkeys(("Attachment", "base64Binary", "Signature"), gone("attachment")),
    **dict.fromkeys(("ContactPoint", "ContactDetail"), gone("phone or mail")),
    "HumanName": gone("name"),
    "instant": instant,
    "time": time,
    "code": code,
    "id": logical_id,
    "Address": address,
    "Identifier": identifier,
    "Reference": reference,
    "Coding": coding,
    "CodeableConcept": concept,
    "Range": interval,
}
"""Datatypes by name; those that are not named here are walked into."""
