"""The terminology service over HTTP: p50 and p99 of one client, beside a bare ASGI app that sends the same bytes.

A stored code system of 10,000 codes in a hierarchy of 100 groups, R4's own code systems, ICD-10-CM.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from bench import report, server
from bench.reading import measure

CODES, GROUPS, TIMES = 10_000, 100, 60
URL = "http://example.org/fhir/CodeSystem/ten-thousand"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
GENDER = "http://hl7.org/fhir/administrative-gender"
Json = dict[str, Any]


def run() -> None:
    """Print the figures."""
    random.seed(7)
    with (
        tempfile.TemporaryDirectory() as folder,
        server.served(Path(folder)) as (base, pid),
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        _store(client)
        _expand(client)
        _codes(client)
        report.line(
            "server's resident memory, ICD-10-CM unpacked", f"{server.resident_megabytes(pid):.0f} MB"
        )


def _expand(client: httpx.Client) -> None:
    asked = {
        "flat": "/ValueSet/$expand?url={all}&excludeNested=true",
        "nested": "/ValueSet/$expand?url={all}",
        "by filter and exclude": "/ValueSet/$expand?url={some}&excludeNested=true",
        "page of 20": "/ValueSet/$expand?url={all}&offset=4000&count=20",
        "filter by words, page of 20": "/ValueSet/$expand?url={all}&filter=kind%2077&count=20",
    }
    for name, template in asked.items():
        address = template.format(all=quote(f"{URL}-all"), some=quote(f"{URL}-some"))
        measure(client, f"$expand of 10,000 codes, {name}", [address], lambda c, a: c.get(a), times=TIMES)


def _codes(client: httpx.Client) -> None:
    own = [_address("CodeSystem/$lookup", system=URL, code=f"c{n}") for n in range(0, CODES, 50)]
    icd = [
        _address("CodeSystem/$lookup", system=ICD, code=code) for code in ("E11.9", "I10", "J45.909", "E11")
    ]
    r4 = [_address("CodeSystem/$lookup", system=GENDER, code=code) for code in ("male", "female", "other")]
    for name, addresses in (("a stored code system", own), ("ICD-10-CM", icd), ("R4's own", r4)):
        measure(client, f"$lookup in {name}", addresses, lambda c, a: c.get(a))
    held = [
        _address("ValueSet/$validate-code", url=f"{URL}-all", system=URL, code=f"c{n}") for n in range(200)
    ]
    measure(client, "ValueSet/$validate-code, 10,000 codes", held, lambda c, a: c.get(a))


def _address(path: str, **parameters: str) -> str:
    return f"/{path}?" + "&".join(f"{name}={quote(value)}" for name, value in parameters.items())


def _store(client: httpx.Client) -> None:
    each = CODES // GROUPS
    groups = [
        {
            "code": f"g{g}",
            "display": f"Group {g}",
            "concept": [
                {"code": f"c{n}", "display": f"Thing {n} of kind {g}"}
                for n in range(g * each, (g + 1) * each - 1)
            ],
        }
        for g in range(GROUPS)
    ]
    head = {"status": "active", "version": "1"}
    system = {"resourceType": "CodeSystem", "url": URL, "content": "complete", "concept": groups, **head}
    whole = {"include": [{"system": URL}]}
    less = {
        "include": [{"system": URL, "filter": [{"property": "code", "op": "regex", "value": "[cg][0-9]+"}]}],
        "exclude": [{"system": URL, "concept": [{"code": f"c{n}"} for n in range(0, CODES, 100)]}],
    }
    client.put("/CodeSystem/ten", json={**system, "id": "ten"}).raise_for_status()
    for name, compose in (("all", whole), ("some", less)):
        found: Json = {
            "resourceType": "ValueSet",
            "id": name,
            "url": f"{URL}-{name}",
            "compose": compose,
            **head,
        }
        client.put(f"/ValueSet/{name}", json=found).raise_for_status()


if __name__ == "__main__":
    report.head()
    run()
