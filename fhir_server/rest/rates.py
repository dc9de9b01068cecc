"""Rate limits: how many requests one token's owner may send; and one address, where no valid token came.

A bucket holds a minute's requests and fills steadily. Each process counts by itself. https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fhir_server.access.decide import Access
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.settings import Settings

MOST_BUCKETS = 50_000
"""Owners that are remembered; the ones whose bucket is full again are forgotten first."""
MINUTE = 60.0


@dataclass(slots=True)
class Rates:
    """`a_minute`: requests; 0 for any number."""

    a_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, owner: str) -> None:
        """Count one request. Raises THROTTLED where the bucket is empty."""
        if not self.a_minute:
            return
        with self._lock:
            now = self.clock()
            left = self._left(owner, now)
            if left < 1:
                raise FhirError(
                    Problem.THROTTLED, f"More than {self.a_minute} requests a minute; try again later."
                )
            self._buckets[owner] = (left - 1, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._forget(now)

    @property
    def retry_after(self) -> str:
        """Whole seconds after which one request is allowed again."""
        return str(max(1, round(MINUTE / max(1, self.a_minute))))

    def _left(self, owner: str, now: float) -> float:
        left, then = self._buckets.get(owner, (float(self.a_minute), now))
        return min(float(self.a_minute), left + (now - then) * self.a_minute / MINUTE)

    def _forget(self, now: float) -> None:
        full = [owner for owner in self._buckets if self._left(owner, now) >= self.a_minute - 1]
        for owner in full or list(self._buckets)[: MOST_BUCKETS // 2]:
            del self._buckets[owner]


def rates_of(settings: Settings) -> Rates:
    """Without sign-in everybody is the same system on the same machine: nobody is counted."""
    return Rates(0 if settings.auth == "off" else settings.rate_limit)


def owner_of(access: Access) -> str:
    """The user by the app that asks for him."""
    actor = access.actor
    return f"{actor.role}|{actor.subject}|{actor.client}"
