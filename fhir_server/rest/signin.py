"""Signing in with a name and a password: who is it, and not too many guesses.

After MOST attempts within WINDOW a name has to wait, whether it exists or not; the answer never tells which of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from fhir_server.access.actor import Actor, Role, usual_scopes
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.passwords import hash_password, is_outdated, is_password
from fhir_server.rest.tokens import SESSION, Token, Tokens
from fhir_server.store import access as store
from fhir_server.store.access import User
from fhir_server.store.database import Database

MOST = 5
WINDOW = timedelta(minutes=15)
SESSION_LASTS = timedelta(hours=1)
SIGNED_IN_FOR = timedelta(hours=12)
"""After this time the password is asked for again, however busy the session was."""
CLIENT = "web"
NOBODY = Actor(Role.PATIENT, "unknown", client=CLIENT)


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of an attempt: the session's token, empty where it failed, and whose account it was."""

    actor: Actor
    token: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Signs people in against the table app_user."""

    database: Database
    tokens: Tokens

    def sign_in(self, username: str, password: str) -> Signed:
        """Look whether it is them. Raises THROTTLED after too many attempts."""
        self._count(username)
        user = self._user(username)
        is_right = is_password(password, user.password_hash if user else None)
        actor = actor_of_user(user) if user else NOBODY
        if user is None or not is_right:
            return Signed(actor)
        self._succeeded(user, password)
        return Signed(actor, self.tokens.issue(actor, SESSION_LASTS, SESSION))

    def renew(self, session: Token) -> str:
        """A fresh token for a session that is half over, where the user is still there; else nothing."""
        now = self.tokens.clock()
        if now - session.issued_at < SESSION_LASTS / 2 or now - session.signed_in_at >= SIGNED_IN_FOR:
            return ""
        user = self._user(session.actor.subject)
        if user is None:
            return ""
        return self.tokens.issue(
            actor_of_user(user), SESSION_LASTS, SESSION, signed_in_at=session.signed_in_at
        )

    def _count(self, username: str) -> None:
        """Each attempt is written down before the password is looked at, so that guesses side by side count as well."""
        name_hash = _hash(username)
        if self._attempts(name_hash) < MOST:
            now = self.tokens.clock()
            with self.database.transaction() as connection:
                store.add_attempt(connection, name_hash, now, now - WINDOW)
            if self._attempts(name_hash) <= MOST:
                return
        minutes = int(WINDOW.total_seconds() // 60)
        raise FhirError(Problem.THROTTLED, f"Too many attempts to sign in; try again in {minutes} minutes.")

    def _attempts(self, name_hash: bytes) -> int:
        with self.database.transaction() as connection:
            return store.attempts(connection, name_hash, self.tokens.clock() - WINDOW)

    def _user(self, username: str) -> User | None:
        known = username if username.isprintable() else ""
        with self.database.transaction() as connection:
            return store.find_user(connection, known)

    def _succeeded(self, user: User, password: str) -> None:
        with self.database.transaction() as connection:
            store.forget_attempts(connection, _hash(user.username))
            if is_outdated(user.password_hash):
                store.set_password_hash(connection, user.username, hash_password(password))


def actor_of_user(user: User) -> Actor:
    """The user as an Actor with the usual scopes of the role."""
    scopes = usual_scopes(user.role)
    return Actor(user.role, user.username, user.fhir_user, user.patient, scopes, CLIENT)


def put_user(database: Database, user: User, password: str) -> None:
    """Make or replace a user with this password."""
    with database.transaction() as connection:
        store.put_user(connection, replace(user, password_hash=hash_password(password)))


def _hash(username: str) -> bytes:
    return sha256(username.encode("utf-8", "surrogatepass")).digest()
