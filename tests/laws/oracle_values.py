"""One element against one value of a search: what agrees, by the paragraph of each type of parameter.

Shares no code with the server. https://hl7.org/fhir/R4/search.html#ptypes and https://hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Json = dict[str, Any]
Span = tuple[datetime, datetime]

ONE = Decimal(1)
UCUM = "http://unitsofmeasure.org"
CANONICAL = {
    "mg/dL": ("g/m3", Decimal(10)),
    "g/L": ("g/m3", Decimal(1000)),
    "mg": ("g", Decimal("0.001")),
    "g": ("g", ONE),
}
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
ESCAPES = {"\\\\": "\ue000", "\\,": "\ue001", "\\|": "\ue002", "\\$": "\ue003"}


def hidden(value: str) -> str:
    """Escaped characters become private ones, so that the text can be split."""
    return re.sub(r"\\[\\,|$]", lambda m: ESCAPES[m[0]], value)


def shown(value: str) -> str:
    """What the escapes stand for."""
    for escape, private in ESCAPES.items():
        value = value.replace(private, escape[1])
    return value


def readings(text: str) -> set[str]:
    """Base letters in lower case; punctuation is nothing, or, but for apostrophes and points, a gap."""
    base = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    bare = re.sub(r"[^\w\s$|]", "", base)
    apart = re.sub(r"[^\w\s$|]", " ", re.sub(r"['’.]", "", base))
    return {" ".join(t.split()) for t in (bare, apart)}


def string(found: str, value: str, modifier: str, is_family: bool) -> bool:
    if modifier == "exact":
        return found == value
    wanted = min(readings(value), key=len)
    if modifier == "contains":
        return any(wanted in reading for reading in readings(found))
    words = max(readings(found), key=lambda r: r.count(" ")).split()
    tails = [" ".join(words[n:]) for n in range(1, len(words))] if is_family else []
    return any(reading.startswith(wanted) for reading in (*readings(found), *tails))


def codings(found: Any) -> list[tuple[str | None, str]]:
    """(system, code) pairs; a code, a boolean or a text has no system of its own: None."""
    if isinstance(found, bool):
        return [(None, str(found).lower())]
    if isinstance(found, str):
        return [(None, found)]
    if "coding" in found or "text" in found:
        return [(c.get("system", ""), c.get("code", "")) for c in found.get("coding", ())]
    return [(found.get("system", ""), found.get("value", found.get("code", "")))]


def labels(found: Any) -> list[str]:
    """The text that `:text` searches."""
    if not isinstance(found, dict):
        return []
    said = [c.get("display", "") for c in (found, *found.get("coding", ()))]
    return [text for text in (*said, found.get("text", ""), found.get("type", {}).get("text", "")) if text]


def token(found: Any, value: str, modifier: str) -> bool:
    if modifier == "text":
        wanted = max(readings(shown(value)), key=len)
        return any(reading.startswith(wanted) for text in labels(found) for reading in readings(text))
    if modifier == "of-type":
        system, code, number_ = map(shown, value.split("|"))
        kinds = [(c.get("system"), c.get("code")) for c in found.get("type", {}).get("coding", ())]
        return (system, code) in kinds and found.get("value") == number_
    system, bar, code = value.rpartition("|")
    return any(same_code(own, own_code, shown(system), bar, shown(code)) for own, own_code in codings(found))


def same_code(own: str | None, own_code: str, system: str, bar: str, code: str) -> bool:
    """`|code` has no system, `system|` is any code of it; a code that carries no system has the implied one."""
    if not code:
        return own == system
    return own_code == code and (not bar or own in (system, None))


def reference(found: Json, value: str, modifier: str, base: str) -> bool:
    if modifier == "identifier":
        return "identifier" in found and token(found["identifier"], value, "")
    target, _, version = str(found.get("reference", "")).partition("/_history/")
    wanted, _, wanted_version = shown(value).removeprefix(base + "/").partition("/_history/")
    if wanted_version and version != wanted_version:
        return False
    if modifier and "/" not in wanted:
        wanted = f"{modifier}/{wanted}"
    return target == wanted if "/" in wanted else target.partition("/")[2] == wanted


def uri(found: str, value: str, modifier: str) -> bool:
    if modifier == "below":
        return found == value or found.startswith(value.rstrip("/") + "/")
    if modifier == "above":
        return value == found or value.startswith(found.rstrip("/") + "/")
    return found == value


def span(text: str) -> Span:
    """From the first instant to just behind the last one; what has no time zone is in UTC."""
    _, _, time = text.partition("T")
    if not time:
        return days(text)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    digits = re.fullmatch(r"\d\d:\d\d(:\d\d(?:\.(\d+))?)?.*", time)
    assert digits
    if digits[2]:
        return moment, moment + timedelta(microseconds=10 ** (6 - len(digits[2])))
    return moment, moment + (timedelta(seconds=1) if digits[1] else timedelta(minutes=1))


def days(text: str) -> Span:
    parts = [int(p) for p in text.split("-")]
    year, month, day = (*parts, 1, 1)[:3]
    start = datetime(year, month, day, tzinfo=UTC)
    if len(parts) == 3:
        return start, start + timedelta(days=1)
    if len(parts) == 2:
        return start, (start + timedelta(days=31)).replace(day=1)
    return start, start.replace(year=year + 1)


def element_span(found: Any) -> Span:
    """Of a Timing the outer limits only; without any it may be at any time."""
    if isinstance(found, str):
        return span(found)
    if {"event", "repeat", "code"} & found.keys():
        bounds = found.get("repeat", {}).get("boundsPeriod")
        inner = [*found.get("event", ()), *([bounds] if bounds else [])]
        spans = [element_span(f) for f in inner] or [(FIRST, LAST)]
        return min(lo for lo, _ in spans), max(hi for _, hi in spans)
    start, end = found.get("start"), found.get("end")
    return span(start)[0] if start else FIRST, span(end)[1] if end else LAST


def date(now: datetime, t: Span, prefix: str, v: Span) -> bool:
    """R4's table of prefixes, for the ranges of the element (t) and of the value (v)."""
    slack = abs(now - v[0]) / 10
    is_inside, is_above, is_below = v[0] <= t[0] and t[1] <= v[1], t[1] > v[1], t[0] < v[0]
    return {
        "eq": is_inside,
        "ne": not is_inside,
        "gt": is_above,
        "lt": is_below,
        "ge": is_above or is_inside,
        "le": is_below or is_inside,
        "sa": t[0] >= v[1],
        "eb": t[1] <= v[0],
        "ap": t[0] < v[1] + slack and t[1] > v[0] - slack,
    }[prefix]


