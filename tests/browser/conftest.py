"""A browser and the whole application: headless Chromium over ChromeDriver, and uvicorn in a thread with two demo patients.

Both programs are the system's own (Debian: chromium, chromium-driver); nothing is downloaded.
https://www.w3.org/TR/webdriver2/
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import psycopg.conninfo
import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from ai_layer.app import make_service
from ai_layer.web import web_router
from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.commands.running import system_context
from fhir_server.ingest import ingest
from fhir_server.interactions.context import Service
from fhir_server.r4 import json
from fhir_server.rest.signin import put_user
from fhir_server.settings import Settings
from fhir_server.store.access import User
from fixtures import demo, scheduling
from mappings.source import Kind, Source
from tests.conftest import new_database

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PASSWORD = "correct horse battery"
PATIENCE = 15.0
"""Seconds that a page may take to show something."""
AMMIE, ROGER = demo.DEMO[0], demo.DEMO[1]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
    "--window-size=1280,900",
)


@dataclass(frozen=True, slots=True)
class Page:
    """A browser of this test's own, and where the app is."""

    driver: webdriver.Chrome
    base: str

    def sign_in(self, user: str, password: str = PASSWORD) -> None:
        """Open the app and send the form."""
        self.driver.get(f"{self.base}/")
        self.one("#username").send_keys(user)
        self.one("#password").send_keys(password)
        self.one("#sign-in").click()

    def one(self, selector: str, words: str = "") -> WebElement:
        """The first element of this selector that shows these words, waited for."""
        waiting = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=[Exception])
        return waiting.until(
            lambda _: next(e for e in self.all(selector) if words in e.text), f"{selector} {words}"
        )

    def all(self, selector: str) -> list[WebElement]:
        """Every element of this selector as the page stands."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def eventually_without(self, selector: str) -> None:
        """Wait until no element of this selector is left."""
        WebDriverWait(self.driver, PATIENCE).until(lambda _: not self.all(selector), f"{selector} stayed")


@pytest.fixture(scope="module")
def app(postgres: str, template: str) -> Iterator[tuple[str, Service]]:
    """The application with the clinic, Ammie and Roger in it, and sign-ins for them and Dr. Lee: its address and its Service."""
    with new_database(postgres, template) as name:
        dsn = psycopg.conninfo.make_conninfo(postgres, dbname=name)
        service = make_service(Settings(pool=4, auth="smart", consent="opt-out"), dsn)
        _fill(service)
        with _listening(service) as base:
            yield base, service
        service.database.close()


@pytest.fixture
def page(app: tuple[str, Service], tmp_path: Path) -> Iterator[Page]:
    """A fresh browser; skipped where Chromium or ChromeDriver is not installed."""
    if not CHROMIUM or not CHROMEDRIVER:
        pytest.skip(
            "chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Driver(CHROMEDRIVER))
    try:
        yield Page(driver, app[0])
    finally:
        driver.quit()


def _fill(service: Service) -> None:
    now = datetime.now(UTC)
    clinic = ("scheduling", json.encode(scheduling.bundle(now)))
    for name, body in (clinic, *islice(demo.patients(now), 2)):
        loaded = ingest(system_context(service), Source(name, Kind.JSON, body))
        assert loaded.status != "failed", loaded.issues
    for person in demo.SIGN_INS[:3]:
        patient = person.fhir_user.removeprefix("Patient/") if person.role == "patient" else None
        put_user(
            service.database, User(person.user, "", Role(person.role), person.fhir_user, patient), PASSWORD
        )


class _listening:
    """uvicorn in a thread on a free port of loopback."""

    def __init__(self, service: Service) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(service, (web_router,)), log_level="error", access_log=False, lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))

    def __enter__(self) -> str:
        self.thread.start()
        for _ in range(int(PATIENCE / 0.02)):
            if self.server.started:
                return f"http://127.0.0.1:{self.listener.getsockname()[1]}"
            time.sleep(0.02)
        raise TimeoutError("The server did not start.")

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()
