"""Links between the entries of a transaction: fullUrl -> Type/id, and conditional references -> Type/id.

https://hl7.org/fhir/R4/http.html#trules and https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from typing_extensions import Buffer

from fhir_server.interactions import conditional
from fhir_server.interactions.context import Context
from fhir_server.r4 import json, reference
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.parameters import Parameter

_CONDITIONAL = re.compile(rb'"reference"\s*:\s*("[A-Z][A-Za-z]+\?(?:[^"\\]|\\.)*")')
_NARRATIVE = re.compile(r"""urn:(?:uuid|oid):[A-Za-z0-9\-.]+|(?<=href=")[^"#]+|(?<=src=")[^"#]+""")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}$")


class Links:
    """What the references of one transaction become."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.known: dict[str, str] = {}
        self.places: dict[str, str] = {}

    def add(self, full_url: str, resource_type: str, logical_id: str) -> None:
        """References to `full_url` mean this resource."""
        if full_url:
            local = f"{resource_type}/{logical_id}"
            self.known[full_url] = local
            match = _RELATIVE.search(full_url)
            if match and match.group() != local:
                self.known.setdefault(match.group(), local)

    def find(self, wanted: Collection[str]) -> None:
        """Resolve these conditional references, with one statement a parameter where it can be."""
        grouped: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for text in wanted:
            kind, _, query = text.partition("?")
            self._group(grouped, kind, query, text)
        for (kind, name), values in grouped.items():
            self._resolve_together(kind, name, values)

    def _group(
        self, grouped: dict[tuple[str, str], dict[str, str]], kind: str, query: str, text: str
    ) -> None:
        if kind not in TYPE_CODE:
            raise FhirError(Problem.INVALID, "A conditional reference names a type that R4 does not have.")
        pairs = conditional.criteria_pairs(query)
        found = self.context.service.registry.get(kind, pairs[0][0])
        if len(pairs) == 1 and found and found.type == "token" and "," not in pairs[0][1]:
            grouped[kind, found.code][text] = pairs[0][1]
        else:
            self._resolve(kind, query, text)

    def _resolve(self, kind: str, query: str, text: str) -> None:
        found = conditional.matches(self.context, kind, query, at_most=None)
        self._keep(text, kind, found)

    def _resolve_together(self, kind: str, name: str, values: dict[str, str]) -> None:
        parameter = self.context.service.registry.get(kind, name)
        assert parameter is not None
        found = self._by_code(parameter, [value.rpartition("|")[2] for value in values.values()])
        for text, value in values.items():
            system, bar, code = value.rpartition("|")
            ids = {i for s, c, i in found if c == code and (not bar or s == system or s is None)}
            self._keep(text, kind, sorted(ids))

    def _by_code(self, parameter: Parameter, codes: list[str]) -> list[tuple[str | None, str, str]]:
        assert self.context.connection is not None
        access = self.context.access.on("r")
        query = (
            "SELECT CASE WHEN i.system = 0 THEN '' ELSE t.text END, i.code, r.id FROM token_index i JOIN resource r ON r.rid = i.rid"
            " LEFT JOIN term t ON t.id = i.system WHERE i.param = ANY(%s) AND i.code = ANY(%s)"
            f" AND r.body IS NOT NULL AND ({access.text})"
        )
        return self.context.connection.execute(
            query, (list(parameter.stored), codes, *access.values)
        ).fetchall()

    def _keep(self, text: str, kind: str, ids: list[str]) -> None:
        if len(ids) == 1:
            self.known[text] = f"{kind}/{ids[0]}"
        self.places[text] = "no match" if not ids else "several matches"

    def rewrite(self, resource: dict[str, Any], place: str) -> None:
        """Rewrite all references in the resource. Raises INVALID for one that leads nowhere."""
        prefix, known = self.context.base + "/", self.known

        def target(text: str) -> str:
            found = known.get(text)
            if found is not None:
                return found
            if text.startswith(("urn:uuid:", "urn:oid:")) or text in self.places:
                what = self.places.get(text, "no entry of the Bundle has this fullUrl")
                where = f"{place}.resource.{reference.place_of(resource, text)}"
                raise FhirError(Problem.INVALID, f"A reference cannot be resolved: {what}.", where)
            return text.removeprefix(prefix)

        reference.rewrite(resource, target, lambda text: known.get(text, text))
        for holder in (resource, *_contained(resource)):
            text = holder.get("text")
            if isinstance(text, dict) and isinstance(text.get("div"), str):
                text["div"] = self._narrative(text["div"])

    def _narrative(self, div: str) -> str:
        """Links and images, and whatever names a fullUrl that is a urn."""
        if not ("urn:" in div or "href=" in div or "src=" in div):
            return div
        return _NARRATIVE.sub(lambda found: self.known.get(found.group(), found.group()), div)


def conditional_texts(body: Buffer | None) -> set[str]:
    """The conditional references of a resource's JSON."""
    return {json.decode(text) for text in _CONDITIONAL.findall(body)} if body is not None else set()


def make_local(context: Context, resource: dict[str, Any]) -> None:
    """What a create or update outside a transaction does to references: those that name this server's own base become relative, so
    that they stay true when it moves, and conditional ones name what they match. Needs the running transaction."""
    links, prefix = Links(context), context.base + "/"
    links.find({text for text in reference.references(resource) if _is_conditional(text)})

    def target(text: str) -> str:
        if text in links.places and text not in links.known:
            where = f"{resource.get('resourceType')}.{reference.place_of(resource, text)}"
            raise FhirError(Problem.INVALID, f"A reference cannot be resolved: {links.places[text]}.", where)
        return links.known.get(text, text).removeprefix(prefix)

    reference.rewrite(resource, target)


def _is_conditional(text: str) -> bool:
    kind, mark, _ = text.partition("?")
    return bool(mark) and kind in TYPE_CODE


def _contained(resource: dict[str, Any]) -> list[dict[str, Any]]:
    found = resource.get("contained")
    return [inner for inner in found if isinstance(inner, dict)] if isinstance(found, list) else []
