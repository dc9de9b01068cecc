"""ground: a claim stands only if what it cites bears it. Pure, and the same for every writer.

Every number, unit, date, direction, negation and name is derived again from the cited elements; what cannot be derived is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.phrases import MONTHS
from terminology import lay
from terminology.lay_search import exact_matches
from terminology.text import fold

_NUMBER = re.compile(r"(?<![\w.,])[<>]?\d+(?:[.,]\d+)?(?![\w]|[.,]\d)")
_DATE = re.compile(
    rf"\b(\d{{1,2}}) ({'|'.join(MONTHS['en'] + MONTHS['fr'])}) (\d{{4}})\b|\b(\d{{4}})-(\d{{2}})-(\d{{2}})\b",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"(?<=\d)\s?(%|mg/dL|g/dL|mmol/L|umol/L|µmol/L|mEq/L|ng/mL|pg/mL|U/L|IU/L|mm\[Hg\]|mmHg|kg/m2|kg|cm|fL|pg|10\*3/uL|mL/min(?:/\S+)?|g/L|mg/L|lb|°F|°C|Cel)(?![\w/])"
)
_UP, _DOWN = (
    re.compile(r"\b(?:up(?! to)|risen|rose|higher than|increased|en hausse|augmente)\b"),
    re.compile(r"\b(?:down|fallen|fell|lower than|decreased|dropped|en baisse|diminue)\b"),
)
_ABOVE, _BELOW = (
    re.compile(r"\b(?:above (?:it|the range|range|normal)|too high|au-dessus)\b"),
    re.compile(r"\b(?:below (?:it|the range|range|normal)|too low|en dessous)\b"),
)
_WITHIN = re.compile(
    r"\b(?:inside it|within (?:the |its |a )?(?:normal |usual |reference )?(?:range|limits)|in (?:the )?(?:normal )?range|(?:is|was|are|looks) (?:normal|fine|ok|okay|good)|dedans)\b"
)
_NEGATION = re.compile(r"\b(?:no|not|never|without|none|negative|n'|pas|aucun|aucune|jamais|sans)\b")


def is_grounded(claim: Claim, evidence: Mapping[str, Evidence]) -> bool:
    """Whether the citations are among the evidence and bear every checkable word of the claim."""
    cited = [evidence[reference] for reference in claim.citations if reference in evidence]
    if len(cited) != len(claim.citations):
        return False
    if not cited:
        return bool(claim.source)
    if claim.source and _is_of_the_entry(claim, cited):
        return True
    text = claim.text
    return (
        _dates(text, cited)
        and _numbers(text, cited)
        and _units(text, cited)
        and _directions(text, cited)
        and _names(text, cited)
        and _negations(text, cited)
    )


def grounded(claims: Iterable[Claim], evidence: Sequence[Evidence]) -> list[Claim]:
    """The claims that stand."""
    known = {item.reference: item for item in evidence}
    return [claim for claim in claims if is_grounded(claim, known)]


def _is_of_the_entry(claim: Claim, cited: Sequence[Evidence]) -> bool:
    """A sentence of the plain-word entry itself is not about this record: it has to be that entry's, letter by letter."""
    entries = [e for item in cited if (e := lay.describe_any(item.codings, item.label))]
    texts = [
        text
        for e in entries
        for words in (e.about, e.lab and e.lab.high, e.lab and e.lab.low)
        if words
        for text in words.values()
    ]
    return claim.text in texts


def _dates(text: str, cited: Sequence[Evidence]) -> bool:
    known = {item.time.date() for item in cited if item.time}
    for match in _DATE.finditer(text):
        try:
            if _date(match).date() not in known:
                return False
        except ValueError:
            return False
    return True


def _date(match: re.Match[str]) -> datetime:
    if match[4]:
        return datetime(int(match[4]), int(match[5]), int(match[6]))
    name = match[2].lower()
    month = next(n for names in MONTHS.values() for n, m in enumerate(names, 1) if m.lower() == name)
    return datetime(int(match[3]), month, int(match[1]))


def _numbers(text: str, cited: Sequence[Evidence]) -> bool:
    """Each number is one of the elements', or how many resources are cited."""
    bare = _DATE.sub(" ", text)
    for item in cited:
        bare = bare.replace(item.label, " ") if item.label else bare
        bare = _without_names(bare, item)
    known = (
        {value for item in cited for value in _values(item.elements)} | {Decimal(len(cited))} | _usual(cited)
    )
    return all(_known(number, known) for number in _NUMBER.findall(bare))


def _without_names(text: str, item: Evidence) -> str:
    entry = lay.describe_any(item.codings, item.label)
    names = [entry.name_in(each) for each in ("en", "fr")] if entry else []
    for name in [*names, *(c.display or "" for c in item.codings)]:
        text = text.replace(name, " ") if name else text
    return text


def _values(element: Any) -> set[Decimal]:
    if isinstance(element, bool):
        return set()
    if isinstance(element, (int, Decimal)):
        return {Decimal(element)}
    if isinstance(element, dict):
        return {
            v
            for name, part in element.items()
            if name != "code" or isinstance(part, dict)
            for v in _values(part)
        }
    return {v for part in element for v in _values(part)} if isinstance(element, list) else set()


