"""A FHIR package made of the definitions of fixtures/cases/profiles, for tests that load one. https://hl7.org/fhir/R4/packages.html"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEFINITIONS = Path(__file__).parents[2] / "fixtures/cases/profiles/definitions"
Json = dict[str, Any]
MANIFEST: Json = {
    "name": "org.example.ward",
    "version": "1.0.0",
    "fhirVersions": ["4.0.1"],
    "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
}


def definitions() -> list[Json]:
    """The StructureDefinitions of the cases, whole enough to be stored."""
    rows = [row for file in sorted(DEFINITIONS.glob("*.yaml")) for row in yaml.safe_load(file.read_text())]
    return [structure(row) for row in rows if "differential" in row]


def structure(row: Json) -> Json:
    """A StructureDefinition with what R4 requires of one."""
    name = row["url"].rpartition("/")[2]
    whole = {
        "resourceType": "StructureDefinition",
        "id": name,
        "name": name.title().replace("-", ""),
        "status": "active",
        "kind": "complex-type" if row["type"] == "Extension" else "resource",
        "abstract": False,
        "derivation": "constraint",
        **row,
    }
    rows = whole.get("differential", {}).get("element", ())
    if rows and rows[0]["path"] != row["type"]:
        whole["differential"] = {"element": [{"id": row["type"], "path": row["type"]}, *rows]}
    for element in whole.get("differential", {}).get("element", ()):
        element.setdefault("id", element["path"])
        for rule in element.get("constraint", ()):
            rule.setdefault("human", rule["key"])
    return whole


def package(
    path: Path, resources: list[Json], manifest: Mapping[str, Any] = MANIFEST, more: Mapping[str, bytes] = {}
) -> Path:
    """Write the package; `more` are members by name, as bytes."""
    members = {"package.json": json.dumps(dict(manifest)).encode()}
    members |= {f"{r['resourceType']}-{at}.json": json.dumps(r).encode() for at, r in enumerate(resources)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, body in (members | dict(more)).items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
    return path
