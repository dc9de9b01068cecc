"""Repeating what lost a race: two transactions that waited for each other, or that made the same thing at the same time.

https://www.postgresql.org/docs/18/mvcc-serialization-failure-handling.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from psycopg import errors

RACES = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)
FIRST_PAUSE = 0.01
"""Seconds; each further pause may be twice as long."""
Answer = TypeVar("Answer")


def retrying(
    function: Callable[[], Answer],
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> Answer:
    """What `function` gives; it has to be one whole transaction. The last failure is raised."""
    for attempt in range(attempts - 1):
        try:
            return function()
        except RACES:
            sleep(FIRST_PAUSE * 2**attempt * chance())
    return function()
