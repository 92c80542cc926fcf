"""Several journals judged together."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from standpipe.evidence.damage import Damage
from standpipe.evidence.fleet import Fleet, Member, judge_fleet
from standpipe.evidence.fleet_text import fleet_as_json, fleet_as_lines
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN, Findings, SealMark, unknown_findings
from standpipe.evidence.last_seen import seconds_of
from standpipe.journal.layout import SEGMENT_NUMBER

EIGHT = "2026-03-01T08:00:00.000Z"
NINE = "2026-03-01T09:00:00.000Z"
NOON = "2026-03-01T12:00:00.000Z"


def findings(**changes: object) -> Findings:
    """Return those of a good journal of ten records, but for the changes."""
    good = replace(
        unknown_findings(""),
        verdict=COMPLETE,
        end=100,
        records=10,
        segments=1,
        seals=1,
        unreadable=(),
        first_time=EIGHT,
        last_time=NINE,
        last_seen=NOON,
        seal_marks=(SealMark("s0", 0, SEGMENT_NUMBER, 50, "a"), SealMark("s50", 50, SEGMENT_NUMBER, 100, "b")),
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def member(node: str = "n-1", journal: str = "", *, archived: bool = True, **changes: object) -> Member:
    """Return one journal of a node, in an archive or as it is."""
    cluster = "blue" if archived else ""
    place = "s3://b" if archived else "/j"
    return Member(cluster, node, journal or f"j-{node}", f"{place}/{node}", findings(**changes), archived)


def silent(fleet: Fleet) -> list[tuple[str, float | None]]:
    """Return who is silent, and how long."""
    return [(f"{node.cluster}/{node.node}", node.silent_seconds) for node in fleet.silent]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([COMPLETE, COMPLETE], COMPLETE),
        ([COMPLETE, UNKNOWN], UNKNOWN),
        ([UNKNOWN, INCOMPLETE, COMPLETE], INCOMPLETE),
        ([], UNKNOWN),
    ],
)
def test_the_worst_verdict_is_that_of_all(verdicts: list[str], expected: str) -> None:
    """Proven damage outweighs what could not be told; nothing proves nothing."""
    fleet = judge_fleet(member(f"n-{n}", verdict=verdict) for n, verdict in enumerate(verdicts))
    assert fleet.verdict == expected


def test_a_node_is_silent_where_its_last_sign_is_too_old() -> None:
    """Beside the newest node; a limit that is met exactly is kept."""
    members = [member("n-1"), member("n-2", last_seen=NINE), member("n-3", last_seen=None)]
    assert silent(judge_fleet(members)) == [("blue/n-2", 10800.0), ("blue/n-3", None)]
    assert silent(judge_fleet(members, silent_after_seconds=10800)) == [("blue/n-3", None)]


def test_silence_may_be_measured_from_now() -> None:
    """Then also a single node may be silent, which beside itself it never is."""
    now = seconds_of("2026-03-01T15:00:00Z")
    assert silent(judge_fleet([member()])) == []
    assert silent(judge_fleet([member()], now_seconds=now)) == [("blue/n-1", 10800.0)]
    assert silent(judge_fleet([member(last_seen=None)], now_seconds=now)) == [("blue/n-1", None)]


def test_silence_does_not_change_the_verdict() -> None:
    """A node that was taken out of service is silent, and nothing is lost by it."""
    assert judge_fleet([member("n-1"), member("n-2", last_seen=EIGHT)]).verdict == COMPLETE


def test_a_node_speaks_through_all_its_journals() -> None:
    """An old journal of a node that has a young one, and a journal beside its lagging archive, are not silent."""
    old = member("n-1", "old", last_seen=EIGHT)
    assert silent(judge_fleet([old, member("n-1", "young")])) == []
    assert silent(judge_fleet([member("n-1", "young"), old, member("n-2")])) == []
    lagging = [member("n-1", "j", last_seen=EIGHT), member("n-1", "j", archived=False)]
    assert silent(judge_fleet(lagging)) == []
    assert judge_fleet(lagging).nodes == 1


def test_a_journal_is_counted_once_however_many_places_have_it() -> None:
    """The place that has most of it counts."""
    fleet = judge_fleet([member("n-1", "j"), member("n-1", "j", archived=False, records=12), member("n-2")])
    assert sum(found.findings.records for found in fleet.counted()) == 22
    assert fleet_as_json(fleet)["records"] == 22
    assert fleet_as_lines(fleet)[0] == "complete: 2 journals of 2 nodes in 3 places, 22 records: every byte is there"


def test_an_archive_pins_the_seals_of_its_journal() -> None:
    """A journal that was written anew, chain and all, has other seals than its archive."""
    marks = (SealMark("s0", 0, SEGMENT_NUMBER, 50, "a"), SealMark("x50", 50, SEGMENT_NUMBER, 100, "other"))
    fleet = judge_fleet([member("n-1", "j"), member("n-1", "j", archived=False, seal_marks=marks)])
    assert fleet.members[0].findings.damaged == ()
    detail = "the seals from here on are not those of s3://b/n-1"
    assert fleet.members[1].findings.damaged == (Damage("seals-differ", "x50", 50, 100, detail),)
    assert (fleet.members[1].findings.verdict, fleet.verdict) == (INCOMPLETE, INCOMPLETE)


def test_an_idle_seal_is_compared_with_its_own_copy_only() -> None:
    """At one address there may be several seals, of which an archive that is behind has the first ones."""
    idle = SealMark("idle", 100, 1, 100, "c")
    marks = findings().seal_marks
    behind = member("n-1", "j", seal_marks=(*marks, idle))
    ahead = (*marks, idle, SealMark("s100", 100, SEGMENT_NUMBER, 150, "d"))
    journal = member("n-1", "j", archived=False, end=150, seal_marks=ahead)
    assert judge_fleet([behind, journal]).verdict == COMPLETE
    other = replace(journal, findings=findings(seal_marks=(*marks, replace(idle, digest="e"))))
    assert judge_fleet([behind, other]).members[1].findings.damaged[0].start == 100


def test_an_archive_knows_which_seals_were_taken_out_of_the_journal() -> None:
    """Without its newest seals a journal is complete, and all that they spoke for could be changed."""
    (first, _) = findings().seal_marks
    places = [member("n-1", "j"), member("n-1", "j", archived=False, seal_marks=(first,))]
    detail = "s3://b/n-1 has 1 seal from here on that the journal has not"
    assert judge_fleet(places).members[1].findings.damaged == (Damage("seal-missing", "s50", 50, 100, detail),)


def test_a_head_that_retention_removed_is_in_the_archive_only() -> None:
    """The journal begins later, with its seals."""
    (_, second) = findings().seal_marks
    journal = member("n-1", "j", archived=False, base=50, seal_marks=(second,))
    assert judge_fleet([member("n-1", "j"), journal]).verdict == COMPLETE


def test_an_archive_that_has_more_than_the_journal_proves_a_lost_tail() -> None:
    """The journal's own seals are gone with it, so that it alone cannot tell."""
    fleet = judge_fleet([member("n-1", "j", end=150), member("n-1", "j", archived=False, end=90)])
    detail = "s3://b/n-1 has more of this journal than the journal itself"
    assert fleet.members[1].findings.damaged == (Damage("tail-missing", "", 90, 150, detail),)