def bounds(found: Any) -> tuple[Decimal, Decimal]:
    if isinstance(found, dict):
        low, high = (found.get(end, {}).get("value") for end in ("low", "high"))
        return Decimal("-Infinity" if low is None else low), Decimal("Infinity" if high is None else high)
    return Decimal(found), Decimal(found)


def number(t: tuple[Decimal, Decimal], prefix: str, text: str, factor: Decimal) -> bool:
    """An exact element, or a range of them, against the digits that were written: only eq and ne read their precision."""
    exact, mantissa = Decimal(text) * factor, text.lower().partition("e")[0].lstrip("-")
    place = Decimal(text).as_tuple().exponent
    assert isinstance(place, int)
    is_lone = "e" in text.lower() and len(mantissa.lstrip("0")) == 1
    half = Decimal(5).scaleb(place - 1 - is_lone) * factor
    v, tenth = (exact - half, exact + half), abs(exact) / 10
    is_inside = v[0] <= t[0] and t[1] < v[1]
    return {
        "eq": is_inside,
        "ne": not is_inside,
        "gt": t[1] > exact,
        "lt": t[0] < exact,
        "ge": t[1] >= exact,
        "le": t[0] <= exact,
        "sa": t[0] > exact,
        "eb": t[1] < exact,
        "ap": t[0] <= max(v[1], exact + tenth) and t[1] >= min(v[0], exact - tenth),
    }[prefix]


def quantity(found: Json, prefix: str, text: str) -> bool:
    """`number`, `number|system|code` or `number||unit`; two amounts in UCUM's units are compared as amounts."""
    amount, *unit = text.split("|")
    own, sign = Decimal(found["value"]), found.get("comparator", "")
    low = Decimal("-Infinity") if sign[:1] == "<" else own
    high = Decimal("Infinity") if sign[:1] == ">" else own
    if not any(unit):
        return number((low, high), prefix, amount, ONE)
    system, code = map(shown, unit)
    if system == UCUM and code in CANONICAL:
        base, factor = CANONICAL[code]
        own_base, own_factor = CANONICAL.get(found.get("code", ""), ("", ONE))
        same = found.get("system") == UCUM and own_base == base
        return same and number((low * own_factor, high * own_factor), prefix, amount, factor)
    if system:
        named = found.get("system") == system and code in ("", found.get("code"))
    else:
        named = code in (found.get("code"), found.get("unit"))
    return named and number((low, high), prefix, amount, ONE)
