"""Plain words for codes: a code has one entry, a patient's question names the entries it means, a range needs an adult."""

from __future__ import annotations

from decimal import Decimal

import pytest

from terminology import lay
from terminology.coding import CVX, LOINC, RXNORM, SNOMED, Coding

HEART_RATE = Coding(LOINC, "8867-4")


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        (LOINC, "4548-4", "Hemoglobin A1c"),
        (LOINC, "85354-9", "Blood pressure"),
        (LOINC, "29463-7", "Body weight"),
        (SNOMED, "44054006", "Type 2 diabetes"),
        (SNOMED, "195662009", "Sore throat from a virus"),
        (SNOMED, "73761001", "Colonoscopy"),
        (SNOMED, "91935009", "Peanuts"),
        (CVX, "140", "Flu vaccine"),
        (RXNORM, "313782", "Acetaminophen"),
    ],
)
def test_a_code_is_told_in_plain_words(system: str, code: str, name: str) -> None:
    entry = lay.describe(system, code)
    assert entry is not None
    assert entry.name_in("en") == name


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Hydrocodone Bitartrate 5 MG / Acetaminophen 325 MG Oral Tablet", {"Hydrocodone", "Acetaminophen"}),
        (
            "budesonide 160 MCG/ACTUAT / formoterol fumarate 4.5 MCG/ACTUAT Inhaler",
            {"Budesonide", "Formoterol"},
        ),
        ("Norgestrel 0.3 MG / Unheard-of 1 MG / Ethinyl Estradiol 0.03 MG Oral Tablet", set()),
        ("Folic Acid 1 MG Oral Tablet", set()),
    ],
)
def test_a_mixture_is_told_by_all_its_ingredients_or_not_at_all(text: str, names: set[str]) -> None:
    assert {entry.name_in("en") for entry in lay.describe_mixture((), text)} == names


@pytest.mark.parametrize(
    "text", ["formoterol 12 MCG Inhaler", "Cholecalciferol 1000 UNT", "folic acid 1 MG Oral Tablet"]
)
def test_an_everyday_medicine_is_told_by_its_words(text: str) -> None:
    entry = lay.describe_any((), text)
    assert entry is not None
    assert entry.kind is lay.Kind.MEDICATION


def test_what_is_measured_is_not_taken_for_a_medicine() -> None:
    assert lay.describe_any((Coding(LOINC, "99999-0", "Testosterone and folic acid in red cells"),)) is None
    assert lay.describe_mixture((Coding(LOINC, "99999-0", "Testosterone and folic acid in red cells"),)) == ()


def test_an_unknown_code_has_no_entry() -> None:
    assert lay.describe(SNOMED, "0") is None
    assert lay.describe(CVX, "44054006") is None


def test_an_entry_speaks_french_also_to_canada_and_english_to_the_rest() -> None:
    entry = lay.describe(CVX, "140")
    assert entry is not None
    assert entry.name_in("fr-CA") == entry.name_in("fr") == "Vaccin contre la grippe"
    assert entry.name_in("de") == entry.name_in("en")


