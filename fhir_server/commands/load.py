"""`chartline load PATH...`: FHIR resources, FHIR packages and releases of code systems into the store; the same again changes nothing.

Each source is one transaction; one that fails is a line in the report, and the rest still goes in. Files that refer to others by
identifier wait until those are in (mappings.order), whatever the order they were named in.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say, system_context
from fhir_server.ingest import Ingested, ingest
from fhir_server.interactions.context import Context
from fhir_server.packages import load_packages
from fhir_server.r4 import json
from fhir_server.r4.outcome import Issue
from fhir_server.releases import load_releases
from fhir_server.settings import Settings, add_flags
from fhir_server.store.guise import end_with_parent
from mappings import files
from mappings.order import order
from mappings.package import packages
from mappings.releases.files import releases
from mappings.source import Source

WAITING = 8
"""Sources that may wait for a worker, so that a folder of any size is read as it is loaded."""
_SHOWN = 12
"""Lines on a package or a release that are shown; all of them are in the report."""
Line = tuple[Ingested, float]


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("paths", nargs="+", type=Path, help="files and folders")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes that load")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="drop other versions of a code system's edition once the new one is loaded",
    )
    parser.add_argument("--report", type=Path, help="file for the report, one JSON line a source")
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """0 when all went in, 1 when something did not."""
    started = time.monotonic()
    with database(settings) as dsn, _report(arguments.report) as report:
        distribution.make_service(settings, dsn).database.close()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]} read"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        ) as progress:
            task = progress.add_task("Loading", total=None, count=0)
            total, failed = 0, 0
            for found, seconds in chain(
                _told(progress, _releases(arguments, settings, dsn, distribution, progress)),
                _told(progress, _packages(arguments.paths, settings, dsn, distribution)),
                _sources(arguments.paths, settings, dsn, distribution, arguments.jobs),
            ):
                total += found.resources
                failed += found.status == "failed"
                report(_line(found, seconds))
                _show(progress, task, found, total)
        _analyze(dsn, settings.schema)
    seconds = time.monotonic() - started
    say(f"{total} resources in {seconds:.1f} s ({total / seconds:.0f}/s); {failed} sources failed.")
    return 1 if failed else 0


def load(
    paths: Iterable[Path], settings: Settings, dsn: str, distribution: Distribution, jobs: int = 1
) -> Iterator[Line]:
    """What came of each source, as it comes, and of packages before them."""
    paths = list(paths)
    yield from _packages(paths, settings, dsn, distribution)
    yield from _sources(paths, settings, dsn, distribution, jobs)


def _sources(
    paths: Iterable[Path], settings: Settings, dsn: str, distribution: Distribution, jobs: int
) -> Iterator[Line]:
    """A wave is loaded to its end before the next one starts."""
    sources = order(files.read(paths))
    if jobs <= 1:
        _open(settings, dsn, distribution)
        yield from map(_ingest, sources)
        return
    with ProcessPoolExecutor(jobs, initializer=_open, initargs=(settings, dsn, distribution)) as pool:
        running: set[Future[Line]] = set()
        wave = 0
        for source in sources:
            if source.wave != wave or len(running) >= jobs + WAITING:
                done, running = wait(
                    running, return_when="ALL_COMPLETED" if source.wave != wave else FIRST_COMPLETED
                )
                yield from (future.result() for future in done)
                wave = source.wave
            running.add(pool.submit(_ingest, source))
        yield from (future.result() for future in running)


def _packages(
    paths: Sequence[Path], settings: Settings, dsn: str, distribution: Distribution
) -> Iterator[Line]:
    """FHIR packages among the paths; a Service is made only where there is one."""
    if not (found := packages(paths)):
        return
    service = distribution.make_service(replace(settings, pool=2), dsn)
    try:
        started = time.monotonic()
        for loaded in load_packages(system_context(service), found):
            seconds, started = time.monotonic() - started, time.monotonic()
            yield loaded, seconds
    finally:
        service.database.close()


def _releases(
    arguments: argparse.Namespace,
    settings: Settings,
    dsn: str,
    distribution: Distribution,
    progress: Progress,
) -> Iterator[Line]:
    """Releases of code systems among the paths, with a line of progress for each."""
    if not (found := releases(arguments.paths)):
        return
    service = distribution.make_service(replace(settings, pool=2, statement_timeout=0), dsn)
    lines: dict[str, TaskID] = {}

    def told(name: str, count: int) -> None:
        if name not in lines:
            lines[name] = progress.add_task(name, total=None, count=0)
        progress.update(lines[name], count=count)

    try:
        started = time.monotonic()
        for loaded in load_releases(system_context(service), found, told=told, replace=arguments.replace):
            seconds, started = time.monotonic() - started, time.monotonic()
            yield loaded, seconds
    finally:
        service.database.close()


_context: Context | None = None


def _open(settings: Settings, dsn: str, distribution: Distribution) -> None:
    """One Service a process; one that was started for loading ends with who started it."""
    end_with_parent()
    global _context
    _context = system_context(distribution.make_service(replace(settings, pool=2), dsn))


def _ingest(source: Source) -> Line:
    assert _context is not None
    started = time.monotonic()
    try:
        found = replace(ingest(_context, source), results=[])
    except Exception as error:  # a bug of ours costs this source, not the ones after it
        said = Issue("exception", f"An error of this server: {type(error).__name__}.")
        found = Ingested(source.name, "failed", issues=[said.as_json()])
    return found, time.monotonic() - started


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    with path.open("wb") if path else nullcontext() as file:
        yield file.write if file else (lambda line: None)


def _line(found: Ingested, seconds: float) -> bytes:
    row = {
        "file": found.file,
        "status": found.status,
        "resources": found.resources,
        "seconds": round(seconds, 3),
        "issues": found.issues,
    }
    return json.encode(row) + b"\n"


def _told(progress: Progress, lines: Iterable[Line]) -> Iterator[Line]:
    """What a package or a release has to say, shown as it comes; what fails is shown like any source."""
    for found, seconds in lines:
        for issue in found.issues[:_SHOWN] if found.status != "failed" else ():
            progress.console.print(f"{found.file}: {issue['diagnostics']}", markup=False, soft_wrap=True)
        if len(found.issues) > _SHOWN:
            progress.console.print(f"{found.file}: {len(found.issues) - _SHOWN} more lines, see --report")
        yield found, seconds


def _show(progress: Progress, task: TaskID, found: Ingested, total: int) -> None:
    if found.status == "failed":
        first = found.issues[0]
        progress.console.print(
            f"failed: {found.file}: {first.get('diagnostics')} {first.get('expression', '')}",
            markup=False,
            soft_wrap=True,
        )
    progress.update(task, advance=1, count=total)


def _analyze(dsn: str, schema: str) -> None:
    """After a load the planner has to learn what the tables hold now."""
    with psycopg.connect(dsn, autocommit=True, options=f"-c search_path={schema},public") as connection:
        connection.execute("ANALYZE")
