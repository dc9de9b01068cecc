"""Settings: one table of rows; environment, command-line flags and docs/settings.md come from it.

An empty value is as good as none. The flag beats the environment, the environment the default.
"""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CODE_MAPS = (
    "https://chartline.example/fhir/ConceptMap/icd-9-cm-to-icd-10-cm,"
    "https://chartline.example/fhir/ConceptMap/local-lab-to-loinc"
)
"""The maps that a server uses unless it is told others: docs/code-maps.md."""


class ConfigurationError(Exception):
    """Something that whoever starts the server has to set right; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: the name (its variable is CHARTLINE_NAME, its flag --name), type, default and what it is for."""

    name: str
    type: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"CHARTLINE_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "dsn",
        str,
        "",
        "PostgreSQL to use (>= 15, with pgvector >= 0.8); empty: the embedded one in the data folder",
    ),
    Setting("data_dir", Path, Path("data"), "folder of the embedded Postgres"),
    Setting("schema", str, "chartline", "the tenant: the Postgres schema that holds its tables"),
    Setting("host", str, "127.0.0.1", "address to listen on"),
    Setting("port", int, 8080, "port to listen on", most=65535),
    Setting("workers", int, 1, "server processes", least=1),
    Setting("base_url", str, "", "address of the server as clients see it, where a proxy stands before it"),
    Setting(
        "auth",
        str,
        "smart",
        "smart: every request needs a token; off: none does (loopback only)",
        ("smart", "off"),
    ),
    Setting(
        "oidc_issuer",
        str,
        "",
        "OpenID provider whose access tokens count, exactly as it names itself (Keycloak: https://.../realms/NAME); the embedded one is off then; empty: the embedded one",
    ),
    Setting(
        "oidc_audience",
        str,
        "",
        "what its tokens have to be meant for (claim aud); empty: CHARTLINE_BASE_URL with /fhir",
    ),
    Setting(
        "oidc_role_claim",
        str,
        "role",
        "its claim with the role (patient, clinician, staff or system; a text or a list); a dot leads into an object: realm_access.roles",
    ),
    Setting("oidc_patient_claim", str, "patient", "its claim with the logical id of the patient in context"),
    Setting(
        "oidc_fhir_user_claim", str, "fhirUser", "its claim with who the user is here, such as Practitioner/7"
    ),
    Setting(
        "consent",
        str,
        "",
        "opt-in: the assistant needs an active Consent that permits it (default); opt-out: it works unless a Consent denies it (default where auth is off)",
        ("", "opt-in", "opt-out"),
    ),
    Setting(
        "model",
        str,
        "",
        "LangChain init_chat_model name, such as ollama:...; empty: answers are written by rule",
    ),
    Setting("model_base_url", str, "", "address of an OpenAI-compatible model server"),
    Setting("model_prices", str, "0,0", "price of a million tokens, in and out: 3,15"),
    Setting(
        "model_dates",
        str,
        "keep",
        "dates that a language model gets: as they are, or moved by a number of days of the patient's own (needs CHARTLINE_DEIDENTIFY_KEY)",
        ("keep", "shift"),
    ),
    Setting(
        "deidentify_key",
        str,
        "",
        "secret from which pseudonyms and moved dates are made; keep it away from who gets them; empty: export --deidentified makes one for the run",
    ),
    Setting("embedder", str, "", "LangChain init_embeddings name; empty: all-MiniLM-L6-v2 on this machine"),
    Setting(
        "references",
        str,
        "accept",
        "whether a reference to a local resource that is not there is refused",
        ("accept", "enforce"),
    ),
    Setting(
        "conditional_delete",
        str,
        "single",
        "what a conditional delete does with several matches: single refuses, multiple deletes them all",
        ("single", "multiple"),
    ),
    Setting(
        "profiles",
        str,
        "warn",
        "what a write meets that breaks a profile it claims: reject, warn or ignore; also URL=reject, URL*=ignore, separated by commas",
    ),
    Setting(
        "code_maps",
        str,
        CODE_MAPS,
        "ConceptMaps (canonicals, separated by commas) whose translations are added to the codes of what is loaded",
    ),
    Setting("packages", str, "", "folder of FHIR packages (.tgz) that are loaded when the server starts"),
    Setting("keep_unchanged", bool, True, "an update that changes nothing makes no new version"),
    Setting(
        "max_body",
        int,
        100 * 1024 * 1024,
        "largest request body in bytes; more is answered with 413",
        least=1,
    ),
    Setting("page_size", int, 50, "matches in a page where _count does not say", least=1),
    Setting("max_page_size", int, 1000, "matches in a page at most", least=1),
    Setting("statement_timeout", int, 30_000, "milliseconds that a database statement may take; 0: any time"),
    Setting(
        "pool",
        int,
        8,
        "database connections of one process; each process has two more for short work",
        least=1,
    ),
    Setting(
        "audit_key",
        str,
        "",
        "secret of the audit log's chain: without it nobody can make the chain anew; set it before the first start, and keep it elsewhere",
    ),
    Setting(
        "audit_head",
        str,
        "",
        "file for the head of the audit log's chain, outside the database; empty: in the data folder of the embedded Postgres",
    ),
    Setting(
        "tls_certificate",
        str,
        "",
        "file with the server's certificate and its chain (PEM): it speaks https then, TLS 1.2 or newer; empty: http, for a proxy that does",
    ),
    Setting("tls_key", str, "", "file with the certificate's private key (PEM)"),
    Setting(
        "rate_limit",
        int,
        6000,
        "requests a minute of one user by one app, in each process; more are answered with 429; 0: any number",
    ),
    Setting(
        "break_glass_minutes", int, 30, "how long a clinician's broken glass stays open", least=1, most=1440
    ),
    Setting("cors_origins", str, "", "origins of browser apps that may call the API, separated by commas"),
    Setting(
        "log",
        str,
        "info",
        "how much is logged; never a word of a record",
        ("debug", "info", "warning", "error"),
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as values; the table above says what each is for."""

    dsn: str = field(default="", repr=False)
    data_dir: Path = Path("data")
    schema: str = "chartline"
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    base_url: str = ""
    auth: str = "smart"
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_role_claim: str = "role"
    oidc_patient_claim: str = "patient"
    oidc_fhir_user_claim: str = "fhirUser"
    consent: str = "opt-in"
    model: str = ""
    model_base_url: str = ""
    model_prices: str = "0,0"
    model_dates: str = "keep"
    deidentify_key: str = field(default="", repr=False)
    embedder: str = ""
    references: str = "accept"
    conditional_delete: str = "single"
    profiles: str = "warn"
    code_maps: str = CODE_MAPS
    packages: str = ""
    keep_unchanged: bool = True
    max_body: int = 100 * 1024 * 1024
    page_size: int = 50
    max_page_size: int = 1000
    statement_timeout: int = 30_000
    pool: int = 8
    audit_key: str = field(default="", repr=False)
    audit_head: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    rate_limit: int = 6000
    break_glass_minutes: int = 30
    cors_origins: str = ""
    log: str = "info"

    @classmethod
    def load(cls, environment: Mapping[str, str], **flags: Any) -> Settings:
        """Flags over environment over defaults. Raises ConfigurationError."""
        found = {row.name: _value(row, environment, flags.get(row.name)) for row in SETTINGS}
        found["base_url"] = found["base_url"].rstrip("/")
        found["consent"] = found["consent"] or ("opt-out" if found["auth"] == "off" else "opt-in")
        settings = cls(**found)
        settings._check()
        return settings

    def _check(self) -> None:
        if self.auth == "off" and not is_loopback(self.host):
            raise ConfigurationError(
                "--auth off is for loopback only: set --host 127.0.0.1, or --auth smart."
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ConfigurationError("CHARTLINE_TLS_CERTIFICATE and CHARTLINE_TLS_KEY go together.")
        for name in filter(None, (self.tls_certificate, self.tls_key)):
            if not Path(name).is_file():
                raise ConfigurationError(
                    "CHARTLINE_TLS_CERTIFICATE, CHARTLINE_TLS_KEY: there is no such file."
                )
        self._check_provider()
        if self.model_dates == "shift" and not self.deidentify_key:
            raise ConfigurationError("CHARTLINE_MODEL_DATES=shift needs CHARTLINE_DEIDENTIFY_KEY.")
        if self.page_size > self.max_page_size:
            raise ConfigurationError(
                "CHARTLINE_PAGE_SIZE is more than CHARTLINE_MAX_PAGE_SIZE: lower the one or raise the other."
            )
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                "CHARTLINE_BASE_URL: expected an address that starts with http:// or https://."
            )

    def _check_provider(self) -> None:
        if not self.oidc_issuer:
            return
        parts = urlsplit(self.oidc_issuer)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ConfigurationError("CHARTLINE_OIDC_ISSUER: expected https, or http on loopback.")
        if self.auth == "off":
            raise ConfigurationError("--auth off and CHARTLINE_OIDC_ISSUER contradict each other.")
        if not (self.oidc_audience or self.base_url):
            raise ConfigurationError(
                "CHARTLINE_OIDC_ISSUER needs CHARTLINE_OIDC_AUDIENCE or CHARTLINE_BASE_URL."
            )

    def as_environment(self) -> dict[str, str]:
        """The variables that give a child process the same settings."""
        return {row.variable: str(getattr(self, row.name)) for row in SETTINGS}


assert [f.name for f in fields(Settings)] == [row.name for row in SETTINGS]


def add_flags(parser: argparse.ArgumentParser, *names: str) -> None:
    """The flags of the named settings (of all where none is named)."""
    if unknown := set(names) - {row.name for row in SETTINGS}:
        raise ValueError(f"There is no setting {unknown.pop()}.")
    for row in SETTINGS:
        if not names or row.name in names:
            parser.add_argument(
                row.flag,
                dest=row.name,
                default=None,
                help=row.help,
                choices=[c for c in row.choices if c] or None,
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _value(row: Setting, environment: Mapping[str, str], flag: Any) -> Any:
    given = str(flag if flag not in (None, "") else environment.get(row.variable, "")).strip()
    if given == "":
        return row.default
    if row.choices and given not in row.choices:
        raise ConfigurationError(f"{row.variable}: expected one of {', '.join(c for c in row.choices if c)}.")
    return _PARSERS[row.type](row, given)


def _boolean(row: Setting, given: str) -> bool:
    if given.lower() not in _BOOLEANS:
        raise ConfigurationError(f"{row.variable}: expected true or false.")
    return _BOOLEANS[given.lower()]


def _number(row: Setting, given: str) -> int:
    limits = f"{row.least} or more" if row.most is None else f"{row.least} to {row.most}"
    try:
        number = int(given)
    except ValueError:
        number = row.least - 1
    if number < row.least or (row.most is not None and number > row.most):
        raise ConfigurationError(f"{row.variable}: expected a whole number, {limits}.")
    return number


_BOOLEANS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_PARSERS: dict[type, Callable[[Setting, str], Any]] = {
    str: lambda row, given: given,
    Path: lambda row, given: Path(given).expanduser(),
    int: _number,
    bool: _boolean,
}
