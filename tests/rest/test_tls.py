"""`chartline serve` with a certificate speaks https, TLS 1.2 or newer, and seals the audit log of what it served."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fhir_server.__main__ import main
from fhir_server.settings import ConfigurationError, Settings
from tests.serving import free_port


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


@pytest.fixture
def address(certificate: tuple[Path, Path], dsn: str, tmp_path: Path) -> Iterator[str]:
    """A server of its own process."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "fhir_server",
        "serve",
        "--auth",
        "off",
        "--dsn",
        dsn,
        "--port",
        str(port),
    ]
    command += ["--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1])]
    command += ["--audit-head", str(tmp_path / "head.json")]
    process = subprocess.Popen(
        command, env=os.environ | {"CHARTLINE_LOG": "error"}, stdout=subprocess.DEVNULL
    )
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def reached(address: str, certificate: Path) -> httpx.Client:
    client = httpx.Client(base_url=address, verify=ssl.create_default_context(cafile=str(certificate)))
    end = time.monotonic() + 60
    while True:
        try:
            client.get("/healthz")
            return client
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def test_the_server_speaks_https_and_seals_what_it_served(
    address: str, certificate: tuple[Path, Path], dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(reached(address, certificate[0])) as client:
        made = client.post("/fhir/Patient", json={"resourceType": "Patient"})
        assert made.status_code == 201
        assert made.headers["location"].startswith(f"{address}/fhir/Patient/")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(certificate[0])
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError), httpx.Client(verify=old) as client:
        client.get(address)
    assert main(["audit", "verify", "--dsn", dsn, "--audit-head", str(tmp_path / "head.json")]) == 0
    assert "ok: " in capsys.readouterr().out


def test_a_certificate_and_its_key_go_together(certificate: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        Settings.load({}, tls_certificate=str(certificate[0]))
    with pytest.raises(ConfigurationError, match="no such file"):
        Settings.load({}, tls_certificate=str(certificate[0]), tls_key="nowhere.pem")
