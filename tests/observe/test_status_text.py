import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from standpipe.capture.reclaim_plan import choose_way
from standpipe.observe.status_text import (
    ASKED_FOR,
    LOSSY_KINDS,
    JournalStatus,
    ProcessStatus,
    ReclaimStatus,
    SinkStatus,
    SourceStatus,
    Status,
    align,
    as_json,
    as_lines,
    problems,
    sink_state,
)

MIB = 1 << 20
PAGE = Path(__file__).parents[2] / "docs" / "status.md"
HEALTHY = Status(
    journal=JournalStatus("an-id", "/var/lib/standpipe", 0, 3 * MIB, MIB, 1, 100 * MIB),
    source=SourceStatus("fifo", "/vault/audit/pipe", None, None, None, MIB // 2, 4096),
    sinks={"stdout": SinkStatus(3 * MIB, 0, 0, 0, "current")},
    incidents={},
    processes={role: ProcessStatus(pid, alive=True) for pid, role in enumerate(("capture", "keep", "ship"), start=10)},
)


def test_a_healthy_journal_says_so_in_its_first_line() -> None:
    """Nothing wrong: one calm line, then the facts, aligned."""
    expected = """\
all is well

journal  /var/lib/standpipe  an-id
holds    offsets 0 to 3,145,728, 3.0 MiB of records
on disk  1.0 MiB in 1 segment, cap 100.0 MiB
source   fifo /vault/audit/pipe
waiting  0.5 MiB in the pipes
capture  running, process 10
keep     running, process 11
ship     running, process 12

sink    state       cursor   behind  records  oldest  delivered  filtered  dead
stdout  current  3,145,728  0.0 MiB        0   0.0 s          0         0     0"""
    assert expected == "\n".join(as_lines(HEALTHY))
    assert expected in PAGE.read_text()


A_FILE = SourceStatus(
    "file",
    "/vault/audit/audit.log",
    41 * MIB,
    43 * MIB,
    5 * MIB,
    None,
    None,
    2 * MIB,
    900 * MIB,
    ReclaimStatus("punch", "the volume can punch holes"),
)


def test_a_file_source_says_how_far_it_is_read_and_what_it_takes() -> None:
    """Offset, what is not read, both sizes, the volume's room, and how it is given back."""
    expected = """\
source   file /vault/audit/audit.log
read     to its offset 42,991,616, 2.0 MiB not read yet
size     43.0 MiB long, 5.0 MiB on disk, 900.0 MiB free on its volume
reclaim  punch: the volume can punch holes
capture  running, process 10"""
    text = "\n".join(as_lines(replace(HEALTHY, source=A_FILE)))
    assert expected in text
    assert text.startswith("all is well")
    assert expected in PAGE.read_text()


def test_a_file_that_nobody_could_look_at_yet() -> None:
    """What is unknown is left out, and is no problem."""
    lines = as_lines(replace(HEALTHY, source=SourceStatus("file", "/f", None, None, None, None, None)))
    assert "all is well" == lines[0]
    assert ["source   file /f", "capture  running, process 10"] == lines[5:7]


def test_a_file_whose_space_is_not_given_back_is_a_problem() -> None:
    """Unless nobody wants it to be."""
    told = {}
    for reason in ("the file system of /f cannot punch holes", "reclaim.way is none"):
        source = replace(A_FILE, reclaim=ReclaimStatus("none", reason))
        told[reason] = problems(replace(HEALTHY, source=source))
    assert {
        "the file system of /f cannot punch holes": [
            "source: its disk space is not given back: the file system of /f cannot punch holes"
        ],
        "reclaim.way is none": [],
    } == told


def test_a_file_that_has_gone_is_a_problem() -> None:
    """It was followed, and its path leads nowhere: a restart at this moment could lose what Vault still writes."""
    source = replace(A_FILE, apparent_size=None, real_size=None)
    (problem,) = problems(replace(HEALTHY, source=source))
    assert problem.startswith(f"source: {A_FILE.path} is not there; ")


def test_a_dead_capture_lets_the_file_grow() -> None:
    """Vault does not wait for a file."""
    processes = {**HEALTHY.processes, "capture": ProcessStatus(None, alive=False)}
    assert ["capture: not running; Vault's file grows until its volume is full"] == problems(
        replace(HEALTHY, source=A_FILE, processes=processes)
    )


def test_the_reason_for_no_reclaim_is_captures_own() -> None:
    """What source.json says where nobody wants space back is what is looked for."""
    assert ("none", ASKED_FOR) == choose_way("none", "", "")


def test_the_page_tells_every_word() -> None:
    """docs/status.md has each key and each state."""
    page = PAGE.read_text()
    entry = json.loads(json.dumps(as_json(HEALTHY)))
    members = {member for key in ("journal", "source") for member in entry[key]}
    members |= {"way", "reason"}
    words = {*entry, *members, *entry["sinks"]["stdout"], *entry["processes"], "pid", "alive"}
    words |= {sink_state(cursor, 10, 20) for cursor in (None, 9, 10, 20)}
    assert [] == [word for word in sorted(words) if f"`{word}`" not in page]


def test_problems_come_worst_first() -> None:
    """A dead capture stops Vault, so it comes before a full journal, a dead ship, a lost cursor and old incidents."""
    bad = replace(
        HEALTHY,
        journal=replace(HEALTHY.journal, bytes=95 * MIB),
        sinks={"a": SinkStatus(None, None, None, None, "missing"), "b": SinkStatus(9 * MIB, 0, 0, 0, "outside")},
        incidents={"dropped": 2, "torn": 5},
        processes={role: ProcessStatus(None, alive=False) for role in ("capture", "keep", "ship")},
    )
    expected = [
        "capture: not running; Vault waits once its pipe is full",
        "journal: 95 % of its cap is used; see docs/journal-full.md",
        "ship: not running; nothing is delivered; the journal grows",
        "keep: not running; nothing is sealed or removed; the journal grows",
        "sink a: its cursor cannot be read; ship will say where it begins again",
        "sink b: its cursor 9,437,184 is outside what the journal holds",
        "incidents: 2 dropped; see incidents.jsonl",
    ]
    assert expected == problems(bad)
    assert "ship     not running" in as_lines(bad)


def test_a_full_journal_is_first_where_capture_runs() -> None:
    """A journal that is nearly full comes before a dead ship, which is only its cause."""
    processes = {**HEALTHY.processes, "ship": ProcessStatus(None, alive=False)}
    full = replace(HEALTHY, journal=replace(HEALTHY.journal, bytes=90 * MIB), processes=processes)
    assert ["journal", "ship"] == [line.partition(":")[0] for line in problems(full)]


def test_bytes_that_stay_in_the_reserve_are_told() -> None:
    """A reserve that is not emptied means that capture cannot write, whatever the cap says."""
    stalled = replace(HEALTHY, source=replace(HEALTHY.source, reserve_bytes=MIB))
    assert ["capture: 1.0 MiB wait in the reserve; if that lasts, see docs/journal-full.md"] == problems(stalled)


def test_what_is_unknown_is_said_to_be_unknown() -> None:
    """A journal on which capture never ran has no cap, no source and no sinks."""
    fresh = replace(
        HEALTHY,
        journal=replace(HEALTHY.journal, cap=None),
        source=SourceStatus(None, None, None, None, None, None, None),
        sinks={},
    )
    lines = as_lines(fresh)
    assert "source   unknown: capture has not run on this journal" in lines
    assert "on disk  1.0 MiB in 1 segment, cap unknown" in lines
    assert "no sink has a cursor yet" == lines[-1]


@pytest.mark.parametrize(
    ("cursor", "expected"), [(None, "missing"), (9, "outside"), (10, "behind"), (20, "current"), (21, "outside")]
)
def test_a_sinks_state_follows_from_its_cursor(cursor: int | None, expected: str) -> None:
    """The word says where the cursor stands in a journal that holds [10, 20)."""
    assert expected == sink_state(cursor, 10, 20)


@pytest.mark.parametrize(("seconds", "expected"), [(5.25, "5.2 s"), (61.0, "1 min 01 s"), (7320.0, "2 h 02 min")])
def test_lags_are_said_in_units_that_fit(seconds: float, expected: str) -> None:
    """Seconds, minutes and hours."""
    sinks = {"stdout": SinkStatus(0, 1, 1, seconds, "behind")}
    assert f"  {expected}  " in as_lines(replace(HEALTHY, sinks=sinks))[-1]


def test_a_sinks_trouble_is_a_problem_with_its_reason() -> None:
    """What it is, since when, and what the destination said; a sink that was removed is none."""

    def sink(state: str) -> SinkStatus:
        return SinkStatus(0, 1, 1, 1.0, state, "http", "it said 403", "2026-01-02T03:04:05Z")

    told = {
        state: problems(replace(HEALTHY, sinks={"web": sink(state)}))
        for state in ("config-fault", "dead-letters-full", "journal-damaged", "retrying", "removed", "behind")
    }
    since = "since 2026-01-02T03:04:05Z: it said 403"
    assert {
        "config-fault": [f"sink web: takes nothing until somebody mends it {since}"],
        "dead-letters-full": [f"sink web: waits, because its dead-letter file takes no more {since}"],
        "journal-damaged": [f"sink web: waits, because what comes next cannot be read from the journal {since}"],
        "retrying": [f"sink web: does not take its records at the moment {since}"],
        "removed": [],
        "behind": [],
    } == told
    page = PAGE.read_text()
    assert [] == [state for state in told if f"| `{state}` |" not in page]


def test_dead_letters_are_a_problem() -> None:
    """Somebody has to look at records that a sink does not have."""
    assert ["incidents: 3 dead-letter; see incidents.jsonl"] == problems(replace(HEALTHY, incidents={"dead-letter": 3}))


def test_json_has_the_members_that_other_tools_rely_on() -> None:
    """The names of the contract, none missing."""
    entry = as_json(HEALTHY)
    assert ["journal", "source", "sinks", "incidents", "processes"] == list(entry)
    assert {"pid": 10, "alive": True} == as_json(HEALTHY)["processes"]["capture"]  # type: ignore[index]
    assert {
        "id": "an-id",
        "path": "/var/lib/standpipe",
        "base": 0,
        "end": 3 * MIB,
        "bytes": MIB,
        "segments": 1,
        "cap": 100 * MIB,
    } == entry["journal"]


def test_columns_are_even() -> None:
    """Each column is as wide as its widest cell; chosen ones are flush right; lines have no trailing blanks."""
    assert ["a    1", "bb  22"] == align([("a", "1"), ("bb", "22")], right=frozenset({1}))
    assert ["aa  b", "c"] == align([("aa", "b"), ("c", "")], right=frozenset())


def test_kinds_that_lost_records_are_those_of_the_page() -> None:
    """A kind is a problem exactly where docs/incidents.md answers "were records lost?" with yes or perhaps."""
    page = (PAGE.parent / "incidents.md").read_text()
    answers = dict(re.findall(r"^\| \[`([a-z-]+)`\]\(#[a-z-]+\) \| (.*) \|$", page, re.MULTILINE))
    assert "torn" in answers
    lossy = {kind for kind, answer in answers.items() if re.match("yes|perhaps", answer)}
    assert lossy == set(LOSSY_KINDS)


def test_a_kind_that_lost_nothing_is_counted_and_no_problem() -> None:
    """A cursor that moved stands in the table, and all is well."""
    lines = as_lines(replace(HEALTHY, incidents={"cursor-moved": 1}))
    assert "all is well" == lines[0]
    assert "cursor-moved      1" == lines[-1]


def test_a_damaged_file_is_a_problem() -> None:
    """What keep found is told first."""
    assert ["incidents: 1 damaged; see incidents.jsonl"] == problems(replace(HEALTHY, incidents={"damaged": 1}))