def test_an_archive_that_is_behind_is_no_fault() -> None:
    """It is, always, by the segment that is open."""
    journal = member("n-1", "j", archived=False, end=150)
    assert judge_fleet([member("n-1", "j"), journal]).verdict == COMPLETE


def test_two_archives_of_one_journal_are_compared() -> None:
    """Whichever is the right one, they cannot both be; and one that has less is behind."""
    other = (SealMark("s0", 0, SEGMENT_NUMBER, 50, "other"),)
    places = [member("n-1", "j", end=50, seal_marks=other), replace(member("n-1", "j"), location="gs://c/n-1")]
    members = judge_fleet(places).members
    assert [[damage.what for damage in found.findings.damaged] for found in members] == [["seals-differ"], []]


def test_a_place_that_cannot_be_read_is_neither_node_nor_silent() -> None:
    """It makes the verdict unknown, and says why."""
    lost = Member("", "", "", "s3://gone", unknown_findings("no such bucket"), archived=True, readable=False)
    fleet = judge_fleet([member(), lost])
    assert (fleet.verdict, fleet.nodes, fleet.silent) == (UNKNOWN, 1, ())
    lines = fleet_as_lines(fleet)
    assert lines[0] == "unknown: s3://gone; of 1 journal of 1 node in 2 places"
    assert "  unreadable: no such bucket" in lines


