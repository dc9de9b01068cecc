"""Validation in one process: ours beside fhirkit-rs (Rust) and fhir.resources (pydantic, R4B), and ours along a profile.

The same Synthea resources, as bytes, parsed and judged. Which of them finds what is in docs/adr/0020-own-validator.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import fhirkit
from fhir.resources.R4B import get_fhir_model_class

from bench import data, report
from fhir_server.r4 import json
from fhir_server.r4.profiles.binding import CompiledSets
from fhir_server.r4.profiles.conform import judged
from fhir_server.r4.profiles.library import Library
from fhir_server.r4.validate import validate

PATIENTS = 6
VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
Json = dict[str, Any]


def run() -> None:
    """Print the figures."""
    resources = [e["resource"] for b in data.bundles()[:PATIENTS] for e in json.decode_object(b)["entry"]]
    bodies = [json.encode(resource) for resource in resources]
    ours = _rate(bodies, lambda body: validate(json.decode_object(body)))
    rust = _rate(bodies, lambda body: fhirkit.validate(body))
    models = _rate(
        bodies,
        lambda body: get_fhir_model_class(json.decode_object(body)["resourceType"]).model_validate_json(body),
    )
    for name, rate in (("fhirkit-rs", rust), ("fhir.resources R4B", models)):
        what = f"validate by R4, beside {name}"
        report.line(what, f"{ours:,.0f} resources/s", f"{rate:,.0f} resources/s", ours / rate)
    signs = [resource for resource in resources if _is_vital_sign(resource)]
    library, sets = Library(), CompiledSets()
    along = _rate(signs, lambda resource: judged(resource, VITAL_SIGNS, library, sets))
    report.line("judge a vital sign by its profile", f"{along:,.0f} resources/s")


def _rate(items: Sequence[Any], judge: Callable[[Any], object]) -> float:
    """Items a second, after one round that warms up."""
    for item in items:
        judge(item)
    started = time.perf_counter()
    for item in items:
        judge(item)
    return len(items) / (time.perf_counter() - started)


def _is_vital_sign(resource: Json) -> bool:
    codes = [
        c.get("code")
        for found in resource.get("category", ())
        if isinstance(found, dict)
        for c in found.get("coding", ())
    ]
    return resource["resourceType"] == "Observation" and "vital-signs" in codes


if __name__ == "__main__":
    report.head()
    run()
