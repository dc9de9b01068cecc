"""Small releases of code systems, written as their publishers write them: real codes, words of our own."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

LOINC_COLUMNS = [
    "LOINC_NUM",
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "VersionLastChanged",
    "CHNG_TYPE",
    "DefinitionDescription",
    "STATUS",
    "CONSUMER_NAME",
    "CLASSTYPE",
    "RELATEDNAMES2",
    "SHORTNAME",
    "ORDER_OBS",
    "EXTERNAL_COPYRIGHT_NOTICE",
    "LONG_COMMON_NAME",
]
LOINC_ROWS = (
    ("2345-7", "Glucose", "MCnc", "Pt", "Ser/Plas", "Qn", "", "CHEM", "2.73", "MIN", "Sugar, measured in\nblood without its cells", "ACTIVE", "", "1", "Sugar; Dextrose", "Gluc SerPl", "Both", "", "Sugar in serum or plasma"),
    ("4548-4", "Hemoglobin A1c", "MFr", "Pt", "Bld", "Qn", "", "HEM/BC", "2.78", "MIN", "", "ACTIVE", "", "1", "HbA1c", "A1c Bld", "Both", "", "A1c share of hemoglobin in blood"),
    ("10331-7", "Rh", "Type", "Pt", "Bld", "Nom", "", "BLDBK", "2.40", "MIN", "", "DEPRECATED", "", "1", "", "Rh Bld", "Both", "", "Rh type of \"blood\""),
    ("44261-6", "PHQ-9 total", "Score", "Pt", "^Patient", "Qn", "", "SURVEY.PHQ", "2.61", "MIN", "", "ACTIVE", "", "4", "", "PHQ-9 sum", "Observation", "Copyright of others", "Sum of the nine mood questions"),
)  # fmt: skip
SNOMED_DATE = "20260101"
CLINICAL_FINDING, DISEASE, DIABETES, TYPE_2, OLD = (
    "404684003",
    "64572001",
    "73211009",
    "44054006",
    "190330002",
)
ROOT, SITE, PANCREAS, REFSET = "138875005", "363698007", "15776009", "723264001"
_CORE = "900000000000207008"


def loinc(folder: Path, rows: Iterable[Sequence[str]] = LOINC_ROWS, name: str = "Loinc_2.78") -> Path:
    """LoincTable with its accessory files."""
    root = folder / name
    _csv(root / "LoincTable" / "Loinc.csv", LOINC_COLUMNS, rows)
    extra = root / "AccessoryFiles"
    _csv(
        extra / "ComponentHierarchyBySystem" / "ComponentHierarchyBySystem.csv",
        ("PATH_TO_ROOT", "SEQUENCE", "IMMEDIATE_PARENT", "CODE", "CODE_TEXT"),
        [
            ("", "1", "", "LP29693-6", "Laboratory"),
            ("LP29693-6", "1", "LP29693-6", "LP14635-4", "Sugars"),
            ("LP29693-6.LP14635-4", "1", "LP14635-4", "2345-7", "Sugar in serum"),
        ],
    )
    _csv(
        extra / "AnswerFile" / "AnswerList.csv",
        ("AnswerListId", "AnswerListName", "AnswerStringId", "SequenceNumber", "DisplayText"),
        [
            ("LL715-4", "Platelets", "LA11165-0", "1", "Uneven platelets"),
            ("LL715-4", "Platelets", "LA11168-4", "2", "Platelets in clumps"),
            ("LL1-9", "Other", "LA4489-6", "1", "Not known"),
        ],
    )
    _csv(
        extra / "LinguisticVariants" / "frFR18LinguisticVariant.csv",
        ("LOINC_NUM", "LONG_COMMON_NAME", "SHORTNAME"),
        [("2345-7", "Sucre dans le sérum", "")],
    )
    return root


def snomed(folder: Path, date: str = SNOMED_DATE, module: str = "INT", more: Sequence[str] = ()) -> Path:
    """Snapshot files of six concepts; `more` are further lines of descriptions, as they are."""
    root = folder / f"SnomedCT_{module}_{date}"
    core = [date, "1", _CORE]
    concepts = [
        *((code, *core, "900000000000074008") for code in (ROOT, CLINICAL_FINDING, DISEASE, SITE, PANCREAS)),
        (DIABETES, *core, "900000000000073002"),
        (TYPE_2, *core, "900000000000073002"),
        (OLD, date, "0", _CORE, "900000000000074008"),
    ]
    texts = {
        ROOT: "All of it",
        CLINICAL_FINDING: "Finding",
        DISEASE: "Illness",
        SITE: "Where it is",
        PANCREAS: "Sweetbread gland",
        DIABETES: "Sugar illness",
        TYPE_2: "Sugar illness of the second kind",
        OLD: "Sugar illness by an old name",
    }
    synonyms = {DIABETES: "DM", TYPE_2: "Late sugar illness"}
    names = [
        *(
            _description(f"{i}01", code, "900000000000003001", f"{text} (x)", date)
            for i, (code, text) in _numbered(texts.items())
        ),
        *(
            _description(f"{i}02", code, "900000000000013009", text, date)
            for i, (code, text) in _numbered(texts.items())
        ),
        *(
            _description(f"{i}03", code, "900000000000013009", text, date)
            for i, (code, text) in _numbered(synonyms.items())
        ),
    ]
    liked = [f"{i}02" for i, _ in _numbered(texts)]
    is_a = [(CLINICAL_FINDING, ROOT), (DISEASE, CLINICAL_FINDING), (DIABETES, DISEASE), (TYPE_2, DIABETES)]
    relations = [
        *(_relation(i, child, "116680003", parent, date) for i, (child, parent) in _numbered(is_a)),
        _relation(99, DIABETES, SITE, PANCREAS, date),
        [
            *_relation(98, OLD, "116680003", DIABETES, date)[:2],
            "0",
            *_relation(98, OLD, "116680003", DIABETES, date)[3:],
        ],
    ]
    _tabs(
        root,
        f"sct2_Concept_Snapshot_{module}_{date}.txt",
        "id effectiveTime active moduleId definitionStatusId",
        concepts,
    )
    _tabs(
        root,
        f"sct2_Description_Snapshot-en_{module}_{date}.txt",
        "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId",
        names,
        more,
    )
    _tabs(
        root,
        f"sct2_Relationship_Snapshot_{module}_{date}.txt",
        "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId characteristicTypeId modifierId",
        relations,
    )
    _tabs(
        root,
        f"der2_cRefset_LanguageSnapshot-en_{module}_{date}.txt",
        "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId",
        [("u", *core, "900000000000509007", number, "900000000000548007") for number in liked],
    )
    _tabs(
        root,
        f"der2_Refset_SimpleSnapshot_{module}_{date}.txt",
        "id effectiveTime active moduleId refsetId referencedComponentId",
        [("u", *core, REFSET, TYPE_2), ("u", date, "0", _CORE, REFSET, DIABETES)],
    )
    return root


def rxnorm(folder: Path, name: str = "RxNorm_full_01052026") -> Path:
    """RXNCONSO, RXNREL, RXNSAT and RXNSTY, with the subset beside them."""
    root = folder / name / "rrf"
    atoms = [
        _atom("6809", "RXNORM", "IN", "a sugar pill's substance"),
        _atom("6809", "RXNORM", "SY", "the sugar substance"),
        _atom("6809", "MTHSPL", "SU", "SUBSTANCE"),
        _atom("860975", "RXNORM", "SCD", "the sugar pill, 500 mg"),
        _atom("4821", "RXNORM", "IN", "an old substance", "O"),
        _atom("999", "ATC", "IN", "somebody else's"),
    ]
    _bars(root / "RXNCONSO.RRF", atoms)
    _bars(
        root / "RXNREL.RRF",
        [["860975", "", "CUI", "RO", "6809", "", "CUI", "ingredient_of", "1", "", "RXNORM", *[""] * 5]],
    )
    _bars(
        root / "RXNSAT.RRF",
        [["860975", "", "", "", "", "", "", "", "RXN_STRENGTH", "RXNORM", "500 MG", "N", ""]],
    )
    _bars(root / "RXNSTY.RRF", [["860975", "T200", "A1.4", "Clinical Drug", "AT1", ""]])
    _bars(
        folder / name / "prescribe" / "rrf" / "RXNCONSO.RRF",
        [_atom("1", "RXNORM", "IN", "only in the subset")],
    )
    return folder / name


def zipped(root: Path) -> Path:
    """The release as one archive beside it, named like it."""
    path = root.parent / f"{root.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent))
    return path


def _numbered(rows: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    return enumerate(rows, 1000)


def _description(number: str, code: str, kind: str, text: str, date: str) -> Sequence[str]:
    return (number, date, "1", _CORE, code, "en", kind, text, "900000000000448009")


def _relation(number: int, source: str, kind: str, target: str, date: str) -> list[str]:
    return [
        f"{number}",
        date,
        "1",
        _CORE,
        source,
        target,
        "0",
        kind,
        "900000000000011006",
        "900000000000451002",
    ]


def _atom(code: str, source: str, kind: str, text: str, suppressed: str = "N") -> Sequence[str]:
    return [code, "ENG", *[""] * 9, source, kind, code, text, "", suppressed, ""]


def _csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        writer.writerows(rows)


def _tabs(
    root: Path, name: str, columns: str, rows: Iterable[Sequence[str]], more: Sequence[str] = ()
) -> None:
    path = root / "Snapshot" / "Terminology" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns.split()), *("\t".join(row) for row in rows), *more]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")


def _bars(path: Path, rows: Iterable[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("|".join(row) + "|\n" for row in rows), encoding="utf-8")
