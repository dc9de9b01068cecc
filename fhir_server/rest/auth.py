"""Who asks: from the Authorization header or the session's cookie to an Actor, and on to an Access.

A cookie is sent by the browser whoever made it ask, so with a cookie a request that changes something has to show that a page of ours
made it. With `auth` off whoever brings nothing valid is the system. https://hl7.org/fhir/R4/security.html#authentication
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from fhir_server.access.actor import Actor, Role, usual_scopes
from fhir_server.access.consent import Mode
from fhir_server.access.decide import Access, CompileQuery, decide
from fhir_server.access.purpose import Purpose, usual_purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.context import Service
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.endpoint import Authenticate, is_open
from fhir_server.rest.keys import KeyRing
from fhir_server.rest.oidc.claims import Names
from fhir_server.rest.oidc.provider import Provider
from fhir_server.rest.oidc.verify import Verifier
from fhir_server.rest.request import Incoming
from fhir_server.rest.restriction import restriction_compiler
from fhir_server.rest.revocations import Revocations
from fhir_server.rest.signin import SignIn
from fhir_server.rest.tokens import HOUR, SESSION, Token, Tokens, refusal
from fhir_server.settings import Settings, is_loopback
from fhir_server.store.database import Database

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PAGE_HEADER = "x-chartline-request"
"""A page of ours sends it; a page of somebody else cannot without our consent (CORS)."""

PURPOSE_HEADER = "x-purpose-of-use"
"""A code of v3-ActReason; an exchange has to state one. https://hl7.org/fhir/R4/v3/PurposeOfUse/vs.html"""

ANYBODY = Actor(Role.PATIENT, "anybody")
"""Without scopes: may read the CapabilityStatement and nothing else."""


@dataclass(frozen=True, slots=True)
class Auth:
    """Everything that says who somebody is; one a database."""

    settings: Settings
    keys: KeyRing
    revocations: Revocations
    tokens: Tokens
    signin: SignIn
    compile_query: CompileQuery
    verifier: Verifier | None = None
    """Of an outside provider; its tokens alone count then."""

    def actor_of(self, incoming: Incoming) -> Actor:
        """Raises UNAUTHENTICATED where nothing valid came, FORBIDDEN where a foreign page asked for a change."""
        if self.settings.auth == "off":
            return self._actor_with_auth_off(incoming)
        return self.token_of(incoming).actor

    def token_of(self, incoming: Incoming) -> Token:
        """The verified token. A header counts before a cookie, also where it is not valid."""
        header = incoming.headers.get("authorization", "")
        if self.verifier:
            return self.verifier.verify(_bearer(header))
        if header:
            return self.tokens.verify(_bearer(header))
        session = self.tokens.verify(incoming.cookies.get(cookie_name(incoming), ""), SESSION)
        if incoming.method not in SAFE_METHODS:
            require_own_page(incoming)
        return session

    def access_of(self, incoming: Incoming) -> Access:
        """The Access of a request, for the purpose that it states or the usual one of its actor."""
        if is_open(incoming):
            return self.access(ANYBODY)
        return self.access(self.actor_of(incoming), stated_purpose(incoming))

    def access(self, actor: Actor, purpose: Purpose | None = None) -> Access:
        """The same for an actor that is known already."""
        mode: Mode = "opt-out" if self.settings.consent == "opt-out" else "opt-in"
        return decide(actor, purpose or usual_purpose(actor.role), self.compile_query, mode)

    def _actor_with_auth_off(self, incoming: Incoming) -> Actor:
        """Who signs in is that user; everybody else the system, but for pages of other sites.

        A page may call this machine by a name of its own (DNS rebinding), and is then a page of the same site to the browser: so the
        name has to be one of this machine's."""
        require_own_name(incoming, self.settings.base_url)
        if incoming.method not in SAFE_METHODS and "origin" in incoming.headers:
            require_own_page(incoming, self.settings.cors_origins)
        try:
            return self.token_of(incoming).actor
        except FhirError as error:
            if error.problem is not Problem.UNAUTHENTICATED:
                raise
        return Actor.system(client="auth off")


_MADE: WeakKeyDictionary[Database, Auth] = WeakKeyDictionary()


def auth_of(service: Service) -> Auth:
    """The Auth of this service's database; always the same one."""
    found = _MADE.get(service.database)
    if found is None:
        found = _MADE.setdefault(service.database, _make(service))
    return found


def authenticator(service: Service) -> Authenticate:
    """What the Endpoint asks for the Access of each request."""
    return auth_of(service).access_of


