"""Consents as a condition on rows: no provision denies, sensitive categories are permitted by name, an exchange is permitted at all.

A provision speaks where all its conditions hold and none of its exceptions speaks; a denial that speaks wins (access/consent.py).
The rows stand in consent_rule and change with the Consent, in its transaction. https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.access.actor import Actor
from fhir_server.access.purpose import Purpose, and_broader
from fhir_server.sql import Fragment

_CONDITIONS = """{x}.valid_from <= now() AND {x}.valid_to > now()
 AND ({x}.purposes IS NULL OR {x}.purposes && %s::text[]) AND ({x}.actors IS NULL OR {x}.actors && %s::text[])
 AND ({x}.types IS NULL OR {kind} = ANY({x}.types)) AND ({x}.labels IS NULL OR {r}.labels & {x}.labels <> 0)
 AND ({x}.rids IS NULL OR EXISTS (SELECT FROM resource o WHERE o.rid = {r}.rid AND o.type || '/' || o.id = ANY({x}.rids)))
 AND ({x}.codes IS NULL OR EXISTS (SELECT FROM token_index t JOIN term s ON s.id = t.system
   WHERE t.rid = {r}.rid AND s.text || '|' || t.code = ANY({x}.codes)))
 AND ({x}.data_from IS NULL OR CASE WHEN {x}.permits
   THEN EXISTS (SELECT FROM date_index t WHERE t.rid = {r}.rid)
     AND NOT EXISTS (SELECT FROM date_index t WHERE t.rid = {r}.rid AND (t.lo < {x}.data_from OR t.hi > {x}.data_to))
   ELSE NOT EXISTS (SELECT FROM date_index t WHERE t.rid = {r}.rid)
     OR EXISTS (SELECT FROM date_index t WHERE t.rid = {r}.rid AND t.lo < {x}.data_to AND t.hi > {x}.data_from) END)"""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whose use for which purpose the Consents are asked about."""

    actor: Actor
    purpose: Purpose

    def not_denied(self, row: str, kind: str) -> Fragment:
        """No provision that speaks denies."""
        speaks = self._speaks("d", row, kind)
        text = f"NOT EXISTS (SELECT FROM consent_rule d WHERE d.patient = ANY({row}.patients) AND NOT d.permits AND {speaks.text})"
        return Fragment(text, speaks.values)

    def labels_permitted(self, row: str, kind: str) -> Fragment:
        """Each sensitive category of the row is named by a provision that permits; of several patients nobody speaks for the others."""
        speaks = self._speaks("p", row, kind)
        named = (
            f"SELECT bit_or(p.labels) FROM consent_rule p WHERE p.patient = {row}.patients[1] AND p.permits"
            f" AND p.labels IS NOT NULL AND {speaks.text}"
        )
        text = (
            f"({row}.labels = 0 OR (cardinality({row}.patients) = 1"
            f" AND ({row}.labels & ~coalesce(({named}), 0::smallint)) = 0))"
        )
        return Fragment(text, speaks.values)

    def permitted(self, row: str, kind: str) -> Fragment:
        """A provision that speaks permits, where the row is somebody's."""
        speaks = self._speaks("p", row, kind)
        text = (
            f"({row}.patients = '{{}}' OR (cardinality({row}.patients) = 1 AND EXISTS"
            f" (SELECT FROM consent_rule p WHERE p.patient = {row}.patients[1] AND p.permits AND {speaks.text})))"
        )
        return Fragment(text, speaks.values)

    def glass_broken(self, row: str) -> Fragment:
        """The actor broke the glass for the row's patient, and the time is not over."""
        text = f"EXISTS (SELECT FROM break_glass b WHERE b.patient = ANY({row}.patients) AND b.actor = %s AND b.until > now())"
        return Fragment(text, (self.actor.subject,))

    def speaking(self, row: str, kind: str) -> Fragment:
        """SELECT of the provisions that speak of a row of `resource`; the row is still to be named."""
        speaks = self._speaks("d", row, kind)
        text = (
            f"SELECT d.reference, d.node, d.permits FROM resource {row} JOIN consent_rule d ON d.patient = ANY({row}.patients)"
            f" WHERE {speaks.text}"
        )
        return Fragment(text, speaks.values)

    def _speaks(self, rule: str, row: str, kind: str) -> Fragment:
        own, inner = (_CONDITIONS.format(x=x, r=row, kind=kind) for x in (rule, "e"))
        values = (list(and_broader(self.purpose)), self._tokens())
        text = (
            f"{own} AND NOT EXISTS (SELECT FROM consent_rule e WHERE e.consent = {rule}.consent"
            f" AND e.parent = {rule}.node AND {inner})"
        )
        return Fragment(text, (*values, *values))

    def _tokens(self) -> list[str]:
        role, named = self.actor.role.value, [n for n in (self.actor.fhir_user,) if n]
        return [f"{r}|{n}" for r in (role, "*") for n in ("*", *named)]
