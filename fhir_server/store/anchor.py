"""The head of the audit chain, kept in a file outside the database: whoever can change the database cannot change it as well.

One line of JSON: position, hash, time. The file is replaced as a whole, and only ever by a longer chain.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from fhir_server.r4 import json
from fhir_server.settings import Settings
from fhir_server.store.audit_log import Head


def place(settings: Settings) -> Path | None:
    """The file of the setting; else one beside the embedded Postgres; without either there is none."""
    if settings.audit_head:
        return Path(settings.audit_head).expanduser()
    folder = settings.data_dir
    return folder / f"audit-head-{settings.schema}.json" if not settings.dsn and folder.is_dir() else None


def keep(path: Path, head: Head, now: datetime) -> None:
    """Write the head."""
    line = json.encode({"position": head.position, "hash": head.hash.hex(), "time": now.isoformat()})
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(line + b"\n")
    beside.replace(path)


def kept(path: Path) -> Head | None:
    """The head that was kept last; None where there is none. Raises ValueError where the file is not one of ours."""
    if not path.exists():
        return None
    found = json.decode_object(path.read_bytes())
    return Head(int(found["position"]), bytes.fromhex(str(found["hash"])))
