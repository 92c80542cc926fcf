from __future__ import annotations

import json

from bench.table import AT_LEAST, AT_MOST, Aim, Row, as_json, as_markdown, as_text


def test_an_aim_is_judged_on_the_figure_that_is_printed() -> None:
    """What is printed as 0.97 meets an aim of at least 0.97, also where it is a little less."""
    aim = Aim(AT_LEAST, 0.97)
    assert "met" == Row("requests", 0.9651, "×", "", aim).verdict
    assert "MISSED" == Row("requests", 0.9649, "×", "", aim).verdict


def test_an_upper_bound() -> None:
    """A value above an upper bound misses its aim."""
    aim = Aim(AT_MOST, 400)
    assert "met" == Row("start", 400.4, "ms", "", aim, digits=0).verdict
    assert "MISSED" == Row("start", 401.0, "ms", "", aim, digits=0).verdict


def test_a_row_without_an_aim_has_no_verdict() -> None:
    """Nothing was aimed at, so nothing is said."""
    assert ("json", "0.25×", "", "", "why") == Row("json", 0.25, "×", "why").cells()


def test_the_table_in_markdown() -> None:
    """Headings, a rule, and one line for each row."""
    row = Row("start", 1167.4, "ms", "11 starts", Aim(AT_MOST, 400), digits=0)
    expected = (
        "| what | measured | aim | verdict | in figures |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| start | 1,167 ms | ≤ 400 ms | MISSED | 11 starts |\n"
    )
    assert expected == as_markdown([row])


def test_the_table_for_a_terminal() -> None:
    """Columns are aligned, and no line ends in spaces."""
    lines = as_text([Row("a", 1, "×", ""), Row("longer", 2, "×", "figures")]).splitlines()
    assert lines[0].index("measured") == lines[2].index("2.00×")
    assert [line.rstrip() for line in lines] == lines


def test_the_table_in_json() -> None:
    """A program gets the value as it was measured, with the verdict."""
    found = json.loads(as_json([Row("relay", 1.234, "×", "", Aim(AT_LEAST, 1.0))], "2 cores"))
    assert "2 cores" == found["machine"]
    assert [(1.234, {"sense": "≥", "bound": 1.0}, "met")] == [
        (r["value"], r["aim"], r["verdict"]) for r in found["rows"]
    ]
