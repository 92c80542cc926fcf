"""docs/scenarios.md names every scenario of the groups A to G and S84, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "scenarios.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<id>S\d\d) \| `(?P<file>[a-z/_]+\.py)::(?P<test>test_\w+)` \| (?P<policy>.+) \|$", re.MULTILINE
)
TESTS = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
LISTED = [*range(1, 70), 84]


def test_every_scenario_has_a_row() -> None:
    """S01 to S69 and S84 stand in the table, each once, in order."""
    assert [f"S{number:02d}" for number in LISTED] == [row["id"] for row in ROW.finditer(PAGE)]


def test_every_named_test_exists_and_has_the_id() -> None:
    """The test of a row is in the file that is named, and its name begins with the id."""
    for row in ROW.finditer(PAGE):
        assert row["test"] in TESTS.findall((REPOSITORY / row["file"]).read_text(encoding="utf-8")), row[0]
        assert row["test"].startswith(f"test_{row['id'].lower()}_"), row[0]
