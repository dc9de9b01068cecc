"""Apps, codes, grants, launches and assertions: all SQL of the tables of 0003_oauth.sql.

Whatever is secret comes in and is looked for as its SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.access.actor import Role

_CLIENT = (
    "SELECT client_id, name, redirect_uris, scope, secret_hash, jwks FROM oauth_client WHERE client_id = %s"
)
_PUT_CLIENT = """
INSERT INTO oauth_client (client_id, name, redirect_uris, scope, secret_hash, jwks) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (client_id) DO UPDATE SET name = excluded.name, redirect_uris = excluded.redirect_uris, scope = excluded.scope,
    secret_hash = excluded.secret_hash, jwks = excluded.jwks
"""
_ADD_CODE = """
INSERT INTO oauth_code (code_hash, client_id, redirect_uri, challenge, nonce, username, role, fhir_user, patient, scope,
    signed_in_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_TAKE_CODE = """
UPDATE oauth_code SET used = true WHERE code_hash = %s AND NOT used
RETURNING client_id, redirect_uri, challenge, nonce, username, role, fhir_user, patient, scope, signed_in_at, expires_at
"""
_CODE_BECAME = "UPDATE oauth_code SET grant_id = %s WHERE code_hash = %s"
_GRANT_OF_CODE = "SELECT grant_id FROM oauth_code WHERE code_hash = %s AND grant_id IS NOT NULL"
_FORGET_CODES = "DELETE FROM oauth_code WHERE expires_at < %s - interval '1 hour'"

_ADD_GRANT = """
INSERT INTO oauth_grant (id, client_id, username, role, fhir_user, patient, scope, signed_in_at, refresh_hash, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_GRANT = """
SELECT id, client_id, username, role, fhir_user, patient, scope, signed_in_at, refresh_hash, expires_at
FROM oauth_grant WHERE id = %s FOR UPDATE
"""
_SET_REFRESH = "UPDATE oauth_grant SET refresh_hash = %s WHERE id = %s"
_REMOVE_GRANT = "DELETE FROM oauth_grant WHERE id = %s"
_FORGET_GRANTS = "DELETE FROM oauth_grant WHERE expires_at < %s"

_ADD_LAUNCH = "INSERT INTO oauth_launch (launch_hash, username, patient, expires_at) VALUES (%s, %s, %s, %s)"
_LAUNCH = "SELECT patient FROM oauth_launch WHERE launch_hash = %s AND username = %s AND expires_at > %s"
_FORGET_LAUNCHES = "DELETE FROM oauth_launch WHERE expires_at <= %s"

_ADD_ASSERTION = (
    "INSERT INTO oauth_assertion (client_id, jti, expires_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
)
_FORGET_ASSERTIONS = "DELETE FROM oauth_assertion WHERE expires_at <= %s"


@dataclass(frozen=True, slots=True)
class Client:
    """An app. Without a secret and without keys it is a public one, which PKCE alone protects."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scope: str
    secret_hash: bytes | None = None
    jwks: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who gave what: the user as at the sign-in, the patient in context, and the scopes (also those that are not for resources)."""

    username: str
    role: Role
    fhir_user: str
    patient: str | None
    scope: str
    signed_in_at: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code's other half."""

    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str
    holder: Holder
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user gave an app, for as long as it lasts."""

    id: str
    client_id: str
    holder: Holder
    refresh_hash: bytes | None
    expires_at: datetime


def find_client(connection: Connection[Any], client_id: str) -> Client | None:
    """The app of this id."""
    row = connection.execute(_CLIENT, (client_id,)).fetchone()
    return Client(row[0], row[1], tuple(row[2]), row[3], row[4], row[5]) if row else None


def put_client(connection: Connection[Any], client: Client) -> None:
    """Make or replace an app."""
    values = (
        client.client_id,
        client.name,
        list(client.redirect_uris),
        client.scope,
        client.secret_hash,
        client.jwks,
    )
    connection.execute(_PUT_CLIENT, values)


def add_code(connection: Connection[Any], code_hash: bytes, code: Code, now: datetime) -> None:
    """Keep a code, and forget those that nobody can use or replay any more."""
    connection.execute(_FORGET_CODES, (now,))
    given = (code_hash, code.client_id, code.redirect_uri, code.challenge, code.nonce)
    connection.execute(_ADD_CODE, (*given, *_values(code.holder), code.expires_at))


def take_code(connection: Connection[Any], code_hash: bytes) -> Code | None:
    """The code, once: a second call finds nothing."""
    row = connection.execute(_TAKE_CODE, (code_hash,)).fetchone()
    return Code(row[0], row[1], row[2], row[3], _holder(row[4:10]), row[10]) if row else None


def code_became(connection: Connection[Any], code_hash: bytes, grant_id: str) -> None:
    """Remember the grant that the code was exchanged for."""
    connection.execute(_CODE_BECAME, (grant_id, code_hash))


def grant_of_code(connection: Connection[Any], code_hash: bytes) -> str:
    """The grant that a used code became; empty where there is none."""
    row = connection.execute(_GRANT_OF_CODE, (code_hash,)).fetchone()
    return str(row[0]) if row else ""


def add_grant(connection: Connection[Any], grant: Grant, now: datetime) -> None:
    """Keep a grant, and forget those that have expired."""
    connection.execute(_FORGET_GRANTS, (now,))
    values = (grant.id, grant.client_id, *_values(grant.holder), grant.refresh_hash, grant.expires_at)
    connection.execute(_ADD_GRANT, values)


def lock_grant(connection: Connection[Any], grant_id: str) -> Grant | None:
    """The grant, held until the end of the transaction."""
    row = connection.execute(_GRANT, (grant_id,)).fetchone()
    return Grant(row[0], row[1], _holder(row[2:8]), row[8], row[9]) if row else None


def set_refresh(connection: Connection[Any], grant_id: str, refresh_hash: bytes) -> None:
    """From now on another refresh token counts."""
    connection.execute(_SET_REFRESH, (refresh_hash, grant_id))


def remove_grant(connection: Connection[Any], grant_id: str) -> None:
    """Take the grant back."""
    connection.execute(_REMOVE_GRANT, (grant_id,))


def add_launch(
    connection: Connection[Any], launch_hash: bytes, username: str, patient: str, expires_at: datetime
) -> None:
    """Keep what a launch stands for."""
    connection.execute(_ADD_LAUNCH, (launch_hash, username, patient, expires_at))


def launched_patient(connection: Connection[Any], launch_hash: bytes, username: str, now: datetime) -> str:
    """The patient of a launch that was made for this user; empty where there is none."""
    connection.execute(_FORGET_LAUNCHES, (now,))
    row = connection.execute(_LAUNCH, (launch_hash, username, now)).fetchone()
    return str(row[0]) if row else ""


def is_first_use(
    connection: Connection[Any], client_id: str, jti: str, expires_at: datetime, now: datetime
) -> bool:
    """Whether the assertion was never seen before; from now on it was."""
    connection.execute(_FORGET_ASSERTIONS, (now,))
    return connection.execute(_ADD_ASSERTION, (client_id, jti, expires_at)).rowcount == 1


def _values(holder: Holder) -> tuple[object, ...]:
    return (
        holder.username,
        holder.role.value,
        holder.fhir_user,
        holder.patient,
        holder.scope,
        holder.signed_in_at,
    )


def _holder(row: Any) -> Holder:
    username, role, *rest = row
    return Holder(username, Role(role), *rest)
