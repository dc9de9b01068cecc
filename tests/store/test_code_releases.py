"""Releases of LOINC, SNOMED CT and RxNorm: loaded whole or not at all, and what is broken in them is named."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fhir_server.app import create_app
from fhir_server.ingest import Ingested
from fhir_server.interactions.context import Context, Service
from fhir_server.r4.validate import validate
from fhir_server.releases import load_releases
from mappings.files import read
from mappings.releases.files import releases
from mappings.releases.lines import MOST_TOLD
from terminology.coding import LOINC, RXNORM, SNOMED
from tests import releases as made
from tests.releases import CLINICAL_FINDING, DIABETES, DISEASE, OLD, REFSET, TYPE_2

EDITION = f"{SNOMED}/900000000000207008"
Asked = dict[str, str]


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        yield client


def loaded(context: Context, *paths: Path, replace: bool = False) -> list[Ingested]:
    return list(load_releases(context, releases(paths), replace=replace))


def said(found: Ingested) -> list[str]:
    return [issue["diagnostics"] for issue in found.issues]


def lookup(client: TestClient, system: str, code: str, **more: str) -> dict[str, Any]:
    """The parts of the answer by name, properties by their code; what it means where it is refused."""
    answer = client.get("/fhir/CodeSystem/$lookup", params={"system": system, "code": code, **more}).json()
    if answer["resourceType"] != "Parameters":
        return {"refused": answer["issue"][0]["diagnostics"]}
    found: dict[str, Any] = {"property": {}, "designation": []}
    for part in answer["parameter"]:
        inner = {
            p["name"]: next(v for k, v in p.items() if k.startswith("value")) for p in part.get("part", ())
        }
        if part["name"] == "property":
            found["property"].setdefault(inner["code"], []).append(inner["value"])
        elif part["name"] == "designation":
            found["designation"].append((inner.get("language"), inner["value"]))
        else:
            found[part["name"]] = part["valueString"]
    return found


def codes(client: TestClient, url: str, **more: str) -> list[str]:
    answer = client.get("/fhir/ValueSet/$expand", params={"url": url, **more}).json()
    assert answer["resourceType"] == "ValueSet", answer
    return list(_all(answer["expansion"]))


def _all(holder: dict[str, Any]) -> Iterator[str]:
    """The codes of an expansion, those below others too."""
    for row in holder.get("contains", ()):
        yield row["code"]
        yield from _all(row)


def filtered(client: TestClient, system: str, *rows: tuple[str, str, str]) -> list[str]:
    """The codes of a value set with these filters."""
    named = [{"property": name, "op": op, "value": value} for name, op, value in rows]
    include = [{"system": system, "filter": named}]
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "valueSet",
                "resource": {"resourceType": "ValueSet", "status": "active", "compose": {"include": include}},
            }
        ],
    }
    answer = client.post("/fhir/ValueSet/$expand", json=body).json()
    assert answer["resourceType"] == "ValueSet", answer
    return list(_all(answer["expansion"]))


def test_loinc_answers_with_its_own_words_properties_and_languages(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    (found,) = loaded(context, made.loinc(tmp_path))
    assert (found.status, said(found)) == ("loaded", ["LOINC 2.78: 9 concepts."])
    sugar = lookup(client, LOINC, "2345-7")
    assert (sugar["name"], sugar["version"], sugar["display"]) == (
        "LOINC",
        "2.78",
        "Sugar in serum or plasma",
    )
    assert sugar["property"]["definition"] == ["Sugar, measured in\nblood without its cells"]
    assert sugar["property"]["COMPONENT"] == ["Glucose"]
    assert sugar["property"]["parent"] == ["LP14635-4"]
    assert ("fr-FR", "Sucre dans le sérum") in sugar["designation"]
    assert lookup(client, LOINC, "2345-7", displayLanguage="fr")["display"] == "Sucre dans le sérum"
    assert lookup(client, LOINC, "10331-7")["property"]["inactive"] == [True]
    assert lookup(client, LOINC, "lp14635-4")["display"] == "Sugars"
    assert "has no code 1-8" in lookup(client, LOINC, "1-8")["refused"]


def test_the_filters_that_r4_names_for_loinc_are_carried_out(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.loinc(tmp_path))
    assert filtered(client, LOINC, ("ancestor", "=", "LP29693-6")) == ["LP14635-4", "2345-7"]
    assert filtered(client, LOINC, ("parent", "=", "LP14635-4")) == ["2345-7"]
    assert filtered(client, LOINC, ("SCALE_TYP", "=", "qn"), ("CLASS", "regex", "chem|hem.*")) == [
        "2345-7",
        "4548-4",
    ]
    assert filtered(client, LOINC, ("copyright", "=", "3rdParty")) == ["44261-6"]
    assert filtered(client, LOINC, ("SHORTNAME", "exists", "false"), ("STATUS", "=", "DEPRECATED")) == [
        "10331-7"
    ]
    assert codes(client, "http://loinc.org/vs/LL715-4") == ["LA11165-0", "LA11168-4"]
    assert codes(client, "http://loinc.org/vs/LP14635-4") == ["2345-7"]
    assert len(codes(client, "http://loinc.org/vs")) == 9
    assert codes(client, "http://loinc.org/vs", filter="dextr") == ["2345-7"]
    assert codes(client, "http://loinc.org/vs", filter="a1c blood") == ["4548-4"]


def test_snomed_ct_answers_with_preferred_terms_and_its_hierarchy(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    (found,) = loaded(context, made.snomed(tmp_path))
    assert said(found) == [f"SNOMED CT {EDITION}/version/20260101: 8 concepts."]
    diabetes = lookup(client, SNOMED, DIABETES)
    assert diabetes["display"] == "Sugar illness"
    assert diabetes["version"] == f"{EDITION}/version/20260101"
    assert {value for _, value in diabetes["designation"]} == {"Sugar illness", "Sugar illness (x)", "DM"}
    assert diabetes["property"]["parent"] == [DISEASE]
    assert diabetes["property"]["child"] == [TYPE_2]
    assert diabetes["property"][made.SITE] == [made.PANCREAS]
    assert diabetes["property"]["sufficientlyDefined"] == [True]
    assert lookup(client, SNOMED, OLD)["property"]["inactive"] == [True]
    subsumed = client.get(
        "/fhir/CodeSystem/$subsumes", params={"system": SNOMED, "codeA": CLINICAL_FINDING, "codeB": TYPE_2}
    ).json()
    assert subsumed["parameter"][0]["valueCode"] == "subsumes"


def test_the_filters_and_value_sets_that_r4_names_for_snomed_ct_are_carried_out(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.snomed(tmp_path))
    below = {DISEASE, DIABETES, TYPE_2}
    assert set(filtered(client, SNOMED, ("concept", "is-a", DISEASE))) == below
    assert set(filtered(client, SNOMED, ("concept", "descendent-of", DISEASE))) == below - {DISEASE}
    assert filtered(client, SNOMED, ("concept", "is-a", DISEASE), ("concept", "is-not-a", DIABETES)) == [
        DISEASE
    ]
    assert set(filtered(client, SNOMED, ("concept", "generalizes", DISEASE))) == {
        made.ROOT,
        CLINICAL_FINDING,
        DISEASE,
    }
    assert filtered(client, SNOMED, ("concept", "in", REFSET)) == [TYPE_2]
    assert filtered(client, SNOMED, (made.SITE, "=", made.PANCREAS)) == [DIABETES]
    assert filtered(client, SNOMED, ("constraint", "=", f"<! {DISEASE} |Illness|")) == [DIABETES]
    assert filtered(client, SNOMED, ("inactive", "=", "true")) == [OLD]
    assert set(codes(client, f"{SNOMED}?fhir_vs=isa/{DISEASE}")) == below
    assert codes(client, f"{EDITION}?fhir_vs=refset/{REFSET}") == [TYPE_2]
    assert codes(client, f"{SNOMED}?fhir_vs=ecl/%3C{DIABETES}") == [TYPE_2]
    assert len(codes(client, f"{SNOMED}?fhir_vs")) == 8
    assert len(codes(client, f"{SNOMED}?fhir_vs", activeOnly="true")) == 7
    member = client.get(
        "/fhir/ValueSet/$validate-code",
        params={"url": f"{SNOMED}?fhir_vs=isa/{DISEASE}", "system": SNOMED, "code": TYPE_2},
    ).json()
    assert member["parameter"][0]["valueBoolean"] is True
    refused = client.get("/fhir/ValueSet/$expand", params={"url": f"{SNOMED}?fhir_vs=ecl/<1 OR <2"}).json()
    assert refused["issue"][0]["code"] == "not-supported"


def test_a_search_finds_what_lies_below_a_loaded_code(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.snomed(tmp_path))
    for code in (TYPE_2, made.PANCREAS):
        body = {
            "resourceType": "Condition",
            "subject": {"display": "somebody"},
            "code": {"coding": [{"system": SNOMED, "code": code}]},
        }
        assert client.post("/fhir/Condition", json=body).status_code == 201
    found = client.get("/fhir/Condition", params={"code:below": f"{SNOMED}|{DISEASE}"}).json()
    assert [entry["resource"]["code"]["coding"][0]["code"] for entry in found["entry"]] == [TYPE_2]


def test_rxnorm_answers_with_its_own_names_and_relations(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    (found,) = loaded(context, made.rxnorm(tmp_path))
    assert said(found) == ["RxNorm 01052026: 3 concepts."]
    pill = lookup(client, RXNORM, "860975")
    assert (pill["display"], pill["version"]) == ("the sugar pill, 500 mg", "01052026")
    assert pill["property"]["TTY"] == ["SCD"]
    assert pill["property"]["RXN_STRENGTH"] == ["500 MG"]
    assert ("en", "the sugar substance") in lookup(client, RXNORM, "6809")["designation"]
    assert lookup(client, RXNORM, "4821")["property"]["inactive"] == [True]
    assert "refused" in lookup(client, RXNORM, "999")
    assert filtered(client, RXNORM, ("TTY", "in", "SCD,SBD")) == ["860975"]
    assert filtered(client, RXNORM, ("STY", "=", "T200")) == ["860975"]
    assert filtered(client, RXNORM, ("SAB", "=", "MTHSPL")) == ["6809"]
    assert filtered(client, RXNORM, ("ingredient_of", "=", "CUI:6809")) == ["860975"]
    assert len(codes(client, f"{RXNORM}/vs")) == 3


@pytest.mark.parametrize("write", [made.loinc, made.snomed, made.rxnorm])
def test_a_publishers_archive_is_read_as_it_is(context: Context, tmp_path: Path, write: Any) -> None:
    folder = write(tmp_path / "folder")
    (plain,) = loaded(context, folder)
    (again,) = loaded(context, made.zipped(folder))
    assert (plain.status, again.status) == ("loaded", "unchanged")


def test_versions_stand_side_by_side_and_the_latest_is_meant(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.loinc(tmp_path, name="Loinc_2.10"))
    loaded(context, made.loinc(tmp_path, made.LOINC_ROWS[:1], name="Loinc_2.9"))
    assert lookup(client, LOINC, "4548-4")["version"] == "2.10"
    assert "refused" in lookup(client, LOINC, "4548-4", version="2.9")
    assert (
        "Version 3.0 of http://loinc.org is not here"
        in lookup(client, LOINC, "4548-4", version="3.0")["refused"]
    )
    loaded(context, made.loinc(tmp_path, name="Loinc_2.11"), replace=True)
    assert "refused" in lookup(client, LOINC, "4548-4", version="2.10")


def test_an_edition_of_snomed_ct_is_told_from_another(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    old, new = made.snomed(tmp_path, "20250101"), made.snomed(tmp_path, "20260101")
    loaded(context, new, old)
    assert lookup(client, SNOMED, DIABETES, version=EDITION)["version"] == f"{EDITION}/version/20260101"
    assert (
        lookup(client, SNOMED, DIABETES, version=f"{EDITION}/version/20250101")["display"] == "Sugar illness"
    )
    assert "refused" in lookup(client, SNOMED, DIABETES, version=f"{SNOMED}/731000124108")


def test_broken_lines_are_named_with_their_numbers_and_the_rest_is_loaded(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    wrong = [
        "no tabs in it",
        "100999\t20260101\tyes\t900000000000207008\t73211009\ten\t900000000000013009\tnot active\t900000000000448009",
        "1\t20260101\t1\t900000000000207008\tx\ten\t900000000000013009\tno concept\t900000000000448009",
    ]
    (found,) = loaded(context, made.snomed(tmp_path, more=wrong))
    file = "sct2_Description_Snapshot-en_INT_20260101.txt"
    assert said(found)[1:] == [
        f"Left out: {file} line 20: 1 columns instead of 9.",
        f"Left out: {file} line 21: active is not as RF2 has it.",
        f"Left out: {file} line 22: conceptId is not as RF2 has it.",
    ]
    assert lookup(client, SNOMED, DIABETES)["display"] == "Sugar illness"


def test_of_many_broken_lines_the_first_are_named_and_the_others_counted(
    context: Context, tmp_path: Path
) -> None:
    (found,) = loaded(context, made.snomed(tmp_path, more=["broken"] * (MOST_TOLD + 7)))
    assert len(said(found)) == MOST_TOLD + 2
    assert said(found)[-1].endswith("7 more lines like these.")


def test_bytes_that_are_no_text_and_lines_without_an_end_cost_only_themselves(
    context: Context, tmp_path: Path
) -> None:
    root = made.snomed(tmp_path)
    (file,) = root.rglob("sct2_Concept_*")
    good = file.read_bytes()
    file.write_bytes(good + b"\xff\xfe broken\r\n" + b"x" * (3 << 20) + b"\r\n" + b"a\0b\r\n")
    (found,) = loaded(context, root)
    assert [text.partition(": ")[2] for text in said(found)[1:]] == [
        f"{file.name} line 10: not UTF-8.",
        f"{file.name} line 11: more than 1048576 bytes.",
        f"{file.name} line 12: a NUL character.",
    ]


def test_a_broken_quote_of_csv_costs_its_own_row(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    root = made.loinc(tmp_path)
    file = root / "LoincTable" / "Loinc.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([lines[0], '"1-8","never closed\n', *lines[1:]]))
    (found,) = loaded(context, root)
    assert said(found) == ["LOINC 2.78: 9 concepts.", "Left out: Loinc.csv line 2: 1 columns instead of 19."]
    assert lookup(client, LOINC, "4548-4")["display"] == "A1c share of hemoglobin in blood"


def test_a_release_that_lacks_a_part_is_refused_and_the_one_before_it_stays(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.snomed(tmp_path, "20250101"))
    new = made.snomed(tmp_path, "20260101")
    (descriptions,) = new.rglob("sct2_Description_*")
    whole = descriptions.read_text()
    descriptions.write_text("id\tnothing\n")
    (broken,) = loaded(context, new)
    assert broken.status == "failed"
    assert "has no column conceptId" in said(broken)[0]
    descriptions.unlink()
    (lacking,) = loaded(context, new)
    assert (lacking.status, "needs its descriptions" in said(lacking)[0]) == ("failed", True)
    assert lookup(client, SNOMED, DIABETES)["version"].endswith("20250101")
    descriptions.write_text(whole)
    assert loaded(context, new)[0].status == "loaded"
    assert lookup(client, SNOMED, DIABETES)["version"].endswith("20260101")


def test_an_archive_that_ends_too_early_leaves_nothing_behind(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    archive = made.zipped(made.loinc(tmp_path))
    body = archive.read_bytes()
    at = body.index(b"LOINC_NUM") if b"LOINC_NUM" in body else 200
    archive.write_bytes(body[:at] + bytes(64) + body[at + 64 :])
    (found,) = loaded(context, archive)
    assert found.status == "failed"
    assert lookup(client, LOINC, "2345-7").get("version") is None


def test_releases_in_one_folder_are_told_apart(context: Context, client: TestClient, tmp_path: Path) -> None:
    made.loinc(tmp_path, name="Loinc_2.77")
    made.loinc(tmp_path, made.LOINC_ROWS[:1], name="Loinc_2.78")
    made.zipped(made.loinc(tmp_path / "other", name="Loinc_2.76"))
    made.snomed(tmp_path)
    made.rxnorm(tmp_path)
    told = [said(found)[0].rpartition(":")[0] for found in loaded(context, tmp_path)]
    assert sorted(told) == [
        "LOINC 2.76",
        "LOINC 2.76",
        "LOINC 2.77",
        "LOINC 2.78",
        "RxNorm 01052026",
        f"SNOMED CT {EDITION}/version/20260101",
    ]
    assert "refused" in lookup(client, LOINC, "4548-4")
    assert lookup(client, LOINC, "4548-4", version="2.77")["version"] == "2.77"


def test_an_archive_of_resources_is_no_release_for_a_file_of_a_common_name(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Part.csv", "a,b")
        archive.writestr("patient.json", '{"resourceType": "Patient"}')
    assert releases([path]) == []
    assert [source.name.rpartition("/")[2] for source in read([path])] == ["Part.csv", "patient.json"]


def test_a_deprecated_code_stays_inactive_wherever_else_it_stands(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    root = made.loinc(tmp_path)
    (file,) = root.rglob("ComponentHierarchyBySystem.csv")
    file.write_text(file.read_text() + '"","1","LP14635-4","10331-7","Rh"\n')
    loaded(context, root)
    assert lookup(client, LOINC, "10331-7")["property"]["inactive"] == [True]


def test_a_pattern_that_postgres_does_not_take_is_refused_and_no_error(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.snomed(tmp_path))
    include = [{"system": SNOMED, "filter": [{"property": "display", "op": "regex", "value": "a{300}"}]}]
    body = {
        "resourceType": "ValueSet",
        "status": "active",
        "url": "http://example.org/many",
        "compose": {"include": include},
    }
    assert client.put("/fhir/ValueSet/many", json=body | {"id": "many"}).status_code == 201
    answer = client.get("/fhir/ValueSet/$expand", params={"url": "http://example.org/many"})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "invalid")


def test_words_and_codes_of_any_length_are_answered(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    long = "sugar" * 600
    loaded(context, made.loinc(tmp_path, [(*made.LOINC_ROWS[0][:-1], long)]))
    assert codes(client, "http://loinc.org/vs", filter=long) == ["2345-7"]
    assert codes(client, "http://loinc.org/vs", filter=long[:-1] + "x") == []
    assert "has no code" in lookup(client, LOINC, "x" * 4000)["refused"]


def test_what_no_table_takes_fails_the_release_and_leaves_nothing(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    noise = "".join(sha256(str(n).encode()).hexdigest() for n in range(200))
    (found,) = loaded(context, made.loinc(tmp_path, [(noise, *made.LOINC_ROWS[0][1:])]))
    assert found.status == "failed"
    assert "The database does not take it" in said(found)[0]
    assert lookup(client, LOINC, "LP14635-4").get("version") is None


def test_files_of_a_release_are_no_sources_of_resources(tmp_path: Path) -> None:
    made.rxnorm(tmp_path)
    made.loinc(tmp_path)
    assert list(read([tmp_path])) == []


def test_the_terminology_capabilities_name_loaded_versions_and_are_valid_r4(
    context: Context, client: TestClient, tmp_path: Path
) -> None:
    loaded(context, made.loinc(tmp_path, name="Loinc_2.9"), made.loinc(tmp_path, name="Loinc_2.10"))
    answer = client.get("/fhir/metadata", params={"mode": "terminology"}).json()
    assert [issue for issue in validate(answer) if issue.severity == "error"] == []
    (loinc,) = (system for system in answer["codeSystem"] if system["uri"] == LOINC)
    assert loinc["version"] == [{"code": "2.10", "isDefault": True}, {"code": "2.9", "isDefault": False}]
