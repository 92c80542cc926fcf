from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from standpipe.analysis.database import Room, open_database
from standpipe.analysis.sources import STRETCH_BYTES, journal_source
from standpipe.delivery.edges import records_between
from standpipe.errors import JournalError, UsageError
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from tests.analysis.audit_world import DAY, LIST, SEAL, Asked, shown, world, write
from tests.evidence.craft import JOURNAL_ID, Crafted

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[tuple[Any, ...]]


def ask(root: Path, sql: str, **options: Any) -> Rows:  # noqa: ANN401 - those of open_database
    """Return what a statement gives over a journal."""
    connection = open_database([str(root)], **options)
    rows: Rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def outcomes(requests: list[Asked]) -> list[tuple[str, int]]:
    """Return outcome and count."""
    return sorted(Counter(asked.outcome for asked in requests).items())


def test_every_request_with_its_outcome(tmp_path: Path) -> None:
    """Raw, compressed and open segments: `requests` has what was asked, request and response as one."""
    requests = world()
    write(tmp_path / "j", requests)
    found = ask(
        tmp_path / "j",
        "SELECT request_id, operation, path, mount_point, display_name, entity_id, remote_address, accessor, outcome, "
        "strftime(time, '%Y-%m-%dT%H:%M:%S.%f') || 'Z', duration_ms, is_root FROM requests ORDER BY request_id",
    )
    expected = [
        (
            f"id-{a.number:08d}",
            a.operation,
            a.path,
            a.mount,
            a.name,
            a.entity,
            a.address,
            a.accessor,
            a.outcome,
            shown(a.at),
            a.duration,
            a.who == 0,
        )
        for a in requests
    ]
    assert expected == found


def test_records_are_where_the_journal_has_them(tmp_path: Path) -> None:
    """Offsets and lengths of `records` tile the journal, torn ones included; what has not ended is no record yet."""
    requests = world(50)
    write(tmp_path / "j", requests)
    expected = []
    offset = 0
    for line in [line for asked in requests for line in asked.lines()]:
        expected.append((offset, len(line), False, "n", JOURNAL_ID))
        offset += len(line)
    expected.append((offset, len(b'{"torn\n'), True, "n", JOURNAL_ID))
    sql = 'SELECT "offset", length, torn, node, journal FROM records ORDER BY "offset"'
    assert expected == ask(tmp_path / "j", sql)


def test_keys_of_a_list(tmp_path: Path) -> None:
    """response_keys is the number of keys that a LIST gave."""
    requests = world(200)
    write(tmp_path / "j", requests)
    expected = sum(asked.thing for asked in requests if asked.kind == LIST)
    assert [(expected,)] == ask(tmp_path / "j", "SELECT sum(response_keys) FROM requests")


def test_since_and_until(tmp_path: Path) -> None:
    """Records of [since, until) only, and segments outside are not even read."""
    requests = world(300)
    write(tmp_path / "j", requests, segments=10)
    since, until = datetime(2024, 5, 7, tzinfo=UTC), datetime(2024, 5, 8, tzinfo=UTC)
    times = [at for a in requests for at in (a.at, None if a.duration is None else a.at + a.duration) if at is not None]
    expected = len([at for at in times if DAY <= at < 2 * DAY])
    sql = "SELECT count(*) FROM records WHERE NOT torn"
    assert [(expected,)] == ask(tmp_path / "j", sql, since=since, until=until)
    whole = sum(stretch.bytes for stretch in journal_source(str(tmp_path / "j")).stretches)
    part = sum(stretch.bytes for stretch in journal_source(str(tmp_path / "j"), since=since, until=until).stretches)
    assert part < whole * 0.6


def test_several_journals_and_one_twice(tmp_path: Path) -> None:
    """A journal that is named twice counts once."""
    requests = world(60)
    write(tmp_path / "j", requests)
    root = str(tmp_path / "j")
    connection = open_database([root, root])
    assert (
        outcomes(requests)
        == connection.execute("SELECT outcome, count(*) FROM requests GROUP BY 1 ORDER BY 1").fetchall()
    )
    assert [(4,)] == connection.execute("SELECT count(*) FROM seals").fetchall()


def test_a_half_that_comes_twice(tmp_path: Path) -> None:
    """Two devices in one stream, or a replayed request: one row, the first times."""
    asked = Asked(1, LIST, 1, 2, 1000, 5, "ok")
    later = Asked(1, LIST, 1, 2, 9000, 5, "ok")
    journal = Crafted(tmp_path / "j")
    journal.add(b"".join(asked.lines() + later.lines()))
    expected = [("id-00000001", 5.0, "ok", 0)]
    assert expected == ask(tmp_path / "j", 'SELECT request_id, duration_ms, outcome, "offset" FROM requests')


