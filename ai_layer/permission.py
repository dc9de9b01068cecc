"""permission: whether the patient's Consents let the assistant work, for this actor and this purpose, and on which resources.

`opt-in`: an active Consent has to permit it; `opt-out`: none may deny it. Where a Consent speaks of some resources only, each piece of
evidence is asked about, too. https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ai_layer import record
from ai_layer.answers import Answer
from ai_layer.minimum import needs_nothing
from ai_layer.retrieve import Found
from ai_layer.settings import AiSettings
from fhir_server.access.consent import Decision, Mode, permits
from fhir_server.access.sensitive import labelled
from fhir_server.interactions.context import Context

Json = dict[str, Any]
WITHHELD = "Part of the record is withheld by a Consent."


@dataclass(frozen=True, slots=True)
class Permission:
    """The decision as a whole, and the Consents that it came from."""

    context: Context
    patient_id: str
    mode: Mode
    consents: Sequence[Json]
    decision: Decision

    def allows(self, body: bytes | None) -> bool:
        """Whether this resource may be used."""
        if not self.decision.narrowed:
            return self.decision.permit
        return self._decide(labelled(body or b"{}")).permit

    def kept(self, found: Sequence[Found]) -> list[Found]:
        """What was found, less what is withheld."""
        return [one for one in found if self.allows(one.version.body)]

    @property
    def not_searched(self) -> tuple[str, ...]:
        """What an Answer says of the withheld part, without saying what it holds."""
        return (WITHHELD,) if self.decision.narrowed else ()

    def _decide(self, resource: Json | None) -> Decision:
        access = self.context.access
        return permits(
            self.consents,
            access.purpose,
            access.actor,
            self.mode,
            self.context.now(),
            patient=self.patient_id,
            resource=resource,
        )


def permission(context: Context, patient_id: str, settings: AiSettings) -> Permission:
    """What the Consents say, read in the running transaction."""
    assert context.connection is not None
    consents = record.consents(context.connection, patient_id)
    mode: Mode = "opt-in" if settings.opt_in else "opt-out"
    access = context.access
    decision = permits(consents, access.purpose, access.actor, mode, context.now(), patient=patient_id)
    return Permission(context, patient_id, mode, consents, decision)


def refusal(context: Context, patient_id: str, settings: AiSettings) -> Answer | None:
    """The refusal and its rule, or nothing where the assistant may go on."""
    return refused(permission(context, patient_id, settings))


def refused(found: Permission) -> Answer | None:
    """The same of a Permission."""
    purpose = found.context.access.purpose
    if needs_nothing(purpose):
        text = "The assistant has nothing to say for this purpose: it needs nothing of a record."
        return Answer("refused", text=text, reason=f"minimum necessary: no elements for {purpose}")
    if found.decision.permit or found.decision.narrowed:
        return None
    text = "The assistant may not use this record: no Consent of the patient permits it, or one denies it."
    return Answer("refused", text=text, reason=found.decision.reason)


def withheld(found: Permission, body: bytes) -> Answer | None:
    """The refusal of one resource that a Consent leaves out."""
    return None if found.allows(body) else Answer("refused", text=WITHHELD, reason=found.decision.reason)
