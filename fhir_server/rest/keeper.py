"""Keeper: a thread of each server process that seals the audit log and tells it as AuditEvents, while requests go on.

Whatever it cannot do now it tries again later: the log itself does not depend on it.
"""

from __future__ import annotations

import logging
import threading
import time

from fhir_server.interactions import telling
from fhir_server.interactions.context import Service

LOG = logging.getLogger("chartline.audit")
EVERY_SECONDS = 1.0
SHARE = 0.1
"""The part of a thread's time that goes into telling while there is much to tell: requests go first.

Nobody waits for it: a search for AuditEvents has the newest of them told before it looks.
"""


class Keeper:
    """Starts with the server and ends with it, having sealed what there is."""

    def __init__(self, service: Service) -> None:
        self._service, self._stopped = service, threading.Event()
        self._thread = threading.Thread(target=self._keep, name="audit keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once what is being done is done."""
        self._stopped.set()
        self._thread.join()
        self._once(sweep=True)

    def _keep(self) -> None:
        self._once(sweep=True)
        while not self._stopped.wait(EVERY_SECONDS):
            self._once()

    def _once(self, *, sweep: bool = False) -> None:
        try:
            telling.seal(self._service, sweep=sweep)
            started = time.monotonic()
            while not self._stopped.is_set() and telling.tell(self._service):
                self._stopped.wait((time.monotonic() - started) * (1 - SHARE) / SHARE)
                started = time.monotonic()
        except Exception as error:
            LOG.warning("The audit log was not sealed, and will be: %s", type(error).__name__)