ENGLISH = {
    "when did I have a flu shot?": "immunization/flu-vaccine",
    "did I get my covid booster": "immunization/covid-19-vaccine",
    "is my tetanus shot up to date": "immunization/tdap-vaccine",
    "did I have the pneumonia vaccine": "immunization/pneumococcal-conjugate-vaccine",
    "have I had the shingles shot": "immunization/shingles-vaccine",
    "do I have sugar disease?": "condition/type-2-diabetes",
    "do I have high blood pressure": "condition/high-blood-pressure",
    "was I told I have prediabetes": "condition/prediabetes",
    "what does atrial fibrillation mean": "condition/atrial-fibrillation",
    "did I break my arm?": "condition/broken-forearm",
    "do I have kidney problems": "condition/chronic-kidney-disease",
    "when was my last sinus infection": "condition/sinusitis",
    "was I pregnant in 2019": "condition/pregnancy",
    "what was my blood pressure last week": "vital/blood-pressure",
    "how much do I weigh": "vital/body-weight",
    "how tall am I": "vital/body-height",
    "what is my BMI": "vital/body-mass-index",
    "is my oxygen ok": "vital/oxygen-saturation",
    "is my pulse too fast": "vital/heart-rate",
    "how much pain was I in": "vital/pain-score",
    "do I smoke": "vital/smoking-status",
    "when was my last colonoscopy": "procedure/colonoscopy",
    "have I had a pap smear": "procedure/pap-test",
    "did I have a chest x-ray": "procedure/chest-x-ray",
    "am I allergic to peanuts": "allergen/peanut",
    "am I allergic to penicillin": "medication/penicillin-v",
    "what is my cholesterol": "lab/total-cholesterol",
    "why do I take lisinopril": "medication/lisinopril",
    "what is a colonoscpy": "procedure/colonoscopy",
}
FRENCH = {
    "ai-je eu le vaccin contre la grippe ?": "immunization/flu-vaccine",
    "quand ai-je eu mon vaccin covid": "immunization/covid-19-vaccine",
    "mon tétanos est-il à jour": "immunization/tetanus-diphtheria-vaccine",
    "ma tension est-elle normale ?": "vital/blood-pressure",
    "quel est mon poids": "vital/body-weight",
    "mon pouls est-il trop rapide": "vital/heart-rate",
    "est-ce que j'ai du diabète": "condition/diabetes",
    "ai-je de l'hypertension": "condition/high-blood-pressure",
    "ai-je fait une crise cardiaque": "condition/heart-attack",
    "ai-je une infection urinaire": "condition/urinary-tract-infection",
    "suis-je allergique aux arachides": "allergen/peanut",
    "suis-je allergique à la pénicilline": "allergen/penicillin-allergy",
    "quand ai-je eu ma coloscopie": "procedure/colonoscopy",
    "ai-je eu une mammographie": "procedure/mammogram",
}


@pytest.mark.parametrize(("question", "id"), ENGLISH.items(), ids=ENGLISH)
def test_a_question_names_the_entry_it_means(question: str, id: str) -> None:
    assert id in [entry.id for entry in lay.find_term(question)]


@pytest.mark.parametrize(("question", "id"), FRENCH.items(), ids=FRENCH)
def test_a_question_in_french_names_the_entry_it_means(question: str, id: str) -> None:
    assert id in [entry.id for entry in lay.find_term(question, "fr")]


@pytest.mark.parametrize(
    "question",
    [
        "what is my date of birth",
        "who is my doctor",
        "what medicines do I take",
        "when is my next appointment",
        "what were my last test results",
        "please add my new address",
        "am I fit for work",
    ],
)
def test_a_question_about_something_else_names_nothing(question: str) -> None:
    assert lay.find_term(question) == ()


@pytest.mark.parametrize("question", ["quelle est ma date de naissance", "quels médicaments je prends"])
def test_a_french_question_about_something_else_names_nothing(question: str) -> None:
    assert lay.find_term(question, "fr") == ()


def test_an_adult_has_the_usual_range_and_a_child_has_none() -> None:
    found = lay.reference_range(HEART_RATE, None, 44)
    assert found is not None
    assert (found.low, found.high, found.unit, found.basis) == (
        Decimal(60),
        Decimal(100),
        "/min",
        "reference",
    )
    assert lay.reference_range(HEART_RATE, None, 9) is None
    assert lay.reference_range(HEART_RATE, None, None) is None


def test_a_range_that_depends_on_sex_is_not_told_without_it() -> None:
    hemoglobin = Coding(LOINC, "718-7")
    assert lay.reference_range(hemoglobin, None, 44) is None
    assert lay.reference_range(hemoglobin, "female", 44) != lay.reference_range(hemoglobin, "male", 44)


def test_what_is_said_without_a_range_has_none() -> None:
    assert lay.reference_range(Coding(LOINC, "72514-3"), "female", 44) is None


def test_a_clinical_drug_of_two_ingredients_is_not_told_as_one_of_them() -> None:
    assert lay.describe(RXNORM, "562251") is None
    assert lay.ingredients_of([Coding(RXNORM, "562251")]) == ("amoxicillin", "clavulanate")


def test_a_clinical_drug_with_an_ingredient_that_has_no_facts_is_not_known() -> None:
    assert lay.ingredients_of([Coding(RXNORM, "1043400")]) == ()
