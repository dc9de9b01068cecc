"""What the first bytes of a file are: FHIR JSON, NDJSON or XML, a C-CDA document, or an HL7 v2 message.

The content decides, not the name, but for what a name marks as no data.
https://hl7.org/fhir/R4/formats.html  http://hl7.org/fhir/R4/nd-json.html
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mappings.source import Kind

HEAD = 65_536

_BOM = b"\xef\xbb\xbf"
_NO_DATA_NAMES = frozenset({"license", "licence", "notice", "readme", "makefile", "changelog"})
_NO_DATA = frozenset({".md", ".out", ".rst", ".log", ".py", ".sh", ".sql"})
_MEDIA = frozenset({".txt", ".csv", ".tsv", ".html", ".htm", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".svg"})
_SCHEMA = frozenset({".xsd", ".xsl", ".xslt", ".sch", ".css", ".js"})
_PACKED = frozenset({".gz", ".xz", ".bz2"})
_LINE_ENDS_IN_OBJECT = re.compile(rb"\s*\{[^\n]*\}\s*\n\s*\{")
_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.DOTALL)
_ROOT = re.compile(r"<(?:([\w.-]+):)?([\w.-]+)([^>]*)>")
_MESSAGE = re.compile(rb"[\x0b\s]*(?:MSH|FHS|BHS)[^\w\s]")


def skipped(name: str) -> str:
    """Why a file of this name is no data, or nothing where its content must decide."""
    path = PurePosixPath(name)
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return "hidden"
    if _suffix(name) in _NO_DATA or path.stem.lower() in _NO_DATA_NAMES:
        return "not data, by its name"
    return ""


def recognise(name: str, head: bytes) -> tuple[Kind, str]:
    """The kind of a file that begins with `head`; for UNKNOWN and SKIPPED with the reason."""
    kind, reason = _by_content(head.removeprefix(_BOM), _suffix(name))
    if kind is Kind.UNKNOWN and _suffix(name) in _MEDIA | _SCHEMA:
        return Kind.SKIPPED, "not data, by its name"
    return kind, reason


def body_of(kind: Kind, content: bytes) -> bytes:
    """The content without a byte order mark; XML keeps it, for its parser reads the encoding from it."""
    return content if kind in (Kind.XML, Kind.CCDA) else content.removeprefix(_BOM)


def _by_content(head: bytes, suffix: str) -> tuple[Kind, str]:
    text = head.lstrip()
    if not text:
        return Kind.UNKNOWN, "empty"
    if text.startswith(b"{"):
        return _json(text, suffix)
    if _MESSAGE.match(head):
        return Kind.HL7V2, ""
    if text.startswith(b"<") or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _xml(head)
    if text.startswith(b"["):
        return Kind.UNKNOWN, "a JSON array; expected one resource, or one resource a line"
    return Kind.UNKNOWN, "neither FHIR JSON or XML, nor C-CDA, nor HL7 v2"


def _json(text: bytes, suffix: str) -> tuple[Kind, str]:
    if suffix in (".ndjson", ".jsonl") or _LINE_ENDS_IN_OBJECT.match(text):
        return Kind.NDJSON, ""
    return Kind.JSON, ""


def _xml(head: bytes) -> tuple[Kind, str]:
    text = _decoded(head)
    at = 0
    while found := _PROLOG.match(text, at):
        at = found.end()
    root = _ROOT.match(text, at)
    if root is None:
        return Kind.UNKNOWN, "XML without a root element near its beginning"
    space = _namespace(root[1], root[3])
    if root[2] == "ClinicalDocument" and space in ("urn:hl7-org:v3", ""):
        return Kind.CCDA, ""
    if space == "http://hl7.org/fhir":
        return Kind.XML, ""
    return Kind.UNKNOWN, "XML that is neither FHIR nor a ClinicalDocument"


def _namespace(prefix: str | None, attributes: str) -> str:
    name = f"xmlns:{prefix}" if prefix else "xmlns"
    found = re.search(rf"""(?:^|\s){re.escape(name)}\s*=\s*["']([^"']*)["']""", attributes)
    return found[1] if found else ""


def _decoded(head: bytes) -> str:
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return head.decode(encoding, errors="replace")


def _suffix(name: str) -> str:
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in _PACKED else path.suffix
