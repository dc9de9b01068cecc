"""decide: the one place that says what an actor may do for a purpose, and the Access that carries the answer.

Access = role & scopes (& compartment). It is a condition inside the SQL, and can explain itself. Where no rule speaks it is FALSE.
https://hl7.org/fhir/R4/security.html#authorization
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cache

from fhir_server.access.actor import Actor, Role
from fhir_server.access.compartment import codes, own_record, type_column
from fhir_server.access.consent import Mode
from fhir_server.access.consent_sql import Judged
from fhir_server.access.policy import EVERY, LETTER, OPEN, OPERATIONS, RULES, Rule
from fhir_server.access.purpose import Purpose
from fhir_server.access.scopes import Scope
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.sql import FALSE, TRUE, Fragment, all_of, any_of

CompileQuery = Callable[[str, str, str], Fragment]
"""(resource type, search query such as `category=laboratory`, alias) -> condition on that row; FhirError where it cannot."""

_ALIAS = re.compile(r"[a-z_][a-z0-9_]*")
_MAKER = object()
KEEPING = frozenset({Purpose.HSYSADMIN, Purpose.HOPERAT, Purpose.PATADMIN})
"""For these a system keeps the server and its data; for any other it is an exchange, which fetches for somebody."""


@dataclass(frozen=True, slots=True)
class Access:
    """What `actor` may do for `purpose`. `scopes` are those that count; without any, every answer is no."""

    actor: Actor
    purpose: Purpose
    scopes: tuple[Scope, ...]
    reasons: tuple[str, ...]
    compile_query: CompileQuery | None = field(compare=False, repr=False)
    mode: Mode
    maker: InitVar[object]

    def __post_init__(self, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("An Access comes from decide() only.")

    @property
    def reason(self) -> str:
        """The rules behind it, in one line."""
        return "; ".join(self.reasons)

    def on(self, alias: str, interaction: str = "read") -> Fragment:
        """The condition on rows of `resource` under this alias; for reading also those that may only be searched."""
        return self._condition(alias, f"{alias}.type", interaction, self.scopes)

    def on_history(self, alias: str) -> Fragment:
        """The same for rows of `history`, whose type stands in the rid.

        The index speaks of current versions only, so a scope with a restriction grants no superseded one.
        """
        return self._condition(alias, type_column(alias), "read", [s for s in self.scopes if not s.query])

    def rules(self, alias: str) -> Iterator[tuple[str, Fragment]]:
        """The parts of `on`, each with its name: what $explain-access asks one by one."""
        kind = f"{alias}.type"
        yield _role_reason(self.actor), self._role(alias, kind, "r")
        for scope in self.scopes:
            yield f"scope {scope}", self._scope(scope, alias, kind)
        if is_judged(self.actor.role, self.purpose):
            yield _consent_reason(self.actor, self.purpose, self.mode), all_of(self._consents(alias, kind))

    def speaking(self, alias: str) -> Fragment | None:
        """A SELECT of (reference, provision, permits) of the provisions that speak of a row; None where Consents do not count."""
        if not is_judged(self.actor.role, self.purpose):
            return None
        return self._judged().speaking(alias, f"{alias}.type")

    def permits(self, interaction: str, resource_type: str = "") -> bool:
        """Whether the interaction or `$operation` is open to the actor at all; an empty type means any type."""
        if interaction in OPEN:
            return True
        if interaction.startswith("$"):
            return self._operates(interaction, resource_type)
        letter = LETTER.get(interaction)
        return letter is not None and self._grants(letter, resource_type)

    def require(self, interaction: str, resource_type: str = "") -> None:
        """Raises Problem.FORBIDDEN where `permits` says no."""
        if not self.permits(interaction, resource_type):
            asked = f"{interaction} of {resource_type}" if resource_type else interaction
            raise FhirError(Problem.FORBIDDEN, f"Not permitted: {asked}. Access: {self.reason}.")

    def sees_all(self, resource_type: str) -> bool:
        """Every resource of the type may be read, whosever it is: who knows an id learns nothing from whether it is there."""
        if self.actor.role is Role.PATIENT or is_judged(self.actor.role, self.purpose):
            return False
        plain = (s for s in self.scopes if not s.query and s.context != "patient" and s.covers(resource_type))
        return resource_type in RULES[self.actor.role].types("r") and any("r" in s.letters for s in plain)

    def _operates(self, operation: str, resource_type: str) -> bool:
        roles, letter = OPERATIONS.get(operation, (frozenset({Role.SYSTEM}), "r"))
        if self.actor.role not in roles or not self.scopes:
            return False
        return not letter or self._grants(letter, resource_type)

    def _grants(self, letter: str, resource_type: str) -> bool:
        if letter in "ud" and resource_type == "AuditEvent":
            return False
        allowed = RULES[self.actor.role].types(letter)
        if resource_type and resource_type not in allowed:
            return False
        return any(scope.grants(letter, resource_type) for scope in self.scopes) and bool(allowed)

    def _condition(self, alias: str, kind: str, interaction: str, scopes: Sequence[Scope]) -> Fragment:
        if not _ALIAS.fullmatch(alias):
            raise ValueError("An alias is a plain SQL name.")
        letter = LETTER[interaction]
        letters = "rs" if letter in "rs" else letter
        counted = [s for s in scopes if any(s.grants(x, "") for x in letters)]
        granted = _either([self._scope(s, alias, kind) for s in counted])
        parts = (self._role(alias, kind, letter), granted, *self._consents(alias, kind))
        found = all_of(p for p in parts if p.text != TRUE.text)
        return (
            Fragment(found.text, found.values, self.reason) if counted else Fragment("FALSE", (), self.reason)
        )

    def _consents(self, alias: str, kind: str) -> Iterator[Fragment]:
        """What the patients' Consents and the sensitive categories withhold; nothing from the patient, or from who keeps the server."""
        if not is_judged(self.actor.role, self.purpose):
            return
        permitted = self._judged().permitted(alias, kind)
        yield permitted | self._judged().glass_broken(alias) if self.purpose is Purpose.BTG else permitted

    def _judged(self) -> Judged:
        is_exchange = self.actor.role is Role.SYSTEM and self.mode == "opt-in"
        return Judged(self.actor, self.purpose, is_exchange)

    def _role(self, alias: str, kind: str, letter: str) -> Fragment:
        if self.actor.role is Role.PATIENT:
            return own_record(alias, self.actor.patient or "", kind)
        return _of_types(kind, RULES[self.actor.role].types(letter))

    def _scope(self, scope: Scope, alias: str, kind: str) -> Fragment:
        parts = [] if scope.type == "*" else [Fragment(f"{kind} = ANY(%s)", (codes([scope.type]),))]
        if scope.context == "patient" and self.actor.role is not Role.PATIENT:
            parts.append(own_record(alias, self.actor.patient or "", kind))
        if scope.query:
            parts.append(self._restriction(scope, alias))
        return all_of(parts)

    def _restriction(self, scope: Scope, alias: str) -> Fragment:
        if scope.type == "*" or self.compile_query is None:
            return FALSE
        try:
            return self.compile_query(scope.type, scope.query, alias)
        except FhirError:
            return FALSE


