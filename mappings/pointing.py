"""References between the entries of a Bundle, turned to the ids that the entries get here.

A relative reference is read against the base of the fullUrl of the entry that holds it. In a record from elsewhere it
means that server's resource also where the Bundle does not hold it, so it gets the id which that resource will have when
it comes; in a transaction it means a resource of this server and stays.
https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.entry import Entry, Placed
from mappings.identity import id_of_url, split_restful, versionless
from mappings.reference import Resolve, rewrite


def pointed(placed: Sequence[Placed], own_base: str, is_requested: bool) -> list[Entry]:
    """The entries with every reference to another one turned; those by `urn:` are left to the transaction."""
    targets = {versionless(p.full_url): p.target for p in placed if p.full_url.startswith("http")}
    aliases = {p.alias: p.target for p in placed if p.alias}
    if not targets and not aliases:
        return [p.entry for p in placed]
    return [_turned(p, _Base(_base(p.full_url), own_base, targets, aliases, is_requested)) for p in placed]


@dataclass(frozen=True, slots=True)
class _Base:
    """What a reference means in an entry whose fullUrl has this base (empty where it has none)."""

    url: str
    own_base: str
    targets: dict[str, str]
    aliases: dict[str, str]
    is_requested: bool

    def resolve(self, reference: str) -> str:
        """The reference as it must be written here; the same text where there is nothing to turn."""
        if "?" in reference or reference.startswith(("urn:", "#")):
            return reference
        path, mark, fragment = reference.partition("#")
        target = self._target(versionless(path))
        return f"{target}{mark}{fragment}" if target else reference

    def _target(self, path: str) -> str:
        url = path if "://" in path else self.url + path
        return self.targets.get(url) or self._elsewhere(url) or self.aliases.get(path, "")

    def _elsewhere(self, url: str) -> str:
        parts = split_restful(url)
        if self.is_requested or parts is None or parts.base != self.url:
            return ""
        return f"{parts.type}/{parts.id if parts.base == self.own_base else id_of_url(parts.url)}"


def _base(full_url: str) -> str:
    parts = split_restful(full_url)
    return parts.base if parts else ""


def _turned(placed: Placed, base: _Base) -> Entry:
    resource = placed.entry.get("resource")
    resolve: Resolve = base.resolve
    turned = rewrite(resource, resolve)
    return placed.entry if turned is resource else {**placed.entry, "resource": turned}
