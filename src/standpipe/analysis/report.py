"""Make the report: verify the sources, ask the database, draw, and write one file."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from standpipe import __version__
from standpipe.analysis import report_questions as questions
from standpipe.analysis.database import open_database
from standpipe.analysis.report_evidence import GAPS_MAX, Gap, SourceEvidence, TimedGap, gaps_of, overall_verdict
from standpipe.analysis.report_html import number_text
from standpipe.analysis.report_lanes import gap_stretches, lane_names, sealed_stretches
from standpipe.analysis.report_page import Page, render
from standpipe.analysis.report_sources import query_command
from standpipe.analysis.report_time import Span, as_utc, bin_width
from standpipe.analysis.report_verify import gather_evidence
from standpipe.errors import StandpipeError
from standpipe.journal.atomic import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from standpipe.analysis.report_questions import Answer, Question
    from standpipe.analysis.report_sources import Sources

    Progress = Callable[[int, int], None]  # bytes done, and in all

HINT = "Run: pip install 'standpipe[report]'"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. ``records``: how many the report is about."""

    output: str
    bytes: int
    verdict: str
    records: int


def write_report(
    sources: Sources,
    output: str,
    *,
    title: str,
    now: datetime,
    verifying: Progress,
    reading: Progress,
) -> Written:
    """Write the report on all sources to a file, whole or not at all; only its owner may read it.

    Raises StandpipeError where a library is missing; UsageError, JournalError and ArchiveError for sources; OSError.
    """
    _need_charts()
    evidence, connection = _read(sources, verifying, reading)
    # The database is thrown away: to write it out neatly at its end took 2 s of a million records.
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    try:
        page = make_page(connection, evidence, sources, title=title, now=now)
    finally:
        connection.close()
    data = render(page, style_sheet()).encode()
    atomic_write(os.path.abspath(output), data)
    records = page.answers[questions.RECORDS.name]
    total = sum(_whole(row[records.columns.index("records")]) for row in records.rows)
    return Written(output, len(data), page.verdict, total)


class _StoppedError(Exception):
    """The other half has failed, so nobody waits for this one. It never leaves this module."""


def _read(
    sources: Sources, verifying: Progress, reading: Progress
) -> tuple[list[SourceEvidence], duckdb.DuckDBPyConnection]:
    """Verify and load at the same time: loading leaves a part of the second core to itself, and both read one cache."""
    stop = threading.Event()

    def still_wanted(done: int, total: int) -> None:
        if stop.is_set():
            raise _StoppedError
        verifying(done, total)

    with ThreadPoolExecutor(1) as beside:
        evidence = beside.submit(gather_evidence, sources, still_wanted)
        try:
            connection = open_database(
                [*sources.journals, *sources.archives],
                since=sources.since,
                until=sources.until,
                progress=reading,
                parquet=sources.exports,
                prefix=sources.prefix,
                archive=sources.archive,
                room=sources.room,
            )
            return evidence.result(), connection
        except BaseException:  # an interrupt as well: the thread must end before we can
            stop.set()
            raise


def style_sheet() -> str:
    """Return the page's CSS, which is shipped beside this module."""
    return files(__package__ or "").joinpath("report.css").read_text(encoding="utf-8")


def _need_charts() -> None:
    """Say what is missing before the sources are read, which takes its time."""
    try:
        from standpipe.analysis import report_charts  # noqa: F401, PLC0415 - only this command may pay for the libraries
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "standpipe":
            raise  # a fault of ours
        raise StandpipeError(f"this command needs a library that cannot be loaded: {error}", HINT) from error


