"""Files, folders and archives become Sources, whatever lies between them (mappings.files)."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from mappings.archive import Limits
from mappings.files import lines, read
from mappings.source import Kind, Source

PATIENT = b'{"resourceType":"Patient","id":"p"}'
FHIR_XML = (
    b'<?xml version="1.0"?>\n<!-- c -->\n<Patient xmlns="http://hl7.org/fhir"><id value="p"/></Patient>'
)
CCDA = b'<?xml version="1.0"?><?xml-stylesheet href="CDA.xsl"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
PREFIXED = b'<cda:ClinicalDocument xmlns:cda="urn:hl7-org:v3"/>'
MESSAGE = b"MSH|^~\\&|LAB|X|||20250101||ORU^R01|1|P|2.5\rPID|1\r"


def tar(mode: str, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return out.getvalue()


def seen(folder: Path, limits: Limits | None = None) -> list[tuple[str, Kind]]:
    return [(s.name.removeprefix(f"{folder}/"), s.kind) for s in read([folder], limits)]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", PATIENT, Kind.JSON),
        ("a.json", b"\xef\xbb\xbf  " + PATIENT, Kind.JSON),
        ("a.json", b'{\n  "resourceType": "Patient"\n}\n', Kind.JSON),
        ("a", PATIENT, Kind.JSON),
        ("a.ndjson", PATIENT, Kind.NDJSON),
        ("a.json", PATIENT + b"\n" + PATIENT, Kind.NDJSON),
        ("a.xml", FHIR_XML, Kind.XML),
        ("a.xml", FHIR_XML.decode().encode("utf-16"), Kind.XML),
        ("a.xml", CCDA, Kind.CCDA),
        ("a.ccda", PREFIXED, Kind.CCDA),
        ("a.xml", b"<html/>", Kind.UNKNOWN),
        ("a.xml", b"<", Kind.UNKNOWN),
        ("a.hl7", MESSAGE, Kind.HL7V2),
        ("a.txt", b"\x0b" + MESSAGE, Kind.HL7V2),
        ("a.hl7", b"BHS|^~\\&|\r" + MESSAGE, Kind.HL7V2),
        ("a.json", b"[1]", Kind.UNKNOWN),
        ("a.json", b"", Kind.UNKNOWN),
        ("a.bin", bytes(range(256)), Kind.UNKNOWN),
        ("a.txt", b"words", Kind.SKIPPED),
        ("a.json.out", PATIENT, Kind.SKIPPED),
        ("README.md", b"words", Kind.SKIPPED),
        ("LICENSE", b"words", Kind.SKIPPED),
        (".hidden.json", PATIENT, Kind.SKIPPED),
        ("a.json.gz", gzip.compress(PATIENT), Kind.JSON),
        ("a.ndjson.gz", gzip.compress(PATIENT), Kind.NDJSON),
        ("a.json.gz", gzip.compress(PATIENT)[:20], Kind.UNKNOWN),
    ],
)
def test_content_decides_what_a_file_is(tmp_path: Path, name: str, content: bytes, kind: Kind) -> None:
    (tmp_path / name).write_bytes(content)
    (source,) = read([tmp_path])
    assert source.kind is kind
    assert bool(source.reason) == (kind in (Kind.UNKNOWN, Kind.SKIPPED))
    assert not source.body.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("a.zip", zipped),
        ("a.tar", lambda members: tar("w", members)),
        ("a.tar.gz", lambda members: tar("w:gz", members)),
        ("a.tar.xz", lambda members: tar("w:xz", members)),
        ("a.tar.bz2", lambda members: tar("w:bz2", members)),
    ],
)
def test_an_archive_gives_its_members_as_they_stand(tmp_path: Path, name: str, archive: object) -> None:
    assert callable(archive)
    members = {
        "z/p.json": PATIENT,
        "z/q.json.gz": gzip.compress(PATIENT),
        "a.xml": CCDA,
        "README.md": b"",
        "in.zip": b"PK\3\4",
    }
    (tmp_path / name).write_bytes(archive(members))
    assert seen(tmp_path) == [
        (f"{name}/z/p.json", Kind.JSON),
        (f"{name}/z/q.json.gz", Kind.JSON),
        (f"{name}/a.xml", Kind.CCDA),
        (f"{name}/README.md", Kind.SKIPPED),
        (f"{name}/in.zip", Kind.UNKNOWN),
    ]
    assert [s.body for s in read([tmp_path])][:2] == [PATIENT, PATIENT]


def test_folders_come_in_the_order_of_their_names_and_each_file_once(tmp_path: Path) -> None:
    for name in ("b/2.json", "b/1.json", "a.json", ".git/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PATIENT)
    names = [s.name for s in read([tmp_path, tmp_path / "a.json"]) if s.kind is Kind.JSON]
    assert names == [str(tmp_path / name) for name in ("a.json", "b/1.json", "b/2.json")]


def test_what_cannot_be_read_does_not_stop_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 broken")
    (tmp_path / "b.tar.xz").write_bytes(tar("w:xz", {"p.json": PATIENT * 999, "q.json": PATIENT * 99})[:-40])
    (tmp_path / "c.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d.json")
    (tmp_path / "e.json").write_bytes(PATIENT)
    found = list(read([tmp_path / "missing.json", tmp_path]))
    assert [s.kind for s in found if s.kind is not Kind.UNKNOWN] == [Kind.JSON]
    assert {Path(s.name).name for s in found if s.kind is Kind.UNKNOWN} == {
        "missing.json",
        "a.zip",
        "b.tar.xz",
        "c.json",
        "d.json",
    }
    assert found[0].reason == "does not exist"


def test_an_archive_that_swells_is_stopped(tmp_path: Path) -> None:
    bomb = PATIENT + b" " * 5_000_000
    (tmp_path / "a.zip").write_bytes(zipped({f"{i}.json": bomb for i in range(4)}))
    (tmp_path / "b.tar.xz").write_bytes(tar("w:xz", {f"{i}.json": bomb for i in range(4)}))
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(bomb))
    found = seen(tmp_path, Limits(file=6_000_000, archive=12_000_000))
    assert [kind for _, kind in found] == [Kind.JSON, Kind.JSON, Kind.UNKNOWN] * 2 + [Kind.JSON]
    few = seen(tmp_path, Limits(file=1_000_000, archive=100_000_000))
    assert {kind for _, kind in few} == {Kind.UNKNOWN}


def test_an_encrypted_archive_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped({"p.json": PATIENT}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    (source,) = read([tmp_path])
    assert source.kind is Kind.UNKNOWN
    assert "encrypted" in source.reason


def parts(tmp_path: Path, content: bytes, limits: Limits) -> list[Source]:
    (tmp_path / "a.ndjson").write_bytes(content)
    return list(read([tmp_path], limits))


def test_ndjson_comes_in_parts_of_whole_lines(tmp_path: Path) -> None:
    resources = [b'{"resourceType":"Basic","id":"%d","x":"%s"}' % (i, b"y" * 100) for i in range(5000)]
    found = parts(tmp_path, b"\n".join(resources) + b"\n\n", Limits(part=100_000))
    assert len(found) > 4
    assert [line for part in found for line in lines(part)] == resources
    last = len(list(lines(found[0])))
    assert found[0].name.endswith(f"a.ndjson#1-{last}")
    assert found[1].name.split("#")[1].startswith(f"{last + 1}-")


def test_a_line_without_end_is_stopped(tmp_path: Path) -> None:
    found = parts(tmp_path, PATIENT + b"\n" + b'{"a":"' + b"x" * 500_000, Limits(file=200_000, part=70_000))
    assert [s.kind for s in found] == [Kind.NDJSON, Kind.UNKNOWN]
    assert "line 2" in found[1].reason
