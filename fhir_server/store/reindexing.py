"""The thread of a server process that carries out open runs of $reindex: its own, and those that another process left behind."""

from __future__ import annotations

import logging
import threading

from fhir_server.r4.outcome import FhirError
from fhir_server.store import reindex
from fhir_server.store.database import Database
from fhir_server.store.retrying import RACES
from fhir_server.store.write import Writer

LOOK_EVERY = 2.0
"""Seconds between two looks for runs that others have started."""
LOG = logging.getLogger("chartline.reindex")


class Reindexing:
    """Starts with the application and ends with it."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="reindex", daemon=True)

    def start(self) -> None:
        """Begin to look for runs."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand; the rest of its run waits for the next process."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            if not self._step():
                self._stop.wait(LOOK_EVERY)

    def _step(self) -> bool:
        """Whether there was something to do."""
        try:
            return bool(reindex.step(self._database, self._writer))
        except (FhirError, *RACES) as error:
            LOG.warning("a batch of $reindex is tried again: %s", type(error).__name__)
        except Exception as error:
            self._give_up(type(error).__name__)
        return False

    def _give_up(self, problem: str) -> None:
        """The batch would fail again and again; the run says so, and what it was for stays unusable."""
        LOG.error("$reindex gave up: %s", problem)
        with self._database.transaction() as connection:
            reindex.end_oldest(connection, problem)