class _Asker:
    """Asks questions and keeps the answers, in the order of asking."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.answers: dict[str, Answer] = {}

    def ask(self, question: Question) -> Answer:
        cursor = self._connection.execute(question.sql)
        columns = tuple(str(column[0]) for column in cursor.description or ())
        answer = questions.Answer(question, columns, tuple(tuple(row) for row in cursor.fetchall()))
        self.answers[question.name] = answer
        return answer


def make_page(
    connection: duckdb.DuckDBPyConnection,
    evidence: Sequence[SourceEvidence],
    sources: Sources,
    *,
    title: str,
    now: datetime,
) -> Page:
    """Ask everything, draw the charts, and return what the page shows."""
    connection.execute(questions.REQUESTS_ONCE)
    asker = _Asker(connection)
    for question in questions.FIXED:
        asker.ask(question)
    span = _span(asker.answers, sources)
    gaps = [gap for source in evidence for gap in gaps_of(source)]
    timed = _timed(asker, gaps[:GAPS_MAX])
    charts: dict[str, str] = {}
    left_out = 0
    if span is not None:
        charts["timeline"], left_out = _timeline(asker, timed, span)
    histogram = _latency(asker.answers)
    if histogram:
        charts["latency"] = histogram
    return Page(
        title=title,
        generated=as_utc(now),
        version=__version__,
        since=None if sources.since is None else as_utc(sources.since),
        until=None if sources.until is None else as_utc(sources.until),
        verdict=overall_verdict(evidence),
        sources=evidence,
        answers=asker.answers,
        charts=charts,
        gaps=timed,
        gaps_left_out=len(gaps) - len(timed),
        nodes_left_out=left_out,
        query_command=query_command(sources),
    )


def _column(answer: Answer, name: str) -> list[object]:
    place = answer.columns.index(name)
    return [row[place] for row in answer.rows]


def _moments(answer: Answer, *names: str) -> list[datetime]:
    return [value for name in names for value in _column(answer, name) if _is_moment(value)]  # type: ignore[misc] # just asked


def _is_moment(value: object) -> bool:
    return hasattr(value, "strftime")


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _span(answers: Mapping[str, Answer], sources: Sources) -> Span | None:
    """Return the time line's ends: what was asked for, else the first and the last record; None without any time."""
    found = _moments(answers[questions.RECORDS.name], "first_time", "last_time")
    if not found:
        return None
    start = min(found) if sources.since is None else as_utc(sources.since)
    end = max(found) if sources.until is None else as_utc(sources.until)
    width = bin_width(end - start)
    return Span(start, max(end, start + width))


def _timed(asker: _Asker, gaps: Sequence[Gap]) -> list[TimedGap]:
    """Find the times on both sides of each gap."""
    places = [
        questions.GapPlace(gap.journal, gap.kind, gap.start, gap.end)
        for gap in gaps
        if gap.journal is not None and gap.start is not None and gap.end is not None
    ]
    if not places:
        return [TimedGap(gap, None, None) for gap in gaps]
    answer = asker.ask(questions.gap_times(places))
    times = {row[:4]: row[4:] for row in answer.rows}
    found = []
    for gap in gaps:
        before, after = times.get((gap.journal, gap.kind, gap.start, gap.end), (None, None))
        found.append(TimedGap(gap, before, after))  # type: ignore[arg-type] # the tables' times
    return found


def _timeline(asker: _Asker, gaps: Sequence[TimedGap], span: Span) -> tuple[str, int]:
    """Return the drawing, and how many nodes have no lane in it."""
    from standpipe.analysis import report_charts  # noqa: PLC0415 - loads the libraries of an extra

    width = bin_width(span.length)
    traffic = asker.ask(questions.traffic(width))
    counts = {(row[0], row[1]): row[2] for row in traffic.rows}
    answers = asker.answers
    stretches = [
        *sealed_stretches(answers[questions.SEALS.name], answers[questions.RECORDS.name], span),
        *gap_stretches(gaps, span),
    ]
    lanes = lane_names(stretches)
    left_out = len({stretch.node for stretch in stretches}) - len(lanes)
    return report_charts.timeline(counts, width, span, stretches, lanes), left_out  # type: ignore[arg-type] # as the query's columns are


def _latency(answers: Mapping[str, Answer]) -> str:
    from standpipe.analysis import report_charts  # noqa: PLC0415 - loads the libraries of an extra

    rows = answers[questions.LATENCY.name].rows
    if not rows:
        return ""
    decade = questions.BUCKETS_A_DECADE
    buckets = [
        (10 ** (low / decade), 10 ** ((low + 1) / decade), _whole(count))
        for low, count in ((_whole(row[0]), row[1]) for row in rows)
    ]
    by_mount = answers[questions.LATENCY_BY_MOUNT.name]
    marks = [(name, _column(by_mount, f"{name}_ms")[0]) for name in ("p50", "p99")]
    named = [(f"{name} {number_text(at)} ms", at) for name, at in marks if isinstance(at, float) and at > 0]
    return report_charts.latency(buckets, named)
