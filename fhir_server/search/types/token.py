"""Search parameter type `token`.

`system|code`, `code` (any system), `|code` (no system), `system|` (any code); booleans, codes, identifiers and contact points too.
A plain `code` element has no system of its own, its binding implies it: it is written with IMPLIED.
https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.search.types.asked import Asked, term
from fhir_server.search.types.string import fold_apart as fold
from fhir_server.sql import FALSE, Fragment

INDEXED_LETTERS = 600
NO_SYSTEM, IMPLIED = 0, -1
"""Numbers in the column `system` that stand for no interned text."""

Row = tuple[str | None, str, str | None]
"""system ("" none, None implied), code, display (folded)."""


def rows(value: Any) -> Iterator[Row]:
    """One row a coding, identifier, contact point, code, boolean or text."""
    if isinstance(value, bool):
        yield None, "true" if value else "false", None
    elif isinstance(value, str):
        yield None, value[:INDEXED_LETTERS], None
    elif isinstance(value, dict):
        yield from _complex(value)
    elif value is not None:
        yield None, str(value), None


def _complex(value: dict[str, Any]) -> Iterator[Row]:
    codings = value.get("coding")
    if codings is not None or ("text" in value and "value" not in value):
        yield from _concept(codings if isinstance(codings, list) else [], value.get("text"))
    elif "value" in value:
        yield from _identifier(value)
    elif "code" in value or "system" in value or "display" in value:
        yield from _coding(value)


def _concept(codings: list[Any], text: Any) -> Iterator[Row]:
    shown = set()
    for coding in codings:
        if isinstance(coding, dict):
            yield from _coding(coding)
            shown.add(coding.get("display"))
    if isinstance(text, str) and text and text not in shown:
        yield "", "", fold(text)


def _coding(coding: dict[str, Any]) -> Iterator[Row]:
    display = coding.get("display")
    yield (
        coding.get("system", ""),
        str(coding.get("code", ""))[:INDEXED_LETTERS],
        fold(display) if display else None,
    )


def _identifier(value: dict[str, Any]) -> Iterator[Row]:
    kind = value.get("type")
    label = kind.get("text") if isinstance(kind, dict) else None
    yield value.get("system", ""), str(value["value"])[:INDEXED_LETTERS], fold(label) if label else None


def typed_rows(value: Any) -> Iterator[Row]:
    """Rows for `:of-type`: the identifier's type and value in one."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), dict) or "value" not in value:
        return
    for coding in value["type"].get("coding", ()):
        if isinstance(coding, dict):
            yield (
                f"{coding.get('system', '')}|{coding.get('code', '')}",
                str(value["value"])[:INDEXED_LETTERS],
                None,
            )


def where(asked: Asked) -> Fragment:
    """The plain forms, `:text` and `:of-type`; `:not` is the caller's, who has to deny the whole row set."""
    return _MODIFIERS.get(asked.modifier, _equal)(asked)


def _equal(asked: Asked) -> Fragment:
    parts = asked.parts()
    if len(parts) > 2 or not any(parts):
        raise asked.refuse("code, system|code, |code or system|")
    code, system = asked.column("code"), asked.column("system")
    if len(parts) == 1:
        return Fragment(f"{code} = %s", (parts[0][:INDEXED_LETTERS],))
    if not parts[0]:
        return Fragment(f"{code} = %s AND {system} IN (0, -1)", (parts[1][:INDEXED_LETTERS],))
    if not parts[1]:
        return term(system, parts[0])
    inside = term(system, parts[0])
    return Fragment(
        f"{code} = %s AND ({inside.text} OR {system} = -1)", (parts[1][:INDEXED_LETTERS], *inside.values)
    )


def _text(asked: Asked) -> Fragment:
    wanted = fold(asked.parts()[0])
    if not wanted:
        raise asked.refuse("some text")
    shown = f"{asked.column('display')} IN (SELECT id FROM term WHERE text >= %s AND text < %s)"
    return Fragment(shown, (wanted, wanted + "\U0010ffff"))


def _of_type(asked: Asked) -> Fragment:
    parts = asked.parts()
    if len(parts) != 3 or not all(parts[1:]):
        raise asked.refuse("type system|type code|value")
    kind = term(asked.column("system"), f"{parts[0]}|{parts[1]}")
    return Fragment(
        f"{asked.column('code')} = %s AND {kind.text}", (parts[2][:INDEXED_LETTERS], *kind.values)
    )


def in_codes(asked: Asked, codes: list[tuple[str, str]]) -> Fragment:
    """The row's coding is one of these (system, code) pairs: what `:in`, `:below` and `:above` come down to."""
    if not codes:
        return FALSE
    systems, values = [s for s, _ in codes], [c for _, c in codes]
    listed = "SELECT t.id, c.code FROM unnest(%s::text[], %s::text[]) AS c (system, code) JOIN term t ON md5(t.text) = md5(c.system)"
    implied = f"({asked.column('system')} = -1 AND {asked.column('code')} = ANY(%s))"
    pair = f"({asked.column('system')}, {asked.column('code')}) IN ({listed})"
    return Fragment(f"{pair} OR {implied}", (systems, values, values))


_MODIFIERS: dict[str, Callable[[Asked], Fragment]] = {"text": _text, "of-type": _of_type}
MODIFIERS = ("not", "text", "of-type", "in", "not-in", "above", "below")
