"""Writing: new versions of resources, their index rows and their compartments, in the caller's transaction.

The caller has validated the resources and rewritten their references; here they get version and time, are indexed, compressed and
written, and the hooks run. What an unchanged update does: nothing. https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from fhir_server.access.sensitive import bits_of
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_NAME
from fhir_server.r4.outcome import FhirError, Issue, Problem
from fhir_server.search.index import Indexer, IndexRows
from fhir_server.store import contained, rows
from fhir_server.store.bodies import compress, decompress
from fhir_server.store.compartments import Compartments
from fhir_server.store.hooks import Change, WriteHook
from fhir_server.store.identities import Identities, Identity, columns, new_rids
from fhir_server.store.numbering import numbered, symbols
from fhir_server.store.parameters import DEFINES, Parameters
from fhir_server.store.superseding import forget_derived, supersede
from fhir_server.store.terms import Terms
from fhir_server.store.words import Keys, Words

_LOCK = """
SELECT r.type, r.id, r.rid, r.version, r.last_updated, r.patients, r.body FROM unnest(%s::smallint[], %s::text[]) AS u (type, id)
JOIN resource r ON r.type = u.type AND r.id = u.id ORDER BY r.rid FOR UPDATE OF r
"""
_SET_DERIVED = """
UPDATE resource r SET patients = u.patients::bigint[], labels = u.labels, narrative = u.narrative, content = u.content
FROM unnest(%s::bigint[], %s::text[], %s::smallint[], %s::bigint[], %s::bigint[]) AS u (rid, patients, labels, narrative, content)
WHERE r.rid = u.rid AND (r.patients, r.labels, r.narrative, r.content)
    IS DISTINCT FROM (u.patients::bigint[], u.labels, u.narrative, u.content)