def stated_purpose(incoming: Incoming) -> Purpose | None:
    """The purpose of use that the request states. Raises BAD_REQUEST for a code that is none of ours."""
    text = incoming.headers.get(PURPOSE_HEADER, "").strip()
    if text and text not in set(Purpose):
        raise FhirError(Problem.BAD_REQUEST, f"{PURPOSE_HEADER}: expected one of {', '.join(Purpose)}.")
    return Purpose(text) if text else None


def issue_token(
    service: Service, role: Role, patient: str = "", scope: str = "", lifetime: timedelta = HOUR
) -> str:
    """A signed access token, as `chartline token` prints it. Raises BAD_REQUEST where the parts do not fit together."""
    if role is Role.PATIENT and not patient:
        raise FhirError(Problem.BAD_REQUEST, "A token of role patient needs --patient.")
    scopes = parse_scopes(scope) if scope else usual_scopes(role)
    unknown = [str(s) for s in scopes if s.type != "*" and s.type not in TYPE_CODE]
    if unknown or not scopes:
        raise FhirError(
            Problem.BAD_REQUEST, f"--scope: no scopes for resources of R4: {' '.join(unknown) or scope}"
        )
    if service.settings.oidc_issuer:
        raise FhirError(Problem.BAD_REQUEST, "Tokens are issued by the provider of CHARTLINE_OIDC_ISSUER.")
    fhir_user = f"Patient/{patient}" if role is Role.PATIENT else ""
    actor = Actor(role, fhir_user or role.value, fhir_user, patient or None, scopes, "chartline token")
    return auth_of(service).tokens.issue(actor, lifetime)


def cookie_name(incoming: Incoming) -> str:
    """Over https the browser itself sees to it that only this host sets it. https://www.rfc-editor.org/rfc/rfc6265"""
    return "__Host-chartline" if is_https(incoming) else "chartline"


def is_https(incoming: Incoming) -> bool:
    """Whether the client speaks https with us."""
    return incoming.base.startswith("https://")


def require_own_page(incoming: Incoming, others: str = "") -> None:
    """Raises FORBIDDEN unless a page of ours (or of `others`, origins separated by commas) made the request."""
    origin = incoming.headers.get("origin", "")
    if origin and origin in [other.strip() for other in others.split(",")]:
        return
    if origin and not _is_own(origin, incoming):
        raise FhirError(Problem.FORBIDDEN, "This request comes from a page of another site.")
    shown = (
        origin or incoming.headers.get(PAGE_HEADER) or incoming.headers.get("sec-fetch-site") == "same-origin"
    )
    if not shown:
        raise FhirError(
            Problem.FORBIDDEN, f"With a session a change needs the header Origin or {PAGE_HEADER}."
        )


def require_own_name(incoming: Incoming, base_url: str) -> None:
    """Raises FORBIDDEN where the server was called by a name that is neither loopback nor its own."""
    try:
        called = urlsplit(f"//{incoming.headers.get('host', '')}").hostname or ""
    except ValueError:
        called = ""
    if not (is_loopback(called) or (called and called == urlsplit(base_url).hostname)):
        raise FhirError(
            Problem.FORBIDDEN, "With --auth off the server answers to this machine's own names only."
        )


def _is_own(origin: str, incoming: Incoming) -> bool:
    try:
        asked = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(asked) and asked in (incoming.headers.get("host", ""), urlsplit(incoming.base).netloc)


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise refusal()
    return token.strip()


def _make(service: Service) -> Auth:
    keys = KeyRing(service.database, service.clock)
    revocations = Revocations(service.database, service.clock)
    tokens = Tokens(_issuer(service.settings), keys, service.clock, service.new_id, revocations.holds)
    signin = SignIn(service.database, tokens)
    return Auth(
        service.settings,
        keys,
        revocations,
        tokens,
        signin,
        restriction_compiler(lambda: service.registry, service.clock),
        _verifier(service),
    )


def _verifier(service: Service) -> Verifier | None:
    """What verifies the tokens of the outside provider, where the settings name one."""
    settings = service.settings
    if not settings.oidc_issuer:
        return None
    base = f"{settings.base_url}/fhir"
    names = Names(settings.oidc_role_claim, settings.oidc_patient_claim, settings.oidc_fhir_user_claim, base)
    provider = Provider(settings.oidc_issuer, lambda: service.clock())
    return Verifier(provider, settings.oidc_audience or base, names, lambda: service.clock())


def _issuer(settings: Settings) -> str:
    """The server's address where the settings say it, else a name that does not depend on how it is reached."""
    return settings.base_url.rstrip("/") or f"urn:chartline:{settings.schema}"
