"""The report's pure parts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.analysis.report_evidence import (
    UNPROVEN,
    Gap,
    SourceEvidence,
    TimedGap,
    count_in,
    gaps_of,
    overall_verdict,
)
from standpipe.analysis.report_html import Column, number_text, table, visible
from standpipe.analysis.report_lanes import (
    GAP,
    LANES_MAX,
    SEALED,
    SIGNED,
    UNSEALED,
    Stretch,
    gap_stretches,
    lane_names,
    sealed_stretches,
)
from standpipe.analysis.report_questions import RECORDS, SEALS, Answer, GapPlace, gap_times, sql_text
from standpipe.analysis.report_time import BINS_MAX, Span, bin_width, parse_time, time_text, width_text
from standpipe.analysis.report_verdict import verdict_card
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN

T0 = datetime(2024, 5, 6)  # noqa: DTZ001 - UTC, as the tables hold times
HOUR = timedelta(hours=1)
SPAN = Span(T0, T0 + 10 * HOUR)
SEAL_COLUMNS = ("node", "journal", "base", "end", "records", "first_time", "last_time", "sealed_at", "signed")
RECORD_COLUMNS = ("node", "journal", "records", "bytes", "torn", "first_time", "last_time")


def at(hours: float) -> datetime:
    """Return a time of the span."""
    return T0 + hours * HOUR


def seals(*rows: tuple[int, int, float | None, float | None, bool]) -> Answer:
    """Return an answer to the question for seals: base, end, first and last hour, signed."""
    full = [
        ("n", "j", base, end, 1, *(None if hour is None else at(hour) for hour in (first, last)), at(9), signed)
        for base, end, first, last, signed in rows
    ]
    return Answer(SEALS, SEAL_COLUMNS, tuple(full))


def records(first: float, last: float) -> Answer:
    """Return an answer to the question for records."""
    return Answer(RECORDS, RECORD_COLUMNS, (("n", "j", 1, 1, 0, at(first), at(last)),))


@given(st.timedeltas(timedelta(), timedelta(days=4000)))
def test_bins(length: timedelta) -> None:
    """Any time is divided into at most BINS_MAX bins, whose width SQL and people understand."""
    width = bin_width(length)
    assert length <= width * BINS_MAX
    number, unit = width_text(width).split()
    seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[unit.removesuffix("s")]
    assert width == timedelta(seconds=int(number) * seconds)


def test_bins_are_no_wider_than_they_must_be() -> None:
    """One step of the table more only where the one before would be too many bins."""
    assert [timedelta(minutes=1), timedelta(minutes=5)] == [bin_width(2 * HOUR), bin_width(2.01 * HOUR)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T01:00:00.123456789Z", "2024-05-06 01:00:00.123456"),
        ("2024-05-06T01:00:00.5+01:00", "2024-05-06 00:00:00.500000"),
        ("2024-05-06T01:00:00Z", "2024-05-06 01:00:00"),
        ("then", "None"),
        (None, "None"),
    ],
)
def test_times_of_seals_are_read(text: str | None, expected: str) -> None:
    """RFC 3339 with any number of digits and any zone; None for what is no time."""
    assert expected == str(parse_time(text))


def test_a_missing_time_is_a_dash() -> None:
    """A moment to the second, or a dash."""
    assert ["2024-05-06 01:30:00", "–"] == [time_text(at(1.5)), time_text(None)]


@given(st.text())
def test_no_text_is_markup(text: str) -> None:
    """Whatever a record holds, nothing of it can end a text, an attribute or a line, or be invisible."""
    shown = visible(text)
    assert shown.isprintable()
    assert not set("<>\"'") & set(shown)


def test_a_table_has_bars_and_dashes() -> None:
    """A bar is a number's share of the largest one; what is not there is a dash."""
    columns = (Column("n", "count", "bar"), Column("p", "path", "long"))
    text = table(columns, ("p", "n"), [("a<b", 1234), (None, 617)], "caption")
    assert '<span class="bar" style="width:100.0%"></span><span>1,234</span>' in text
    assert '<span class="bar" style="width:50.0%"></span><span>617</span>' in text
    assert '<td class="long"><code>a&lt;b</code></td>' in text
    assert '<td class="long">–</td>' in text


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "–"), (1234567, "1,234,567"), (0.1234, "0.123"), (12.0, "12"), (1234.5, "1,234")]
)
def test_numbers(value: object, expected: str) -> None:
    """Thousands are set apart; of a fraction as many digits as tell something."""
    assert expected == number_text(value)


