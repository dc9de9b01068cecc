"""The web app in real headless Chromium: what a patient and a clinician see and do.

A page of the browser is the judge; what a script put into the record would do counts only where it would run.
"""

from __future__ import annotations

from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from fhir_server.commands.running import system_context
from fhir_server.interactions.context import Service
from tests.browser.conftest import AMMIE, ROGER, Page
from tests.service import put

MARKUP = "<img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def test_a_wrong_password_is_refused_with_a_word(page: Page) -> None:
    page.sign_in("ammie", "wrong")

    assert page.one("#sign-in-error", "password").text == "The name or the password is not right."
    assert page.one("#password") == page.driver.switch_to.active_element
    assert not page.all("#patient")


def test_a_patient_sees_conditions_medicines_results_and_a_trend(page: Page) -> None:
    page.sign_in("ammie")

    assert page.one("#patient").text == AMMIE.name
    assert "Diabetes mellitus type 2" in page.one("#conditions", "Diabetes").text
    assert page.one("#medications li", "Metformin").find_elements(By.CSS_SELECTOR, "button.refill")
    assert "Hemoglobin A1c" in page.one("#result").text
    assert "Trend of" in (page.one("svg.trend").get_attribute("aria-label") or "")
    assert len(page.all("svg.trend circle")) > 2


def test_circumstances_stand_apart_from_conditions(page: Page) -> None:
    page.sign_in("ammie")

    assert "Full-time employment" in page.one("#circumstances", "employment").text
    assert "employment" not in (page.one("#conditions", "Diabetes").get_attribute("textContent") or "")


def test_an_answer_streams_in_and_its_citation_opens_the_resource(page: Page) -> None:
    page.sign_in("ammie")
    page.one("#question").send_keys("What was my last HbA1c?", Keys.ENTER)

    assert "%" in page.one(".claim", "Hemoglobin A1c").text
    assert page.one("#answer .status").text == "answered"
    page.one("#answer", "Written by")
    assert all(claim.find_elements(By.CSS_SELECTOR, ".citation") for claim in page.all(".claim"))

    page.one(".citation").click()
    assert page.one("#resource-title", "Observation/").is_displayed()
    assert '"valueQuantity"' in page.one("#resource-body").text
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.eventually_without("#resource[open]")


def test_what_the_record_does_not_say_is_not_answered(page: Page) -> None:
    page.sign_in("ammie")
    page.one("#question").send_keys("What is my favourite colour?", Keys.ENTER)

    assert page.one("#without", " ").text
    assert page.one("#answer .status").text == "abstained"
    assert not page.all(".citation")
    assert "was checked" not in page.one("#answer").text


def test_a_refill_is_asked_for_and_a_clinician_signs_it(page: Page) -> None:
    page.sign_in("roger")
    item = page.one("#medications li", "lisinopril")
    item.find_element(By.CSS_SELECTOR, "button.refill").click()
    page.one("#medications li", "A draft waits for your care team.")
    page.one("#sign-out").click()
    page.one("#username")

    page.sign_in("lee")
    card = page.one("#drafts .card", "Refill: lisinopril")
    assert ROGER.name in card.text
    assert {c.text.split("\n")[0].split(" ")[0] for c in card.find_elements(By.CSS_SELECTOR, ".check")} >= {
        "active-order",
        "allergy",
        "repeats",
    }
    assert "validityPeriod" in card.find_element(By.CSS_SELECTOR, ".changes").text
    assert card.find_elements(By.CSS_SELECTOR, ".check button")
    task = card.get_attribute("data-task")
    card.find_element(By.CSS_SELECTOR, ".approve").click()

    page.eventually_without(f"[data-task='{task}']")
    assert page.one("#drafts", "Nothing waits.")


def test_a_clinician_changes_a_draft_and_sees_the_change(page: Page) -> None:
    page.sign_in("roger")
    page.one("#medications li", "lisinopril").find_element(By.CSS_SELECTOR, "button.refill").click()
    page.one("#medications li", "your care team")
    page.one("#sign-out").click()
    page.one("#username")

    page.sign_in("lee")
    card = page.one("#drafts .card", "Refill: lisinopril")
    card.find_element(By.CSS_SELECTOR, ".edit summary").click()
    repeats = card.find_element(By.CSS_SELECTOR, "[aria-label=Repeats]")
    repeats.clear()
    repeats.send_keys("7")
    card.find_element(By.CSS_SELECTOR, ".save").click()

    assert "7" in page.one("#drafts .changes", "numberOfRepeatsAllowed").text
    page.one("#drafts .card .reject").click()
    assert page.one("#drafts", "Nothing waits.")


def test_a_clinician_rejects_a_draft(page: Page) -> None:
    page.sign_in("ammie")
    page.one("#medications li", "Metformin").find_element(By.CSS_SELECTOR, "button.refill").click()
    page.one("#medications li", "your care team")
    page.one("#sign-out").click()
    page.one("#username")

    page.sign_in("lee")
    card = page.one("#drafts .card", "Refill:")
    task = card.get_attribute("data-task")
    card.find_element(By.CSS_SELECTOR, "[aria-label^=Note]").send_keys("Please come and see me first.")
    card.find_element(By.CSS_SELECTOR, ".reject").click()

    page.eventually_without(f"[data-task='{task}']")
    assert not page.all(".card .error:not(:empty)")


def test_a_clinician_opens_a_patient_from_the_list(page: Page) -> None:
    page.sign_in("lee")
    page.one("#patients a", ROGER.name).click()

    assert page.one("#patient").text == ROGER.name
    assert page.one("#conditions li")


def test_markup_in_a_record_is_shown_as_text_and_runs_nothing(page: Page, app: tuple[str, Service]) -> None:
    put(system_context(app[1]), {"Condition/markup": _condition(MARKUP, "confirmed")})
    page.sign_in("ammie")

    page.one("#conditions button", MARKUP).click()
    assert "<img src=x" in page.one("#resource-body").text
    assert page.driver.title == f"{AMMIE.name} · Chartline"
    assert not page.all("main img, main script, dialog img")


def test_what_was_entered_in_error_is_not_shown(page: Page, app: tuple[str, Service]) -> None:
    put(system_context(app[1]), {"Condition/wrong": _condition("Entered by mistake", "entered-in-error")})
    page.sign_in("ammie")

    assert "mistake" not in (page.one("#conditions", "Diabetes").get_attribute("textContent") or "")


def test_nothing_is_wider_than_a_telephone(page: Page) -> None:
    narrow = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    page.sign_in("ammie")
    page.one("svg.trend")

    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 400


def _condition(text: str, verification: str) -> dict[str, Any]:
    found = {
        "code": {"text": text},
        "subject": {"reference": f"Patient/{AMMIE.id}"},
        "verificationStatus": {"coding": [{"system": VERIFICATION, "code": verification}]},
    }
    if verification != "entered-in-error":
        found["clinicalStatus"] = {"coding": [{"system": CLINICAL, "code": "active"}]}
    return found


def test_a_patient_reads_who_looked_at_the_record(page: Page) -> None:
    page.sign_in("ammie")
    page.one("#open-access-log").click()

    log = page.one("#access-log details", "You (")
    assert log.is_displayed()
    assert page.one("#access-log summary").text.startswith("You (")