def test_the_json_has_totals_and_each_journal() -> None:
    """Counts are added, lists joined, their objects told whose they are; ranges of several journals make no sense."""
    damage = Damage("altered", "f", 0, 50, "why")
    bad = member("n-2", verdict=INCOMPLETE, damaged=(damage,), holes=((50, 60),), last_seen=EIGHT)
    entry = fleet_as_json(judge_fleet([member("n-1"), bad], foreign=["x"], unfinished=["y.tmp"]))
    assert (entry["verdict"], entry["records"], entry["holes"]) == (INCOMPLETE, 20, [[50, 60]])
    assert entry["chain"]["seals"] == 2  # type: ignore[index]
    assert entry["ranges"] == {"base": None, "end": None}
    assert entry["times"] == {"first": EIGHT, "last": NINE}
    assert entry["damaged"] == [
        {"node": "blue/n-2", "journal": "j-n-2", "what": "altered", "file": "f", "from": 0, "to": 50, "detail": "why"}
    ]
    nodes = entry["nodes"]
    assert isinstance(nodes, list)
    assert [(node["cluster"], node["node"], node["journal"], node["verdict"]) for node in nodes] == [
        ("blue", "n-1", "j-n-1", COMPLETE),
        ("blue", "n-2", "j-n-2", INCOMPLETE),
    ]
    assert [node["ranges"] for node in nodes] == [{"base": 0, "end": 100}] * 2
    assert entry["silent"] == [{"cluster": "blue", "node": "n-2", "last_seen": EIGHT, "silent_seconds": 14400.0}]
    assert (entry["foreign"], entry["unfinished"]) == (["x"], ["y.tmp"])


def test_one_journal_keeps_its_ranges() -> None:
    """An archive of one node reads as a journal does."""
    entry = fleet_as_json(judge_fleet([member()]))
    assert entry["ranges"] == {"base": 0, "end": 100}
    lines = fleet_as_lines(judge_fleet([member()]))
    assert lines[0] == "complete: every byte from 0 to 100 is there"
    assert lines[-1] == "journal j-n-1, of blue/n-1, in s3://b/n-1"


def test_the_lines_name_who_is_silent_and_what_is_foreign() -> None:
    """A person reads a time in words; long lists are cut."""
    members = [member("n-1"), member("n-2", last_seen="2026-02-26T10:30:00Z"), member("n-3", last_seen=None)]
    lines = fleet_as_lines(judge_fleet(members, foreign=[f"k{n}" for n in range(22)]))
    assert lines[1:4] == [
        "silent: blue/n-2: for 3 days 1 hour, since 2026-02-26T10:30:00Z",
        "silent: blue/n-3: no sign of life at all",
        "foreign: k0",
    ]
    assert "… and 2 more like this; --json lists them all" in lines


def test_a_time_without_an_offset_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this machine is; and what is no time is none."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert seconds_of("2026-03-01T08:00:00") == seconds_of("2026-03-01T08:00:00Z")
    time.tzset()
    assert seconds_of("2026-03-01T08:00:00") == seconds_of("2026-03-01T09:00:00+01:00")
    assert (seconds_of(None), seconds_of("noon")) == (None, None)