"""

NOT_THERE, ANY = 0, -2
"""What `if_match` says beside a version: that the resource is not there, or that it is, in whatever version."""
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Write:
    """One resource to write; `resource` is None to delete it. `if_match`: the version that the caller has seen.

    Filled in by `apply`: rid, version, last_updated, body (uncompressed), and whether anything `changed`.
    `issues`: what was found in it and let pass.
    `known_content`: content equal to any earlier version counts as unchanged (loading the same source again).
    """

    type: str
    id: str
    resource: dict[str, Any] | None
    is_new: bool = False
    if_match: int | None = None
    known_content: bool = False
    place: str = ""
    issues: tuple[Issue, ...] = ()
    rid: int = 0
    version: int = 0
    last_updated: datetime = BEGINNING
    body: bytes | None = None
    changed: bool = True
    created: bool = False


@dataclass(slots=True)
class _Current:
    """The locked row of a resource that is there already (version 0: only referred to)."""

    version: int
    last_updated: datetime
    patients: list[int]
    body: bytes | None


@dataclass(slots=True)
class Writer:
    """What writing needs besides a connection; one a process."""

    parameters: Parameters
    terms: Terms
    words: Words
    identities: Identities
    compartments: Compartments
    hooks: Sequence[WriteHook] = ()
    is_draft: Callable[[dict[str, Any]], bool] = lambda resource: False
    keep_unchanged: bool = True
    enforce_references: bool = False

    @property
    def derived(self) -> tuple[str, ...]:
        """The tables of all hooks."""
        return tuple(table for hook in self.hooks for table in hook.tables)

    def apply(self, connection: Connection[Any], writes: Sequence[Write], now: datetime) -> Applied:
        """Write them all. Raises CONFLICT or PRECONDITION_FAILED where a version is not the expected one."""
        indexer = self._indexer(connection, writes)
        current = _lock(connection, writes)
        for write in writes:
            self._version(connection, write, current.get(write.rid), now)
        changed = [write for write in writes if write.changed]
        return self._store(connection, indexer, changed, current, now) if changed else Applied()

    def _version(
        self, connection: Connection[Any], write: Write, held: _Current | None, now: datetime
    ) -> None:
        _check_version(write, held)
        write.version = (held.version if held else 0) + 1
        write.created = held is None or held.body is None
        write.last_updated = max(now, held.last_updated) if held else now
        if write.resource is None:
            write.changed = held is not None and held.body is not None
            if not write.changed:
                write.version = held.version if held else 0
            return
        if held and held.body is not None and self._is_unchanged(connection, write, held):
            write.changed, write.version, write.last_updated = False, held.version, held.last_updated
            write.body = decompress(held.body)
            return
        _stamp(write)
        write.body = json.encode(write.resource)

    def _is_unchanged(self, connection: Connection[Any], write: Write, held: _Current) -> bool:
        if not (self.keep_unchanged or write.known_content) or write.resource is None:
            return False
        wanted = content(write.resource)
        if _is_same(held.body or b"", wanted):
            return True
        return write.known_content and any(
            _is_same(body, wanted) for body in earlier_bodies(connection, write.rid)
        )

    def _store(
        self,
        connection: Connection[Any],
        indexer: Indexer,
        writes: list[Write],
        current: dict[int, _Current],
        now: datetime,
    ) -> Applied:
        found = self._prepared(connection, indexer, writes, now)
        rows_of: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
        keys = self._said(writes)
        for write, change, said in zip(writes, found.changes, keys, strict=True):
            held = current.get(write.rid)
            rows_of[held is not None].append(self._row(write, change.patients, said, held))
        left = [(patient, row[0]) for row in rows_of[True] for patient in current[row[0]].patients]
        supersede(connection, rows_of[True], left, self.derived)
        rows.insert(connection, {"resource": rows_of[False], **found.tables})
        for hook in self.hooks:
            hook.written(connection, found.changes)
        return Applied(found.rids)

    def index_again(self, connection: Connection[Any], writes: list[Write]) -> None:
        """Write the index rows, compartments and passages of stored resources again; their versions stay."""
        found = self._prepared(
            connection, self._indexer(connection, writes), writes, max(write.last_updated for write in writes)
        )
        rids = [write.rid for write in writes]
        forget_derived(connection, rids, self.derived)
        patients = ["{" + ",".join(map(str, change.patients)) + "}" for change in found.changes]
        keys = self._said(writes)
        labels = [bits_of(json.encode(write.resource), write.resource) for write in writes]
        connection.execute(_SET_DERIVED, (rids, patients, labels, [n for n, _ in keys], [c for _, c in keys]))
        rows.insert(connection, found.tables)
        for hook in self.hooks:
            hook.written(connection, found.changes)

    def _indexer(self, connection: Connection[Any], writes: Sequence[Write]) -> Indexer:
        return self.parameters.hold(connection, changes=any(write.type == DEFINES for write in writes))

    def _prepared(
        self, connection: Connection[Any], indexer: Indexer, writes: list[Write], now: datetime
    ) -> _Prepared:
        """Index rows and compartments of the resources, in numbers."""
        indexed = [indexer.rows(w.resource) if w.resource is not None else {} for w in writes]
        parts = [contained.parts(w.resource, indexer) for w in writes]
        every_part = [part for found in parts for part in found]
        _give_rids(connection, writes)
        contained.give_rids(connection, every_part)
        own = {(w.type, w.id): w.rid for w in writes}
        outside, texts = symbols([*indexed, *(part.rows for part in every_part)])
        targets = self.identities.targets(connection, outside - own.keys(), now)
        if self.enforce_references:
            inside, _ = symbols(
                [
                    part.rows
                    for w, found in zip(writes, parts, strict=True)
                    if w.type == "Bundle"
                    for part in found
                ]
            )
            _refuse_missing(connection, {k: v for k, v in targets.items() if k not in inside})
        numbers = self.terms.numbers(texts)
        rids = targets | own
        tables: dict[str, list[tuple[Any, ...]]] = {"compartment": [], "contained": []}
        changes = []
        for write, found, inner in zip(writes, indexed, parts, strict=True):
            patients = self._patients(write, found, rids)
            named = contained.names(write.rid, inner, own)
            numbered(tables, write.rid, found, numbers, targets, named)
            for part in inner:
                numbered(tables, part.rid, part.rows, numbers, targets, named)
            tables["contained"] += [(part.rid, write.rid, part.id) for part in inner]
            tables["compartment"] += [(patient, write.rid) for patient in patients]
            changes.append(Change(write.rid, write.type, write.id, write.version, patients, write.resource))
        return _Prepared(tables, changes, rids)

    def _patients(self, write: Write, found: IndexRows, rids: dict[Identity, int]) -> tuple[int, ...]:
        if write.resource is None:
            return ()
        if write.type == "Patient":
            return (write.rid,)
        return tuple(sorted({rids[target] for target in self.compartments.patients(write.type, found)}))

    def _said(self, writes: list[Write]) -> list[Keys]:
        """The keys of what each says in words."""
        return self.words.keys([(_narrative(w), w.body if w.resource is not None else None) for w in writes])

    def _row(
        self, write: Write, patients: tuple[int, ...], said: Keys, held: _Current | None
    ) -> tuple[Any, ...]:
        """A deletion stays in the compartments and under the labels of what was deleted: who might not read it learns nothing of it."""
        body = compress(write.body) if write.body is not None and write.resource is not None else None
        draft = write.resource is not None and self.is_draft(write.resource)
        kind = write.rid >> 40
        labels = bits_of(write.body, write.resource)
        if write.resource is None and held is not None and held.body is not None:
            before = decompress(held.body)
            patients, labels = tuple(held.patients), bits_of(before, json.decode_object(before))
        return (
            *(write.rid, kind, write.id, write.version, write.last_updated, patients, draft, labels),
            *(*said, body),
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Rows by table, what the hooks are told, and the rids that are known now."""

    tables: dict[str, list[tuple[Any, ...]]]
    changes: list[Change]
    rids: dict[Identity, int]


