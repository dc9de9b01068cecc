"""HL7's examples over HTTP: what goes in as JSON comes out as XML, and that XML put back is the same content, so no version is made.

https://hl7.org/fhir/R4/examples.html
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.xml import to_xml
from tests.real_data import real_resources

SEALED = ("AuditEvent",)
"""What the server alone writes."""
LEAST = {"r4_examples": 30, "us_core_examples": 90}
JSON, XML = "application/fhir+json", "application/fhir+xml"


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples"])
def test_what_goes_in_as_json_and_comes_back_as_xml_is_the_same(fhir: httpx.Client, name: str) -> None:
    kept = 0
    for path, resource in real_resources(name):
        kind, logical_id = resource.get("resourceType"), resource.get("id")
        if kind not in TYPE_CODE or kind in SEALED or not logical_id:
            continue
        address = f"/{kind}/{logical_id}"
        created = sent(fhir, address, json.encode(resource), JSON)
        if created.status_code == 422:
            assert sent(fhir, address, to_xml(resource), XML).status_code == 422, path.name
            continue
        assert created.status_code in (200, 201), f"{path.name}: {created.text[:200]}"
        shown = fhir.get(address, headers={"accept": XML})
        back = sent(fhir, address, shown.content, XML)
        assert back.headers["etag"] == created.headers["etag"], path.name
        assert without_meta(fhir.get(address, headers={"accept": JSON}).content) == without_meta(
            json.encode(resource)
        ), path.name
        kept += 1
    assert kept >= LEAST[name]


def sent(fhir: httpx.Client, address: str, body: bytes, kind: str) -> httpx.Response:
    return fhir.put(address, content=body, headers={"content-type": kind, "accept": JSON})


def without_meta(body: bytes) -> bytes:
    """Sorted, byte by byte, without what the server gives; an empty meta says nothing."""
    resource: dict[str, Any] = json.decode_object(body)
    meta = {k: v for k, v in resource.pop("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    return json.encode_sorted({**resource, **({"meta": meta} if meta else {})})
