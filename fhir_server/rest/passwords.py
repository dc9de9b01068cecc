"""Passwords: hashed with argon2id; checking an unknown user takes as long as checking a known one.

Cost as OWASP advises (19 MiB, 2 passes, 1 lane); few at a time, so that sign-ins cannot take the memory.
https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

from __future__ import annotations

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

LONGEST = 1024
AT_A_TIME = 4
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_SLOTS = threading.BoundedSemaphore(AT_A_TIME)


def hash_password(password: str) -> str:
    """The hash, with its salt and cost, as argon2 writes it."""
    with _SLOTS:
        return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; without a hash the same work is done, and the answer is no."""
    with _SLOTS:
        try:
            matched = _HASHER.verify(password_hash or _nobody(), password[:LONGEST])
        except (Argon2Error, InvalidHashError):
            return False
    return matched and password_hash is not None and len(password) <= LONGEST


def is_outdated(password_hash: str) -> bool:
    """Whether it was made at another cost than ours."""
    return _HASHER.check_needs_rehash(password_hash)


@cache
def _nobody() -> str:
    return _HASHER.hash("nobody's password")
