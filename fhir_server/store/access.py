"""Keys, users, sign-in attempts and revoked tokens: all SQL of the tables of 0002_access.sql.

Times come in by argument, so that a test can hold the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.access.actor import Role

_KEYS = (
    "SELECT kid, jwk, made_at, expires_at FROM signing_key WHERE expires_at > %s ORDER BY made_at DESC, kid"
)
_KEY_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('chartline signing_key', 0))"
_ADD_KEY = "INSERT INTO signing_key (kid, jwk, made_at, expires_at) VALUES (%s, %s, %s, %s)"

_USER = "SELECT username, password_hash, role, fhir_user, patient FROM app_user WHERE username = %s"
_PUT_USER = """
INSERT INTO app_user (username, password_hash, role, fhir_user, patient) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (username) DO UPDATE SET password_hash = excluded.password_hash, role = excluded.role,
    fhir_user = excluded.fhir_user, patient = excluded.patient
"""
_REMOVE_USER = "DELETE FROM app_user WHERE username = %s"
_SET_HASH = "UPDATE app_user SET password_hash = %s WHERE username = %s"

# Index sign_in_attempt_name.
_ATTEMPTS = "SELECT count(*) FROM sign_in_attempt WHERE name_hash = %s AND at > %s"
_ATTEMPT = "INSERT INTO sign_in_attempt (name_hash, at) VALUES (%s, %s)"
_FORGET = "DELETE FROM sign_in_attempt WHERE name_hash = %s"
_FORGET_OLD = "DELETE FROM sign_in_attempt WHERE at <= %s"

_REVOKE = "INSERT INTO revoked_token (jti, expires_at) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_REVOKED = "SELECT jti FROM revoked_token WHERE expires_at > %s"
_FORGET_EXPIRED = "DELETE FROM revoked_token WHERE expires_at <= %s"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private key as JSON Web Key text."""

    kid: str
    jwk: str
    made_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"StoredKey({self.kid!r})"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in with a name and a password."""

    username: str
    password_hash: str
    role: Role
    fhir_user: str = ""
    patient: str | None = None

    def __repr__(self) -> str:
        return f"User({self.username!r}, {self.role.value!r})"


def keys(connection: Connection[Any], now: datetime) -> list[StoredKey]:
    """The keys that verify, newest first."""
    return [StoredKey(*row) for row in connection.execute(_KEYS, (now,)).fetchall()]


def lock_keys(connection: Connection[Any]) -> None:
    """Until the end of the transaction nobody else makes a key."""
    connection.execute(_KEY_LOCK)


def add_key(connection: Connection[Any], key: StoredKey) -> None:
    """Keep a new key."""
    connection.execute(_ADD_KEY, (key.kid, key.jwk, key.made_at, key.expires_at))


def find_user(connection: Connection[Any], username: str) -> User | None:
    """The user of this name."""
    row = connection.execute(_USER, (username,)).fetchone()
    return User(row[0], row[1], Role(row[2]), row[3], row[4]) if row else None


def put_user(connection: Connection[Any], user: User) -> None:
    """Make or replace a user."""
    connection.execute(
        _PUT_USER, (user.username, user.password_hash, user.role.value, user.fhir_user, user.patient)
    )


def remove_user(connection: Connection[Any], username: str) -> None:
    """Remove a user; a session that is still open ends when its token does."""
    connection.execute(_REMOVE_USER, (username,))


def set_password_hash(connection: Connection[Any], username: str, password_hash: str) -> None:
    """Replace the hash, as when the cost of hashing was raised."""
    connection.execute(_SET_HASH, (password_hash, username))


def attempts(connection: Connection[Any], name_hash: bytes, since: datetime) -> int:
    """How many attempts there were since then."""
    row = connection.execute(_ATTEMPTS, (name_hash, since)).fetchone()
    return int(row[0]) if row else 0


def add_attempt(connection: Connection[Any], name_hash: bytes, now: datetime, forget_until: datetime) -> None:
    """Remember an attempt, and forget those of everybody that are too old to matter."""
    connection.execute(_FORGET_OLD, (forget_until,))
    connection.execute(_ATTEMPT, (name_hash, now))


def forget_attempts(connection: Connection[Any], name_hash: bytes) -> None:
    """Start counting anew."""
    connection.execute(_FORGET, (name_hash,))


def revoke(connection: Connection[Any], jti: str, expires_at: datetime, now: datetime) -> None:
    """The token counts no more; those that have expired by themselves are forgotten."""
    connection.execute(_FORGET_EXPIRED, (now,))
    connection.execute(_REVOKE, (jti, expires_at))


def revoked(connection: Connection[Any], now: datetime) -> frozenset[str]:
    """The ids of all revoked tokens that have not expired."""
    return frozenset(jti for (jti,) in connection.execute(_REVOKED, (now,)).fetchall())
