"""What this server says of itself wherever it describes itself: name, version, address.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.context import Context
from fhir_server.store.write import instant

VERSION = "0.1.0"


def about(context: Context, address: str, name: str, title: str) -> dict[str, Any]:
    """The elements that a CapabilityStatement and a TerminologyCapabilities have in common; `address` behind the base."""
    return {
        "url": f"{context.base}/{address}",
        "version": VERSION,
        "name": name,
        "title": title,
        "status": "active",
        "date": instant(context.service.started),
        "publisher": "Chartline",
        "kind": "instance",
        "software": {"name": "Chartline", "version": VERSION},
        "implementation": {"description": "Chartline", "url": context.base},
    }
