"""service: one process's Service, put together from settings and a database.

The signing key of cursors lives in the database, so that every
process of a server knows it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from fhir_server.interactions.context import OperationTable, Service
from fhir_server.operations import (
    break_glass,
    closure,
    convert,
    document,
    everything,
    expand,
    explain_access,
    ingest,
    lastn,
    lookup,
    meta,
    reindex,
    subsumes,
    translate,
    validate,
    validate_code,
)
from fhir_server.operations.call import call
from fhir_server.operations.registry import Operation, Operations
from fhir_server.r4.concept_maps import ConceptMaps
from fhir_server.r4.profiles.levels import Levels
from fhir_server.r4.profiles.library import Library
from fhir_server.r4.profiles.sets import KnownSets
from fhir_server.search.coded import CatalogCodes
from fhir_server.search.parameters import Registry
from fhir_server.search.ranking import Ranker
from fhir_server.settings import ConfigurationError, Settings
from fhir_server.store.compartments import Compartments
from fhir_server.store.consents import ConsentRules
from fhir_server.store.database import Database, check
from fhir_server.store.hooks import WriteHook
from fhir_server.store.identities import Identities
from fhir_server.store.loaded_codes import LoadedSystems
from fhir_server.store.migrate import migrate
from fhir_server.store.packages import StoredDefinitions, StoredMaps
from fhir_server.store.parameters import ParameterHook, Parameters
from fhir_server.store.terms import Terms
from fhir_server.store.words import Words
from fhir_server.store.write import Writer
from terminology.codes.catalog import Catalog

MIGRATIONS: Traversable = resources.files("fhir_server.store").joinpath("sql")
_KEY = "INSERT INTO server_key (name, value) VALUES ('cursor', %s) ON CONFLICT DO NOTHING"
_READ_KEY = "SELECT value FROM server_key WHERE name = 'cursor'"
LOG = logging.getLogger("chartline.service")
AIAST = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")
OPERATIONS: tuple[Operation, ...] = (
    ingest.OPERATION,
    explain_access.OPERATION,
    break_glass.OPERATION,
    everything.OPERATION,
    everything.OF_ENCOUNTER,
    lastn.OPERATION,
    document.OPERATION,
    convert.OPERATION,
    validate.OPERATION,
    translate.OPERATION,
    meta.OPERATION,
    meta.ADD,
    meta.DELETE,
    reindex.OPERATION,
    reindex.STATUS,
    lookup.OPERATION,
    validate_code.IN_CODE_SYSTEM,
    validate_code.IN_VALUE_SET,
    expand.OPERATION,
    subsumes.OPERATION,
    closure.OPERATION,
)
"""The operations of a server without the AI layer."""
UNSIGNED = ("draft", "proposed")
"""Statuses of a draft (MedicationRequest, Appointment) that nobody has signed off."""

_DEFINED = ("StructureDefinition", "ValueSet", "CodeSystem")
"""Types whose stored resources the server itself reads."""

MakeHook = Callable[[Settings], WriteHook]


def open_service(
    settings: Settings,
    dsn: str,
    *,
    hooks: Sequence[WriteHook] = (),
    operations: OperationTable | None = None,
    migrations: Sequence[Traversable] = (),
    ranker: Ranker | None = None,
) -> Service:
    """Check the database, bring it up to date, and make the Service. Raises ConfigurationError."""
    check(dsn)
    migrate(dsn, settings.schema, [MIGRATIONS, *migrations])
    database = Database.open(
        dsn, settings.schema, size=settings.pool, statement_timeout=settings.statement_timeout
    )
    known = Parameters(database, ranker)
    registry = known.registry
    profiles, value_sets, code_systems = (_shelf(database, registry, kind) for kind in _DEFINED)
    writer = Writer(
        known,
        Terms(database),
        Words(database),
        Identities(),
        Compartments(registry),
        (ParameterHook(known), ConsentRules(), profiles, value_sets, code_systems, *hooks),
        is_draft=is_unsigned_draft,
        keep_unchanged=settings.keep_unchanged,
        enforce_references=settings.references == "enforce",
    )
    service = Service(settings, database, known, writer, _cursor_key(database))
    service.library = Library(profiles)
    service.catalog = Catalog(value_sets, code_systems, LoadedSystems(database))
    service.sets = KnownSets(service.catalog)
    service.codes_of = CatalogCodes(service.catalog, value_sets.by_id)
    service.maps = ConceptMaps(_map_shelf(service))
    _warn_of_maps(service.maps, settings.code_maps)
    service.levels = _levels(settings)
    service.operations = operations or Operations(OPERATIONS)
    service.call = call
    return service


def _shelf(database: Database, registry: Registry, resource_type: str) -> StoredDefinitions:
    url = registry.get(resource_type, "url")
    assert url is not None
    return StoredDefinitions(database, resource_type, url.id)


def _map_shelf(service: Service) -> StoredMaps:
    numbers = [service.registry.get("ConceptMap", code) for code in ("url", "source-system", "target-system")]
    return StoredMaps(service.database, *(found.id for found in numbers if found))


def _warn_of_maps(maps: ConceptMaps, canonicals: str) -> None:
    """Name maps that are neither stored nor shipped: until they are, codes stay without their translations."""
    for name in filter(None, map(str.strip, canonicals.split(","))):
        if maps.named(name) is None:
            LOG.warning("CHARTLINE_CODE_MAPS names %s, which is not here (yet).", name)


def _levels(settings: Settings) -> Levels:
    try:
        return Levels.parse(settings.profiles)
    except ValueError as error:
        raise ConfigurationError(f"CHARTLINE_PROFILES: {error}.") from None


def is_unsigned_draft(resource: dict[str, Any]) -> bool:
    """Written by an AI (label AIAST) and still a draft: searches leave it out unless they ask for it."""
    if resource.get("status") not in UNSIGNED:
        return False
    labels = (resource.get("meta") or {}).get("security", ())
    return any((label.get("system"), label.get("code")) == AIAST for label in labels)


def _cursor_key(database: Database) -> bytes:
    with database.transaction() as connection:
        connection.execute(_KEY, (secrets.token_bytes(32),))
        row = connection.execute(_READ_KEY).fetchone()
    assert row is not None
    return bytes(row[0])