@dataclass(frozen=True, slots=True)
class Applied:
    """The rids that a transaction has seen or made; hand them to Identities.remember after the commit."""

    rids: dict[Identity, int] = field(default_factory=dict)


def _lock(connection: Connection[Any], writes: Sequence[Write]) -> dict[int, _Current]:
    """Lock what is there already; fills in its rids."""
    wanted = {(w.type, w.id): w for w in writes if not w.is_new}
    if not wanted:
        return {}
    found = {}
    for kind, logical_id, rid, *row in connection.execute(_LOCK, columns(list(wanted))):
        wanted[TYPE_NAME[kind], logical_id].rid = rid
        found[rid] = _Current(*row)
    return found


def _check_version(write: Write, held: _Current | None) -> None:
    if write.if_match is None:
        return
    version = held.version if held and held.body is not None else 0
    if version != write.if_match and not (write.if_match == ANY and version):
        wanted = {ANY: "any version", NOT_THERE: "none"}.get(write.if_match, f"version {write.if_match}")
        said = f"If-Match: the current version is {version or 'none'}; expected was {wanted}."
        raise FhirError(Problem.PRECONDITION_FAILED, said, write.place)


def _stamp(write: Write) -> None:
    """id, meta.versionId and meta.lastUpdated are the server's to give; id and meta stand first."""
    assert write.resource is not None
    given = write.resource.get("meta")
    meta = {"versionId": str(write.version), "lastUpdated": instant(write.last_updated)}
    kept = {k: v for k, v in given.items() if k not in meta} if isinstance(given, dict) else {}
    rest = {k: v for k, v in write.resource.items() if k not in ("resourceType", "id", "meta")}
    stamped = {"resourceType": write.type, "id": write.id, "meta": meta | kept, **rest}
    write.resource.clear()
    write.resource.update(stamped)


def _narrative(write: Write) -> str:
    text = write.resource.get("text") if write.resource is not None else None
    return str(text.get("div") or "") if isinstance(text, dict) else ""


def instant(moment: datetime) -> str:
    """UTC to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def content(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource without what the server itself put into meta."""
    meta = {k: v for k, v in (resource.get("meta") or {}).items() if k not in ("versionId", "lastUpdated")}
    rest = {k: v for k, v in resource.items() if k not in ("meta", "id")}
    return rest | {"meta": meta} if meta else rest


def _is_same(body: bytes, wanted: dict[str, Any]) -> bool:
    """Whether a stored body has this content; 1.0 and 1.00 are equal as numbers, but not the same."""
    found = content(json.decode(decompress(body)))
    return found == wanted and json.encode_sorted(found) == json.encode_sorted(wanted)


def earlier_bodies(connection: Connection[Any], rid: int) -> list[bytes]:
    """Bodies of the superseded versions, newest first."""
    query = "SELECT body FROM history WHERE rid = %s AND body IS NOT NULL ORDER BY version DESC"
    return [body for (body,) in connection.execute(query, (rid,)).fetchall()]


def _refuse_missing(connection: Connection[Any], targets: dict[Identity, int]) -> None:
    """Raises INVALID where a reference leads to nothing that is there now. https://hl7.org/fhir/R4/http.html#create"""
    missing = "SELECT count(*) FROM resource WHERE rid = ANY(%s) AND body IS NULL"
    row = connection.execute(missing, (list(targets.values()),)).fetchone()
    if row and row[0]:
        raise FhirError(Problem.INVALID, not_there(row[0]))


def not_there(count: int) -> str:
    """What a write is told whose references lead to nothing, or to nothing that its writer may read."""
    return f"{count} referenced resources are not there, and CHARTLINE_REFERENCES is enforce."


def _give_rids(connection: Connection[Any], writes: list[Write]) -> None:
    new = [write for write in writes if not write.rid]
    for write, rid in zip(new, new_rids(connection, [w.type for w in new]), strict=True):
        write.rid = rid