def _usual(cited: Sequence[Evidence]) -> set[Decimal]:
    """Ends of the usual ranges that the plain-word entries know for these results."""
    entries = [e for item in cited if (e := lay.describe_any(item.codings, item.label)) and e.lab]
    ends = {end for e in entries if e.lab for r in e.lab.ranges for end in (r.low, r.high) if end is not None}
    return ends | {round(end, 2) for end in ends}


def _known(text: str, known: set[Decimal]) -> bool:
    try:
        value = Decimal(text.lstrip("<>").replace(",", "."))
    except InvalidOperation:
        return False
    digits = -int(value.as_tuple().exponent)
    return any(value == one or (digits <= 2 and round(one, 2) == value) for one in known)


def _units(text: str, cited: Sequence[Evidence]) -> bool:
    known = {u for item in cited for u in _texts_of(item.elements, ("unit", "code"))} | {
        "mmHg" if "mm[Hg]" in str(item.elements) else "" for item in cited
    }
    return all(unit in known for unit in _UNIT.findall(text))


def _texts_of(element: Any, names: Sequence[str]) -> set[str]:
    if isinstance(element, dict):
        own = {v for n, v in element.items() if n in names and isinstance(v, str)}
        return own | {t for part in element.values() for t in _texts_of(part, names)}
    return {t for part in element for t in _texts_of(part, names)} if isinstance(element, list) else set()


def _directions(text: str, cited: Sequence[Evidence]) -> bool:
    """Up and down compare the newest citation with the oldest; above, below and within its value with its range."""
    folded = text.lower()
    series = sorted(
        (item for item in cited if item.value is not None and item.time),
        key=lambda e: e.time.timestamp() if e.time else 0,
    )
    up, down = bool(_UP.search(folded)), bool(_DOWN.search(folded))
    if up or down:
        if len(series) < 2 or series[0].value is None or series[-1].value is None:
            return False
        if (up and not series[-1].value > series[0].value) or (
            down and not series[-1].value < series[0].value
        ):
            return False
    return _positions(folded, cited[0])


def _positions(folded: str, item: Evidence) -> bool:
    said = [
        name
        for name, pattern in (("above", _ABOVE), ("below", _BELOW), ("inside", _WITHIN))
        if pattern.search(folded)
    ]
    if not said:
        return True
    if item.value is None:
        return False
    places = {_position(item.value, low, high) for low, high in _ranges(item)}
    return all(name in places for name in said)


def _ranges(item: Evidence) -> list[tuple[Decimal | None, Decimal | None]]:
    own = [
        (_end(r, "low"), _end(r, "high"))
        for r in item.elements.get("referenceRange", ())
        if isinstance(r, dict)
    ]
    if own:
        return own
    entry = lay.describe_any(item.codings, item.label)
    return [(r.low, r.high) for r in entry.lab.ranges] if entry and entry.lab else []


def _end(found: Mapping[str, Any], name: str) -> Decimal | None:
    value = found.get(name, {}).get("value")
    return Decimal(value) if isinstance(value, (int, Decimal)) else None


def _position(value: Decimal, low: Decimal | None, high: Decimal | None) -> str:
    return (
        "below"
        if low is not None and value < low
        else "above"
        if high is not None and value > high
        else "inside"
    )


def _names(text: str, cited: Sequence[Evidence]) -> bool:
    """A concept that the claim names has to be one of those cited."""
    own = {fold(name) for item in cited for name in _all_names(item)}
    words = fold(_UNIT.sub(" ", _DATE.sub(" ", text))).split()
    named = [entry for entry in exact_matches(words, "en") if len(entry.name_in("en")) > 3]
    ours = {e.id for item in cited if (e := lay.describe_any(item.codings, item.label))}
    joined = " ".join(own)
    return all(
        entry.id in ours or any(fold(n) in joined for n in lay.synonyms(entry, "en")) for entry in named
    )


def _all_names(item: Evidence) -> list[str]:
    entry = lay.describe_any(item.codings, item.label)
    parts = _texts_of(item.elements, ("display", "text"))
    return [
        item.label,
        *parts,
        *(lay.synonyms(entry, "en") if entry else ()),
        *(lay.synonyms(entry, "fr") if entry else ()),
    ]


def _negations(text: str, cited: Sequence[Evidence]) -> bool:
    """`no` and `not` stand only where the record itself says so, or where the sentence speaks of a missing range."""
    bare = fold(text)
    if (
        "no range" in bare
        or "pas d'intervalle" in bare
        or "not from your record" in bare
        or "pas selon votre dossier" in bare
        or "gives no date" in bare
        or "ne donne pas de date" in bare
    ):
        return True
    words = " ".join(
        fold(t)
        for item in cited
        for t in _texts_of(item.elements, ("display", "text", "valueString", "code"))
    )
    return all(match in words for match in _NEGATION.findall(bare))
