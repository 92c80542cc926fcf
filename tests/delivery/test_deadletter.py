from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from standpipe.delivery.deadletter import BYTES_MAX, CAP_DIVISOR, DeadLetters, bytes_max
from standpipe.delivery.ledger import Ledger
from standpipe.journal import incidents
from standpipe.journal.layout import Layout
from standpipe.records.framing import Record
from tests.evidence.craft import JOURNAL_ID, Crafted

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_700_000_000.0
PLENTY = 1 << 20


class Box:
    """The dead letters of one sink."""

    def __init__(self, directory: Path) -> None:
        Crafted(directory / "journal")
        self.layout = Layout(str(directory / "journal"))
        self.path = Path(self.layout.dead_letters("web"))

    def letters(self, limit_bytes: int = PLENTY) -> DeadLetters:
        """Return what puts them away."""
        return DeadLetters(self.layout, "web", JOURNAL_ID, limit_bytes, Ledger(self.layout.incidents))

    def lines(self) -> list[dict[str, object]]:
        """Return the lines that are whole."""
        return [json.loads(line) for line in self.path.read_bytes().splitlines() if line.endswith(b"}")]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Return an empty one."""
    return Box(tmp_path)


def record(offset: int, body: bytes = b'{"a":1}', *, is_seal: bool = False) -> Record:
    """Return a record."""
    return Record(offset, len(body) + 1, body, torn=False, is_seal=is_seal)


def test_a_letter_and_its_incident(box: Box) -> None:
    """Reason, id, place and text; an incident each."""
    assert box.letters().add([(record(5), "too large"), (record(13, is_seal=True), "no")], NOW) is None
    assert [
        {
            "time": "2023-11-14T22:13:20.000Z",
            "id": f"{JOURNAL_ID}-{5:020d}",
            "offset": 5,
            "length": 8,
            "why": "too large",
            "record": '{"a":1}',
        },
        {
            "time": "2023-11-14T22:13:20.000Z",
            "id": f"{JOURNAL_ID}-{13:020d}-seal",
            "offset": 13,
            "length": 8,
            "why": "no",
            "record": '{"a":1}',
        },
    ] == box.lines()
    assert [
        ("dead-letter", 5, 8, {"sink": "web", "why": "too large", "seal": False}),
        ("dead-letter", 13, 8, {"sink": "web", "why": "no", "seal": True}),
    ] == [
        (entry["kind"], entry["offset"], entry["length"], entry["detail"])
        for entry in incidents.read(box.layout.incidents)
    ]
    assert 0o600 == box.path.stat().st_mode & 0o777


@pytest.mark.parametrize("body", [b'{"big":12345678901234567890,"r":1,"r":2,"x":1e400}', '{"ü":"𝄞\\u0000"}'.encode()])
def test_the_text_comes_back(box: Box, body: bytes) -> None:
    """Nothing of a record is interpreted: numbers, repeated keys and escapes are what Vault wrote."""
    box.letters().add([(record(0, body), "no")], NOW)
    assert body == str(box.lines()[0]["record"]).encode()


def test_bytes_that_are_no_text_come_back(box: Box) -> None:
    """A torn record may be anything."""
    box.letters().add([(record(0, b'{"\xff\x00'), "no")], NOW)
    (line,) = box.lines()
    assert b'{"\xff\x00' == b64decode(str(line["record_base64"]))
    assert "record" not in line


def test_it_is_durable_before_it_is_told(box: Box) -> None:
    """The file is synced after the line, and its name where it is new, before the incident."""
    steps: list[str] = []

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def step(descriptor: int, *rest: object) -> object:
            steps.append(f"{name} {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
            return real(descriptor, *rest)

        return step

    with mock.patch("os.write", noted("write", os.write)), mock.patch("os.fsync", noted("fsync", os.fsync)):
        box.letters().add([(record(0), "no")], NOW)
    file = ["write web.jsonl", "fsync web.jsonl", "fsync deadletter"]
    assert [*file, "write incidents.jsonl", "fsync incidents.jsonl", "fsync journal"] == steps


def test_a_torn_last_line_is_closed(box: Box) -> None:
    """A full disk cut the file in the middle of a line: the next one stands on its own."""
    box.path.write_bytes(b'{"time":"2023')
    assert box.letters().add([(record(0), "no")], NOW) is None
    assert [0] == [line["offset"] for line in box.lines()]
    assert box.path.read_bytes().startswith(b'{"time":"2023\n{')


def test_the_file_is_bounded(box: Box) -> None:
    """At its limit it takes nothing more, and no incident tells what is not there; moved away, it takes again."""
    letters = box.letters(limit_bytes=400)
    assert letters.add([(record(0), "no")], NOW) is None
    refused = letters.add([(record(8), "x" * 300)], NOW)
    assert refused is not None
    assert "have reached their limit of 400 bytes" in refused
    assert [0] == [line["offset"] for line in box.lines()]
    assert 1 == len(incidents.read(box.layout.incidents))
    box.path.rename(box.path.with_suffix(".seen"))
    assert letters.add([(record(8), "x" * 300)], NOW) is None
    assert [8] == [line["offset"] for line in box.lines()]


def test_an_empty_file_takes_any_record(box: Box) -> None:
    """Or a record that is larger than the limit could never be put away."""
    assert box.letters(limit_bytes=10).add([(record(0, b'{"a":"' + b"x" * 5000 + b'"}'), "no")], NOW) is None
    assert [0] == [line["offset"] for line in box.lines()]


def test_what_the_disk_refuses_is_said_in_words(box: Box) -> None:
    """It is tried again, so nothing is raised."""
    box.path.mkdir()
    refused = box.letters().add([(record(0), "no")], NOW)
    assert f"{box.path}: Is a directory" == refused
    assert [] == incidents.read(box.layout.incidents)


def test_a_link_is_not_followed(box: Box, tmp_path: Path) -> None:
    """Records go into no file that somebody else chose."""
    box.path.symlink_to(tmp_path / "elsewhere")
    assert box.letters().add([(record(0), "no")], NOW) is not None
    assert not (tmp_path / "elsewhere").exists()


def test_how_much_of_the_cap() -> None:
    """An eighth of the journal's cap, and never more than a file that somebody can look at."""
    assert [BYTES_MAX, 1 << 20, BYTES_MAX] == [
        bytes_max(None),
        bytes_max(CAP_DIVISOR << 20),
        bytes_max(1 << 50),
    ]


def test_the_files_of_all_sinks_share_one_limit(box: Box) -> None:
    """They count against one cap: another sink's letters leave less room for this one's."""
    letters = box.letters(limit_bytes=600)
    assert letters.add([(record(0), "no")], NOW) is None
    other = box.path.with_name("other.jsonl")
    other.write_bytes(b"x" * 500)
    refused = letters.add([(record(8), "no")], NOW)
    assert refused is not None
    assert "have reached their limit of 600 bytes" in refused
    other.unlink()
    assert letters.add([(record(8), "no")], NOW) is None
