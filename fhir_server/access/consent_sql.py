"""Consents as a condition on rows: no provision denies, sensitive categories are permitted by name, an exchange is permitted at all.

A provision speaks where all its conditions hold and none of its exceptions speaks; a denial that speaks wins (access/consent.py).
The rows stand in consent_rule and change with the Consent, in its transaction; store/sql/0038_consent_versions.sql has the functions.
https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.access.actor import Actor
from fhir_server.access.purpose import Purpose, and_broader
from fhir_server.sql import Fragment


@dataclass(frozen=True, slots=True)
class Judged:
    """Whose use for which purpose the Consents are asked about; an exchange needs one that permits."""

    actor: Actor
    purpose: Purpose
    is_exchange: bool = False

    def permitted(self, row: str, kind: str) -> Fragment:
        """The Consents let the row through. Most rows have no label and nobody's Consent: for those no function is called."""
        none = f"NOT EXISTS (SELECT FROM consent_rule c WHERE c.patient = ANY({row}.patients))"
        plain = f"{row}.patients = '{{}}'" if self.is_exchange else none
        text = f"(({row}.labels = 0 AND {plain}) OR consents_permit({_of(row, kind)}, %s, %s, {self.is_exchange}))"
        return Fragment(text, self._who())

    def glass_broken(self, row: str) -> Fragment:
        """The actor broke the glass for the row's patient, and the time is not over."""
        text = f"EXISTS (SELECT FROM break_glass b WHERE b.patient = ANY({row}.patients) AND b.actor = %s AND b.until > now())"
        return Fragment(text, (self.actor.subject,))

    def speaking(self, row: str, kind: str) -> Fragment:
        """SELECT of the provisions that speak of a row of `resource`; which row is still to be said, behind AND."""
        text = (
            f"SELECT s.reference, s.node, s.permits FROM resource {row}"
            f" CROSS JOIN LATERAL speaking_rules({_of(row, kind)}, %s, %s) AS s WHERE TRUE"
        )
        return Fragment(text, self._who())

    def _who(self) -> tuple[list[str], list[str]]:
        role, named = self.actor.role.value, [n for n in (self.actor.fhir_user,) if n]
        return list(and_broader(self.purpose)), [f"{r}|{n}" for r in (role, "*") for n in ("*", *named)]


def _of(row: str, kind: str) -> str:
    """A row of `history` has its type in the rid, and nothing in the index; so has a deletion."""
    is_indexed = f"{row}.body IS NOT NULL" if kind == f"{row}.type" else "FALSE"
    return f"{row}.rid, {kind}::integer, {row}.patients, {row}.labels, {is_indexed}"
