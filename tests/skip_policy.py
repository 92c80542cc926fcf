"""A pytest plugin: a skip must be on the allow-list, and nothing else may be skipped, xfailed or left without a run.

A skipped test looks like a passed one from afar. So the list stands in the repository, each line with its reason, and
a change to it is seen in review. Expected failures have no list: mend the code or take the test away.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

ALLOWED_SKIPS = os.path.join(os.path.dirname(__file__), "allowed_skips.txt")


def parse_allowed(lines: Iterable[str]) -> list[str]:
    """Return the node id patterns; ValueError for a line without a reason."""
    patterns = []
    for line in lines:
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        pattern, _, reason = entry.partition(" : ")
        if not reason.strip():
            raise ValueError(f"no reason given (want '<node id> : <reason>'): {entry}")
        patterns.append(pattern.strip())
    return patterns


def is_allowed(node_id: str, patterns: list[str]) -> bool:
    """Say whether a pattern names the test; ``[`` is an ordinary character here, because parametrised ids have it."""
    return any(fnmatchcase(node_id, pattern.replace("[", "[[]")) for pattern in patterns)


class SkipPolicy:
    """Collects what was not really run, and turns the run's status to failed."""

    def __init__(self, patterns: list[str]) -> None:
        self.patterns = patterns
        self.offences: list[str] = []

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if hasattr(report, "wasxfail"):
            self.offences.append(f"{report.nodeid}: xfail")
        elif report.skipped and not is_allowed(report.nodeid, self.patterns):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            self.offences.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See each phase of each test."""
        self._judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """See modules that skip themselves as a whole."""
        self._judge(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run, unless it has failed in a worse way already."""
        if self.offences and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Name what was skipped without leave."""
        if self.offences:
            terminalreporter.section("skipped without leave", red=True)
            for offence in self.offences:
                terminalreporter.line(offence)
            terminalreporter.line("Mend it, or add it with its reason to tests/allowed_skips.txt (xfail: never).")


def pytest_configure(config: pytest.Config) -> None:
    """Read the list and start to watch."""
    with open(ALLOWED_SKIPS, encoding="utf-8") as file:
        patterns = parse_allowed(file)
    config.pluginmanager.register(SkipPolicy(patterns), "standpipe-skip-policy")
