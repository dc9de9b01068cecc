"""Lost races are repeated, other failures are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import errors

from fhir_server.store.retrying import retrying


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def run() -> str:
        if left:
            raise left.pop()
        return "done"

    return run


@pytest.mark.parametrize(
    "error", [errors.DeadlockDetected(), errors.SerializationFailure(), errors.UniqueViolation()]
)
def test_a_lost_race_is_run_again(error: Exception) -> None:
    assert retrying(failing(4, error), sleep=lambda _: None) == "done"


def test_the_last_failure_is_raised() -> None:
    with pytest.raises(errors.DeadlockDetected):
        retrying(failing(5, errors.DeadlockDetected()), sleep=lambda _: None)


def test_other_failures_are_not_repeated() -> None:
    attempt = failing(1, errors.NotNullViolation())
    with pytest.raises(errors.NotNullViolation):
        retrying(attempt, sleep=lambda _: None)
    assert attempt() == "done"


def test_pauses_grow_and_differ_by_chance() -> None:
    pauses: list[float] = []
    retrying(failing(3, errors.DeadlockDetected()), sleep=pauses.append, chance=lambda: 0.5)
    assert pauses == [0.005, 0.01, 0.02]