def test_a_login_is_whole_for_whom_it_let_in(tmp_path: Path) -> None:
    """Who logs in is in the response alone: the macros take the request's half along, and nobody else's."""
    journal, lines = Crafted(tmp_path / "j"), []
    for number, name in enumerate(("bob", "eve", None)):
        asked = {"id": f"r{number}", "operation": "update", "path": "auth/userpass/login/x"}
        auth = {"display_name": name, "policies": ["dev", str(name)]} if name else {}
        at = f"2024-05-06T00:00:0{number}"
        lines.append({"time": f"{at}.0Z", "type": "request", "auth": {}, "request": asked})
        lines.append({"time": f"{at}.5Z", "type": "response", "auth": auth, "request": asked})
    journal.add(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    columns = "request_id, outcome, duration_ms"
    with closing(open_database([str(tmp_path / "j")])) as database:
        found = [
            database.execute(f"SELECT {columns} FROM {source} ORDER BY 1").fetchall()
            for source in ("requests_by('b*')", "requests_with_policy('eve')", "requests_with_policy('dev')")
        ]
    bob, eve = (("r0", "ok", 500.0), ("r1", "ok", 500.0))
    assert [[bob], [eve], [bob, eve]] == found


def test_texts_are_those_of_the_response(tmp_path: Path) -> None:
    """A login's response says who it was, its request does not; a request alone says what it can."""
    request, response = Asked(1, LIST, 1, 2, 1000, 5, "ok").lines()
    nobody = request.replace(b'"auth": {', b'"was": {')
    alone = Asked(2, LIST, 1, 2, 2000, 5, "ok").lines()[0]
    Crafted(tmp_path / "j").add(nobody + response + alone)
    expected = [("id-00000001", "user-1", "ok", 0), ("id-00000002", "user-1", "no-response", len(nobody + response))]
    sql = 'SELECT request_id, display_name, outcome, "offset" FROM requests ORDER BY ALL'
    assert expected == ask(tmp_path / "j", sql)


def test_halves_without_a_partner_or_an_id(tmp_path: Path) -> None:
    """A response alone is `response-only`, a request alone `no-response`, and one without an id a row of its own."""
    request, response = Asked(1, LIST, 1, 2, 1000, 5, "ok").lines()
    alone = Asked(2, SEAL, 1, 2, 2000, None, "no-response").lines()[0]
    nameless = request.replace(b'"id": "id-00000001", ', b"")
    journal = Crafted(tmp_path / "j")
    journal.add(response + alone + nameless + nameless)
    expected = [("id-00000001", "response-only"), ("id-00000002", "no-response")]
    sql = "SELECT request_id, outcome FROM requests ORDER BY ALL NULLS LAST"
    assert [*expected, (None, "no-response"), (None, "no-response")] == ask(tmp_path / "j", sql)


def test_plugins_records(tmp_path: Path) -> None:
    """`kmip-request` and `kmip-response` are halves of a request as well."""
    lines = [
        line.replace(b'"request", "auth"', b'"kmip-request", "auth"').replace(
            b'"response", "auth"', b'"kmip-response", "auth"'
        )
        for line in Asked(1, LIST, 1, 2, 1000, 5, "ok").lines()
    ]
    Crafted(tmp_path / "j").add(b"".join(lines))
    assert [("ok", 5.0)] == ask(tmp_path / "j", "SELECT outcome, duration_ms FROM requests")


def test_incidents_and_seals(tmp_path: Path) -> None:
    """incidents.jsonl and the seals are tables as well."""
    requests = world(40)
    journal = write(tmp_path / "j", requests, segments=2)
    journal.incident("truncated", 5, 7, {"why": "it's"})
    incidents = ask(tmp_path / "j", 'SELECT node, journal, time, kind, "offset", length, detail FROM incidents')
    moment = datetime(2024, 5, 6, 7)  # noqa: DTZ001 - the database's UTC
    assert [("n", JOURNAL_ID, moment, "truncated", 5, 7, json.dumps({"why": "it's"}))] == incidents
    seals = ask(tmp_path / "j", 'SELECT base, "end", records, signed FROM seals ORDER BY base')
    assert journal.bases[:2] == [base for base, _, _, _ in seals]
    assert sum(len(asked.lines()) for asked in requests) == sum(records for _, _, records, _ in seals)
    assert [False, False] == [signed for _, _, _, signed in seals]


def test_a_record_over_a_segments_end(tmp_path: Path) -> None:
    """A record that two segments share is one record, wherever stretches begin."""
    lines = [line for asked in world(20) for line in asked.lines()]
    data = b"".join(lines)
    cut = len(b"".join(lines[:10])) + 30
    journal = Crafted(tmp_path / "j")
    journal.compress(journal.add(data[:cut]))
    journal.add(data[cut:])
    stretches = journal_source(str(tmp_path / "j"), stretch_bytes=0).stretches
    reader = JournalReader(Layout(str(tmp_path / "j")))
    found = [record.length for s in stretches for record in records_between(reader, s.start, s.end, b"")]
    reader.close()
    assert [len(line) for line in lines] == found
    assert [0, cut] == [stretch.base for stretch in stretches]
    assert [(len(lines), 0)] == ask(tmp_path / "j", "SELECT count(*), count(*) FILTER (torn) FROM records")


def test_a_hole_between_segments(tmp_path: Path) -> None:
    """What stands before a hole is torn, and the records after it are found."""
    first, second = (b"".join(asked.lines()) for asked in world(4)[2:])
    journal = Crafted(tmp_path / "j")
    journal.add(first + b'{"cut', mode=0o400)
    journal.add(second, base=journal.end + 1000)
    assert [(5, 1)] == ask(tmp_path / "j", "SELECT count(*), count(*) FILTER (torn) FROM records")


def test_vaults_prefix(tmp_path: Path) -> None:
    """A prefix is not torn bytes: named by the caller, or by the config that lies in the journal."""
    lines = [b"@cee: " + line for asked in world(5) for line in asked.lines()]
    Crafted(tmp_path / "j").add(b"".join(lines))
    sql = "SELECT count(*), count(*) FILTER (torn) FROM records"
    assert [(len(lines), 0)] == ask(tmp_path / "j", sql, prefix="@cee: ")
    (tmp_path / "j" / "config.yaml").write_text('source: {file: /a, prefix: "@cee: "}\njournal: {path: /j}\n')
    assert [(len(lines), 0)] == ask(tmp_path / "j", sql)


def test_workers(tmp_path: Path) -> None:
    """A journal that is too large to be read alone is read by several processes, and gives the same."""
    requests = [asked for number in range(60) for asked in world(400)]
    lines = b"".join(line for asked in requests for line in asked.lines())
    journal = Crafted(tmp_path / "j")
    for _ in range(3):
        journal.add(lines)
    expected = 3 * lines.count(b"\n")
    told: list[tuple[int, int]] = []
    assert STRETCH_BYTES > len(lines) > 8 << 20
    sql = "SELECT count(*), count(*) FILTER (torn) FROM records"
    assert [(expected, 0)] == ask(tmp_path / "j", sql, progress=lambda done, total: told.append((done, total)))
    assert (3 * len(lines), 3 * len(lines)) == told[-1]


def test_a_damaged_segment_is_told(tmp_path: Path) -> None:
    """A segment that cannot be unpacked ends the query, and says what to do; nothing is left behind."""
    requests = world(40)
    journal = write(tmp_path / "j", requests)
    journal.flip(journal.file(journal.bases[1], ".log.zst"), 20)
    room = tmp_path / "room"
    room.mkdir()
    with pytest.raises(JournalError, match=f"{tmp_path}/j cannot be read .*log.zst is damaged.*Restore"):
        open_database([str(tmp_path / "j")], room=Room(spill_directory=str(room)))
    assert [] == os.listdir(room)


def test_files_go_with_the_connection(tmp_path: Path) -> None:
    """The database's directory is deleted with the connection."""
    write(tmp_path / "j", world(5))
    room = tmp_path / "room"
    room.mkdir()
    connection = open_database([str(tmp_path / "j")], room=Room(spill_directory=str(room)))
    assert 1 == len(os.listdir(room))
    connection.close()
    del connection
    assert [] == os.listdir(room)


def test_no_journal(tmp_path: Path) -> None:
    """A location that is nothing of ours is refused."""
    with pytest.raises(UsageError, match="holds no segments"):
        open_database([str(tmp_path)])
    with pytest.raises(UsageError, match="is no journal, archive or export"):
        open_database([str(tmp_path / "missing")])
