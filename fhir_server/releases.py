"""releases: a code system, as its publisher releases it, becomes tables that the terminology operations answer from.

Each release is one transaction: whole, or not there; the version before it stays until then. Lines that are broken are named and left
out. https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fhir_server.ingest import Ingested
from fhir_server.interactions.context import Context
from fhir_server.r4.outcome import Issue
from fhir_server.store import code_releases as store
from mappings.archive import UNREADABLE
from mappings.releases.files import Release
from mappings.releases.lines import Broken, NotReadable
from mappings.releases.readers import READERS

Told = Callable[[str, int], object]
"""Called with the name of a release and the number of its pieces so far."""


def load_releases(
    context: Context,
    releases: Iterable[Release],
    *,
    told: Told = lambda name, count: None,
    replace: bool = False,
) -> Iterator[Ingested]:
    """Load the releases; `replace` drops the other versions of the same edition once the new one is whole."""
    for release in releases:
        name = str(release.path)
        try:
            yield _load(context, release, told, replace)
        except (NotReadable, *UNREADABLE) as error:
            said = Issue("structure", f"{release.kind}: {error} Nothing of it was loaded.")
            yield Ingested(name, "failed", issues=[said.as_json()])


def _load(context: Context, release: Release, told: Told, replace: bool) -> Ingested:
    if release.missing:
        raise NotReadable(f"A release needs its {' and '.join(release.missing)}, which are not there.")
    reader, broken = READERS[release.kind], Broken()
    head = reader.head(release, broken)
    digest, name = release.digest(), str(release.path)
    with context.connect() as connection:
        there = store.same(connection, head, digest)
        if there is not None:
            return Ingested(
                name, "unchanged", issues=[_said(f"{head.name} {head.version}: {there} concepts.")]
            )
        pieces = reader.pieces(release, broken)
        count = store.store(
            connection,
            head,
            digest,
            pieces,
            context.now(),
            told=lambda done: told(f"{head.name} {head.version}", done),
            replace=replace,
        )
        if not count:
            raise NotReadable("Not one line of it can be read.")
    left_out = [Issue("structure", f"Left out: {line}.", severity="warning") for line in broken.lines()]
    said = [_said(f"{head.name} {head.version}: {count} concepts."), *(one.as_json() for one in left_out)]
    return Ingested(name, "loaded", issues=said)


def _said(text: str) -> dict[str, object]:
    return Issue("informational", text, severity="information").as_json()