def is_judged(role: Role, purpose: Purpose) -> bool:
    """Whether Consents stand before this use: of people who care or administer, and of systems that fetch for a purpose of theirs."""
    return role in (Role.CLINICIAN, Role.STAFF) or (role is Role.SYSTEM and purpose not in KEEPING)


def decide(
    actor: Actor, purpose: Purpose, compile_query: CompileQuery | None = None, mode: Mode = "opt-in"
) -> Access:
    """What the actor may do for the purpose. Without `compile_query` a scope with a restriction grants nothing.

    `mode`: whether an exchange needs a Consent that permits it, or only none that denies it.
    """
    rule = RULES[actor.role]
    refused = _refusal(actor, purpose, rule)
    scopes = () if refused else tuple(s for s in actor.scopes if _counts(s, actor, rule))
    stated = [f"scope {scope}" for scope in scopes] or ["no scope that counts"]
    reasons = (refused,) if refused else (_role_reason(actor), f"purpose {purpose}", *stated)
    if not refused and is_judged(actor.role, purpose):
        reasons += (_consent_reason(actor, purpose, mode),)
    return Access(actor, purpose, scopes, reasons, compile_query, mode, _MAKER)


def _consent_reason(actor: Actor, purpose: Purpose, mode: Mode) -> str:
    if purpose is Purpose.BTG:
        return "broken glass: what Consents withhold, for the patients and the time that it was broken for"
    needed = "a Consent permits" if actor.role is Role.SYSTEM and mode == "opt-in" else "no Consent denies"
    return f"{needed}; sensitive categories where a Consent names them"


def _refusal(actor: Actor, purpose: Purpose, rule: Rule) -> str:
    if purpose not in rule.purposes:
        return f"purpose {purpose} is not one of role {actor.role}"
    if actor.role is Role.PATIENT and not actor.patient:
        return "role patient without a patient in context"
    return ""


def _counts(scope: Scope, actor: Actor, rule: Rule) -> bool:
    return scope.context in rule.contexts and (scope.context != "patient" or bool(actor.patient))


def _role_reason(actor: Actor) -> str:
    return (
        f"role patient: compartment of Patient/{actor.patient}"
        if actor.role is Role.PATIENT
        else f"role {actor.role}"
    )


@cache
def _of_types(kind: str, types: frozenset[str]) -> Fragment:
    """The codes are our own and stand in the text: 70 us less a request than an array of 140 numbers (bench/audit.py)."""
    if types == EVERY:
        return TRUE
    others = EVERY - types
    if len(others) < len(types):
        return Fragment(f"{kind} NOT IN ({_listed(others)})")
    return Fragment(f"{kind} IN ({_listed(types)})") if types else FALSE


def _listed(types: frozenset[str]) -> str:
    return ", ".join(map(str, codes(types)))


def _either(parts: list[Fragment]) -> Fragment:
    return TRUE if any(part.text == TRUE.text for part in parts) else any_of(parts)
