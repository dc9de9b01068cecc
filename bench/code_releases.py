"""A release of the size of SNOMED CT: how long `chartline load` takes beside COPY of the same names, and what the loaded codes cost to ask.

The release is made up: 350,000 concepts, nine under each, 1,050,000 descriptions (more than 100 MB) with one broken line.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg

from ai_layer.app import make_service
from bench import report, server
from bench.reading import measure
from fhir_server.commands.running import system_context
from fhir_server.releases import load_releases
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedPostgres
from mappings.releases.files import releases
from terminology.coding import SNOMED

CONCEPTS, BELOW, FIRST = 350_000, 9, 100_000_000
MODULE, DATE = "900000000000207008", "20260101"
FULL_NAME, SYNONYM = "900000000000003001", "900000000000013009"


def run() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "release"
        _write(root)
        _load(root, Path(folder) / "data")
        with (
            server.served(Path(folder) / "data") as (base, pid),
            httpx.Client(base_url=base, timeout=60) as client,
        ):
            _ask(client)
            report.line(
                "server's resident memory, 350,000 loaded codes", f"{server.resident_megabytes(pid):.0f} MB"
            )


def _load(root: Path, data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    dsn = postgres.start()
    service = make_service(Settings(statement_timeout=0), dsn)
    names = next(root.rglob("sct2_Description*"))
    limit = _copied(dsn, names)
    started = time.perf_counter()
    (found,) = load_releases(system_context(service), releases([root]))
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in root.rglob("*.txt")) / 1e6
    report.line(
        f"load of an RF2 release, {size:.0f} MB, {len(found.issues) - 1} line left out",
        f"{seconds:.0f} s",
        f"COPY of its descriptions {limit:.1f} s",
        seconds / limit,
    )
    service.database.close()
    postgres.stop()


def _copied(dsn: str, file: Path) -> float:
    """Seconds for the lines of the file into a table without an index."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TEMP TABLE line (text text)")
        started = time.perf_counter()
        with (
            file.open("rb") as lines,
            connection.cursor().copy(
                "COPY line FROM STDIN (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')"
            ) as copy,
        ):
            while block := lines.read(1 << 20):
                copy.write(block)
        return time.perf_counter() - started


def _ask(client: httpx.Client) -> None:
    some = [_code(n) for n in range(0, CONCEPTS, CONCEPTS // 200)]
    looked = [f"/CodeSystem/$lookup?system={quote(SNOMED)}&code={code}" for code in some]
    measure(client, "$lookup in 350,000 loaded codes", looked, lambda c, a: c.get(a))
    below = quote(f"{SNOMED}?fhir_vs=isa/{_code(1 + BELOW)}")
    held = [f"/ValueSet/$validate-code?url={below}&system={quote(SNOMED)}&code={code}" for code in some]
    measure(client, "ValueSet/$validate-code, below a loaded code", held, lambda c, a: c.get(a))
    whole = [f"/ValueSet/$expand?url={below}&excludeNested=true"]
    measure(client, "$expand of 11,011 codes below a loaded code", whole, lambda c, a: c.get(a), times=40)
    words = [
        f"/ValueSet/$expand?url={quote(f'{SNOMED}?fhir_vs')}&filter=thing%20{n}&count=20"
        for n in range(5000, 5200)
    ]
    measure(client, "$expand of all by words, page of 20", words, lambda c, a: c.get(a))


def _code(number: int) -> str:
    return str(FIRST + number)


def _write(root: Path) -> None:
    core = f"{DATE}\t1\t{MODULE}"
    _file(
        root,
        "sct2_Concept_Snapshot_INT",
        "id effectiveTime active moduleId definitionStatusId",
        (f"{_code(n)}\t{core}\t900000000000074008" for n in range(CONCEPTS)),
    )
    _file(
        root,
        "sct2_Description_Snapshot-en_INT",
        "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId",
        _names(core),
    )
    _file(
        root,
        "sct2_Relationship_Snapshot_INT",
        "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId",
        _edges(core),
    )
    _file(
        root,
        "der2_cRefset_LanguageSnapshot-en_INT",
        "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId",
        (f"u\t{core}\t900000000000509007\t{n}02\t900000000000548007" for n in range(FIRST, FIRST + CONCEPTS)),
    )


def _names(core: str) -> Iterator[str]:
    for n in range(CONCEPTS):
        code = _code(n)
        texts = (f"Thing {n} of kind {n // 97} (thing)", f"Thing {n} of kind {n // 97}", f"Item {n}")
        for i, (kind, text) in enumerate(zip((FULL_NAME, SYNONYM, SYNONYM), texts, strict=True), 1):
            yield f"{code}0{i}\t{core}\t{code}\ten\t{kind}\t{text}\t900000000000448009"
    yield "a broken line"


def _edges(core: str) -> Iterator[str]:
    """Each under one concept, every third under a sibling of that one too."""
    for n in range(1, CONCEPTS):
        parent = (n - 1) // BELOW
        sibling = (parent - 1) // BELOW * BELOW + 1 + parent % BELOW
        for above in (parent, sibling)[: 1 + (n % 3 == 0 and parent > 0)]:
            yield f"{n}{above % 7}\t{core}\t{_code(n)}\t{_code(above)}\t0\t116680003"


def _file(root: Path, name: str, columns: str, lines: Iterator[str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}_{DATE}.txt").open("w", encoding="utf-8") as file:
        file.write("\t".join(columns.split()) + "\n")
        file.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    report.head()
    run()