def test_sealed_lanes() -> None:
    """Seals that follow one another are one stretch; between them nothing can be; the rest is not yet sealed."""
    answer = seals((0, 10, 0, 1, False), (10, 20, 1.5, 3, False), (20, 30, 3, 4, True), (90, 99, 6, 7, True))
    expected = [
        Stretch("n", SEALED, at(0), at(3)),
        Stretch("n", SIGNED, at(3), at(4)),
        Stretch("n", SIGNED, at(6), at(7)),
        Stretch("n", UNSEALED, at(7), at(8)),
    ]
    assert expected == sealed_stretches(answer, records(0, 8), SPAN)


def test_silence_that_was_sealed() -> None:
    """The seal of an empty interval reaches from the last record to the sealing."""
    answer = seals((0, 10, 0, 1, False), (10, 10, None, None, False))
    assert [Stretch("n", SEALED, at(0), at(9))] == sealed_stretches(answer, records(0, 1), SPAN)


def test_gaps_are_wide_enough_to_be_seen() -> None:
    """A gap between two records is drawn, with a least width; one of no known time is not."""

    def gap(before: float | None, after: float | None) -> TimedGap:
        ends = [None if hour is None else at(hour) for hour in (before, after)]
        return TimedGap(Gap("/j", "j", "n", "hole", 0, 1, "yes", ""), ends[0], ends[1])

    assert [Stretch("n", GAP, at(1), at(2))] == gap_stretches([gap(1, 2), gap(None, None), gap(11, 12)], SPAN)
    (narrow,) = gap_stretches([gap(5, None)], SPAN)
    half = SPAN.length / 500
    assert (at(5) - half, at(5) + half) == (narrow.start, narrow.end)


def test_lanes_are_bounded_and_gaps_come_first() -> None:
    """Of very many nodes, those with gaps keep their lanes."""
    many = [Stretch(f"n{number:03}", SEALED, at(0), at(1)) for number in range(100)]
    names = lane_names([*many, Stretch("z", GAP, at(0), at(1))])
    assert LANES_MAX == len(names)
    assert names[-1] == "z"


def test_the_verdict_is_the_worst() -> None:
    """One bad source makes the whole bad; no source, nothing known."""

    def verdict_of(*verdicts: str) -> str:
        return overall_verdict([SourceEvidence("/j", "journal", verdict, (), "") for verdict in verdicts])

    assert COMPLETE == verdict_of(COMPLETE, COMPLETE)
    assert INCOMPLETE == verdict_of(COMPLETE, UNKNOWN, INCOMPLETE, UNPROVEN)
    assert UNKNOWN == verdict_of(COMPLETE, UNKNOWN, UNPROVEN)
    assert UNPROVEN == verdict_of(COMPLETE, UNPROVEN)
    assert UNKNOWN == verdict_of()


def test_the_card_says_what_matters() -> None:
    """What is wrong and what was checked stand in the verdict; single records that are alone are only counted there."""
    lines = ("INCOMPLETE: 1 hole", "hole: 5 to 7", *["unpaired: request"] * 30, "checked: 2 segments")
    facts = {"unpaired": {"requests": 30, "responses": 1}}
    card = verdict_card(INCOMPLETE, [SourceEvidence("/j", "journal", INCOMPLETE, lines, "", facts)])
    told = re.findall("<li>(.*)</li>", card)
    alone = "not explained: 30 requests without a response, 1 response without a request"
    assert ["INCOMPLETE: 1 hole", "hole: 5 to 7", "checked: 2 segments", alone] == told


def test_gaps_and_counts_of_verify() -> None:
    """Holes and recorded gaps are taken from the keys of `verify --json`, in the order of their addresses."""
    facts = {
        "holes": [[5, 7]],
        "recorded_gaps": [{"kind": "dropped", "from": 1, "to": 3, "lost": "yes", "detail": "d"}],
        "unpaired": {"requests": 4},
        "chain": None,
    }
    source = SourceEvidence("/j", "journal", INCOMPLETE, (), "", facts, "j", "n")
    assert [("dropped", 1, 3), ("hole", 5, 7)] == [(gap.kind, gap.start, gap.end) for gap in gaps_of(source)]
    counts = [count_in(facts, "holes"), count_in(facts, "unpaired", "requests"), count_in(facts, "chain", "seals")]
    assert [1, 4, None] == counts


def test_names_in_sql_stay_on_one_line() -> None:
    """A journal's name can end neither the literal nor the line, so it cannot end the shell's here-document either."""
    assert "'a''b$(x)SQL'" == sql_text("a'b\n$(x)\nSQL")
    sql = gap_times([GapPlace("j\nSQL\n", "hole", 1, 2)]).sql
    assert "SQL" not in sql.split("\n")
