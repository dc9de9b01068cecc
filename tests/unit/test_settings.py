"""Settings: flags over environment over defaults, and a clear word about what cannot be."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fhir_server.settings import SETTINGS, ConfigurationError, Settings, add_flags, is_loopback


def test_without_any_word_the_defaults_hold() -> None:
    assert Settings.load({}) == Settings()
    assert Settings.load({}).data_dir == Path("data")


def test_the_table_and_the_class_agree_on_the_defaults() -> None:
    defaults = asdict(Settings()) | {"consent": ""}
    assert defaults == {row.name: row.default for row in SETTINGS}


def test_a_flag_beats_the_environment_and_the_environment_the_default() -> None:
    environment = {"CHARTLINE_PORT": "9000", "CHARTLINE_HOST": "::1"}
    found = Settings.load(environment, port="9001", host=None)
    assert (found.port, found.host) == (9001, "::1")


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_value_is_as_good_as_none(nothing: str) -> None:
    assert Settings.load({row.variable: nothing for row in SETTINGS}) == Settings()
    assert Settings.load({"CHARTLINE_PORT": "9000"}, port="").port == 9000


@pytest.mark.parametrize(
    ("variable", "given", "name", "value"),
    [
        ("CHARTLINE_MAX_BODY", "1024", "max_body", 1024),
        ("CHARTLINE_PAGE_SIZE", "10", "page_size", 10),
        ("CHARTLINE_KEEP_UNCHANGED", "No", "keep_unchanged", False),
        ("CHARTLINE_KEEP_UNCHANGED", "TRUE", "keep_unchanged", True),
        ("CHARTLINE_DATA_DIR", "/srv/chartline", "data_dir", Path("/srv/chartline")),
        ("CHARTLINE_BASE_URL", "https://fhir.example.org/", "base_url", "https://fhir.example.org"),
        ("CHARTLINE_REFERENCES", "enforce", "references", "enforce"),
        ("CHARTLINE_STATEMENT_TIMEOUT", "0", "statement_timeout", 0),
    ],
)
def test_text_becomes_a_value_of_the_settings_type(variable: str, given: str, name: str, value: Any) -> None:
    assert getattr(Settings.load({variable: given}), name) == value


def test_a_tilde_is_the_home_folder() -> None:
    assert Settings.load({"CHARTLINE_DATA_DIR": "~/chartline"}).data_dir == Path.home() / "chartline"


@pytest.mark.parametrize(
    ("variable", "given", "says"),
    [
        ("CHARTLINE_PORT", "eighty", "expected a whole number, 0 to 65535"),
        ("CHARTLINE_PORT", "65536", "0 to 65535"),
        ("CHARTLINE_WORKERS", "0", "1 or more"),
        ("CHARTLINE_POOL", "-1", "1 or more"),
        ("CHARTLINE_MAX_BODY", "1.5", "whole number"),
        ("CHARTLINE_AUTH", "none", "expected one of smart, off"),
        ("CHARTLINE_CONSENT", "yes", "expected one of opt-in, opt-out"),
        ("CHARTLINE_REFERENCES", "Accept", "expected one of accept, enforce"),
        ("CHARTLINE_KEEP_UNCHANGED", "maybe", "expected true or false"),
        ("CHARTLINE_PAGE_SIZE", "5000", "CHARTLINE_MAX_PAGE_SIZE"),
        ("CHARTLINE_BASE_URL", "fhir.example.org", "http"),
    ],
)
def test_what_cannot_be_is_said_with_what_was_expected(variable: str, given: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        Settings.load({variable: given})
    assert variable in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_a_loopback_address_is_one_that_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_auth_off_is_for_loopback_only() -> None:
    assert Settings.load({}, auth="off").auth == "off"
    with pytest.raises(ConfigurationError, match=r"--host 127\.0\.0\.1"):
        Settings.load({"CHARTLINE_HOST": "0.0.0.0"}, auth="off")


@pytest.mark.parametrize(
    ("given", "consent"),
    [
        ({}, "opt-in"),
        ({"auth": "off"}, "opt-out"),
        ({"auth": "off", "consent": "opt-in"}, "opt-in"),
        ({"consent": "opt-out"}, "opt-out"),
    ],
)
def test_consent_is_opt_in_unless_auth_is_off_or_it_is_set(given: dict[str, str], consent: str) -> None:
    assert Settings.load({}, **given).consent == consent


def test_a_child_process_gets_the_same_settings() -> None:
    settings = Settings.load(
        {"CHARTLINE_KEEP_UNCHANGED": "no", "CHARTLINE_AUTH": "off", "CHARTLINE_POOL": "3"}
    )
    assert Settings.load(settings.as_environment()) == settings


def test_each_setting_is_a_flag() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    given = [part for row in SETTINGS for part in (row.flag, row.choices[-1] if row.choices else "7")]
    found = vars(parser.parse_args(given))
    assert set(found) == {row.name for row in SETTINGS}
    assert vars(parser.parse_args([])) == dict.fromkeys(found)


def test_a_command_may_take_some_of_the_flags() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, "dsn", "port")
    assert set(vars(parser.parse_args([]))) == {"dsn", "port"}
    with pytest.raises(ValueError, match="no setting colour"):
        add_flags(parser, "colour")


def test_the_password_of_the_database_is_not_shown() -> None:
    assert "secret" not in repr(Settings.load({"CHARTLINE_DSN": "postgresql://a:secret@db/x"}))
