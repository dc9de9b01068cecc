"""compose.yaml: a database and the server, each with a health check, and no password that somebody else knows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_server.access.actor import Role
from fhir_server.settings import SETTINGS, Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def command() -> list[str]:
    """Compose as this machine has it; empty where it has none."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if (
        shutil.which("docker")
        and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        return ["docker", "compose"]
    return []


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_says_whether_it_is_healthy(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"


def test_the_server_waits_for_a_database_that_is_healthy() -> None:
    assert SERVICES["chartline"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_the_database_has_pgvector_and_keeps_its_rows() -> None:
    postgres = SERVICES["postgres"]
    assert postgres["image"] == "pgvector/pgvector:pg18"
    assert [volume.split(":")[1] for volume in postgres["volumes"]] == ["/var/lib/postgresql"]


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_come_from_outside_and_have_no_default(service: str) -> None:
    secrets = {
        name: value
        for name, value in SERVICES[service]["environment"].items()
        if re.search("PASSWORD|SECRET|KEY|TOKEN", name)
    }
    assert secrets
    assert all(re.fullmatch(r"\$\{[A-Z_]+\}", value) for value in secrets.values())
    assert not re.search(r"://[^/\s]*:[^/\s]*@", FILE.read_text())


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_keycloak_starts_only_when_it_is_asked_for_and_gives_what_the_server_reads() -> None:
    keycloak = SERVICES["keycloak"]
    assert keycloak["profiles"] == ["keycloak"]
    realm = json.loads((ROOT / "tools" / "keycloak" / "chartline.json").read_text())
    assert "users" not in realm
    mappers = {
        m["name"]: m["config"] for scope in realm["clientScopes"] for m in scope.get("protocolMappers", ())
    }
    for name in ("role", "patient", "fhirUser"):
        assert mappers[name]["claim.name"] == getattr(Settings(), NAMED[name])
    assert mappers["audience"]["included.custom.audience"].endswith("/fhir")
    profile = json.loads(
        realm["components"]["org.keycloak.userprofile.UserProfileProvider"][0]["config"][
            "kc.user.profile.config"
        ][0]
    )
    own = {row["name"]: row["permissions"]["edit"] for row in profile["attributes"]}
    assert own["patient"] == own["fhirUser"] == ["admin"]
    assert {client["attributes"]["pkce.code.challenge.method"] for client in realm["clients"]} == {"S256"}
    assert not any(
        client["directAccessGrantsEnabled"] or client["implicitFlowEnabled"] for client in realm["clients"]
    )
    assert {role["name"] for role in realm["roles"]["realm"]} == set(Role)


NAMED = {"role": "oidc_role_claim", "patient": "oidc_patient_claim", "fhirUser": "oidc_fhir_user_claim"}


def test_each_setting_in_it_exists() -> None:
    known = {row.variable for row in SETTINGS}
    given = {name for name in SERVICES["chartline"]["environment"] if name.startswith("CHARTLINE_")}
    assert given <= known


def test_the_image_has_the_packages_of_the_wheel() -> None:
    packages = re.search(r"packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text())
    assert packages is not None
    copied = re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert copied == re.findall(r'"(\w+)"', packages[1])


@pytest.mark.skipif(not command(), reason="there is no docker-compose on this machine")
@pytest.mark.parametrize("password", ["", "given"])
def test_compose_reads_it(password: str) -> None:
    environment = os.environ | {"POSTGRES_PASSWORD": password}
    read = subprocess.run(
        [*command(), "-f", str(FILE), "config"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=ROOT,
    )
    assert read.returncode == 0, read.stderr
    assert yaml.safe_load(read.stdout)["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] == password
