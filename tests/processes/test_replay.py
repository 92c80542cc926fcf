from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_UNABLE, EXIT_USAGE
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from tests.evidence.craft import Crafted, record
from tests.processes.front_door import FrontDoor
from tests.sinks.http_destination import HttpDestination

if TYPE_CHECKING:
    from collections.abc import Iterator

SELECT = "select: {operations: [read]}, drop_fields: [request.data], add: {cluster: blue}"


def line(number: int) -> bytes:
    """Return a record of which every third one is a read."""
    operation = "read" if number % 3 == 0 else "update"
    return (
        f'{{"time":"2024-05-06T07:00:{number:02d}Z","type":"request",'
        f'"request":{{"operation":"{operation}","data":{{"n":{number}}},"id":12345678901234567890}}}}\n'
    ).encode()


class Place:
    """A journal with a gap, a torn record, sealed, compressed and open segments; and a destination."""

    def __init__(self, directory: Path, ends: ExitStack) -> None:
        self.directory = directory
        self.journal = Crafted(directory / "journal")
        self.layout = Layout(str(self.journal.root))
        self.web = ends.enter_context(HttpDestination())
        self.config = directory / "config.yaml"
        self._ends = ends
        self._number = 0
        self.add_segment(10)
        self.journal.compress(0)
        base = self.add_segment(10, b'{"time":"2024-05-06T07:00')  # cut by a power loss
        self.add_segment(10, gap=100_000, before=b"torn\n")
        self.journal.add(b"".join(line(number) for number in range(30, 40)), mode=0o600)
        assert base

    def add_segment(self, count: int, rest: bytes = b"", *, gap: int = 0, before: bytes = b"") -> int:
        """Add a sealed segment."""
        lines = b"".join(line(number) for number in range(self._number, self._number + count))
        self._number += count
        base = self.journal.add(before + lines + rest, base=self.journal.end + gap)
        raw = before + lines + rest
        length = len(raw)
        self.journal.file(base, ".log").chmod(0o400)
        return self._seal(base, length)

    def _seal(self, base: int, length: int) -> int:
        """Seal by hand: the lines need not all be records."""
        raw = self.journal.file(base, ".log").read_bytes()
        whole = b"".join(
            part for part in raw.splitlines(keepends=True) if part.startswith(b'{"time') and part[-1:] == b"\n"
        )
        self.journal.write(self.journal.file(base, ".log"), whole)
        self.journal.seal(base)
        path = self.journal.file(base, ".seal.json")
        seal = json.loads(path.read_bytes()) | {"end": base + length}
        self.journal.write(path, json.dumps(seal, separators=(",", ":")).encode() + b"\n")
        self.journal.write(self.journal.file(base, ".log"), raw)
        self.journal.file(base, ".log").chmod(0o400)
        return base

    def append(self, data: bytes) -> None:
        """Write on in the last segment."""
        with self.journal.file(self.journal.bases[-1], ".log").open("ab") as file:
            file.write(data)

    def web_config(self, more: str = "deliver_seals: true") -> None:
        """Name the destination in the config."""
        self.config.write_text(f'sinks: {{web: {{type: http, url: "{self.web.url}", {more}}}}}\n')

    def run(self, *arguments: str) -> FrontDoor:
        """Run a command on the journal with the config."""
        options = ("--journal", str(self.journal.root), "--config", str(self.config))
        with (self.directory / "stdout").open("wb") as out:
            door = FrontDoor(self.directory, *arguments, *options, stdout=out.fileno())
        self._ends.callback(door.kill)
        door.process.wait(60)
        return door

    def sent(self) -> list[bytes]:
        """Deliver everything for the first time; return what arrived."""
        assert EXIT_OK == self.run("ship", "--once").status()
        return self.taken()

    def taken(self) -> list[bytes]:
        """Return what arrived since this was asked."""
        found = [received.raw for received in self.web.records]
        self.web.records.clear()
        return found

    def replay(self, *arguments: str, sink: str = "web") -> list[bytes]:
        """Replay; return what arrived. Where the stretch has lost bytes the exit status says so."""
        door = self.run("replay", "--sink", sink, *arguments, "--json")
        lost = door.messages()[-1]["lost_bytes"]
        assert (EXIT_NEGATIVE if lost else EXIT_OK) == door.status()
        return self.taken()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a place."""
    with ExitStack() as ends:
        yield Place(tmp_path, ends)


def envelope(raw: bytes) -> dict[str, object]:
    """Return a record's envelope."""
    found = json.loads(raw)["standpipe"]
    assert isinstance(found, dict)
    return found


def begin(raw: bytes) -> int:
    """Return where a record begins."""
    return int(str(envelope(raw)["offset"]))


def end(raw: bytes) -> int:
    """Return where a record, or a sealed segment, ends."""
    return begin(raw) + int(str(envelope(raw)["length"]))


def is_seal(raw: bytes) -> bool:
    """Tell a seal from a record."""
    return envelope(raw).get("kind") == "seal"


@pytest.mark.parametrize(
    "more", ["deliver_seals: true", SELECT, f"{SELECT}, deliver_seals: false, batch: {{records: 3}}"]
)
def test_what_is_sent_again_is_the_same_to_the_byte(place: Place, more: str) -> None:
    """From the beginning, and from any record on: ids, `after`, labels, what was cut out, seals."""
    place.web_config(more)
    first = place.sent()
    assert first[:-1]
    assert first == place.replay("--from", "0")
    offsets = [begin(raw) for raw in first if not is_seal(raw)]
    for offset in (offsets[1], offsets[-8], offsets[-1]):
        expected = [raw for raw in first if (end(raw) if is_seal(raw) else begin(raw) + 1) > offset]
        assert expected == place.replay("--from", str(offset))


def test_after_a_gap_the_first_record_says_what_it_said(place: Place) -> None:
    """Its `after` is the end of the gap: what was in it is lost, and was not filtered; the seals tell of it."""
    place.web_config("deliver_seals: false")
    first = place.sent()
    gap_end = place.journal.bases[2]
    (at_gap, *_) = expected = [raw for raw in first if begin(raw) >= gap_end]
    assert (gap_end, gap_end) == (begin(at_gap), envelope(at_gap)["after"])
    assert expected == place.replay("--from", str(gap_end))


def test_a_sink_that_began_in_the_middle(place: Place) -> None:
    """Nothing before its start counts as sent to it."""
    place.web_config(f"{SELECT}, start: latest")
    place.append(line(40))  # not for this sink
    start = place.journal.end + len(line(40))
    door = FrontDoor(place.directory, "ship", "--journal", place.layout.root, "--config", str(place.config))
    door.wait_for("delivering")
    door.signal()
    assert EXIT_OK == door.status()
    assert [] == [raw for raw in place.taken() if not is_seal(raw)]
    place.append(b"".join(line(number) for number in range(41, 46)))
    first = [raw for raw in place.sent() if not is_seal(raw)]
    assert start == envelope(first[0])["after"]
    again = [raw for raw in place.replay("--from", str(begin(first[0]))) if not is_seal(raw)]
    assert first == again


def test_between_two_offsets(place: Place) -> None:
    """What begins in [from, to); an offset inside a record stands for the record; the empty range is nothing."""
    place.web_config("deliver_seals: false")
    first = place.sent()
    third, fifth = first[2], first[4]
    assert first[2:4] == place.replay("--from", str(begin(third)), "--to", str(begin(fifth)))
    assert first[2:5] == place.replay("--from", str(begin(third) + 7), "--to", str(begin(fifth) + 7))
    assert [] == place.replay("--from", "0", "--to", "0")
    assert EXIT_USAGE == place.run("replay", "--sink", "web", "--from", "200", "--to", "100").status()
    assert [] == place.taken()


def test_between_two_times(place: Place) -> None:
    """By the records' own time."""
    place.web_config("deliver_seals: false")
    first = place.sent()
    got = place.replay("--from", "2024-05-06T07:00:08Z", "--to", "2024-05-06T09:00:12+02:00")
    assert [8, 9, 10, 11] == [json.loads(raw)["request"]["data"]["n"] for raw in got]
    assert [raw for raw in first if raw in got] == got
    assert [] == place.replay("--from", "2030-01-01T00:00:00Z")


def test_the_cursor_stays(place: Place) -> None:
    """Also while ship runs: what is sent are copies."""
    place.web_config()
    place.sent()
    before = read_cursor(place.layout.cursor("web"))
    door = FrontDoor(place.directory, "ship", "--journal", place.layout.root, "--config", str(place.config))
    door.wait_for("delivering")
    place.replay("--from", "0")
    door.signal()
    assert EXIT_OK == door.status()
    after = read_cursor(place.layout.cursor("web"))
    assert before is not None
    assert after is not None
    assert (before.offset, before.delivered) == (after.offset, after.delivered)


@pytest.mark.parametrize("form", ["raw", "json", "gcp"])
def test_stdout(place: Place, form: str) -> None:
    """For stdout as well, in every format."""
    place.config.write_text(f"sinks: {{out: {{type: stdout, format: {form}}}}}\n")
    out = place.directory / "stdout"
    assert EXIT_OK == place.run("ship", "--once").status()
    first = out.read_bytes().splitlines()
    place.replay("--from", "0", sink="out")
    again = out.read_bytes().splitlines()
    assert first == again
    place.replay("--from", str(place.journal.bases[3]), sink="out")
    assert first[-10:] == out.read_bytes().splitlines()


def test_half_a_record_is_left_to_ship(place: Place) -> None:
    """Ship alone knows whether the rest of it will come."""
    place.web_config("deliver_seals: false")
    first = place.sent()
    place.append(b'{"half')
    assert first == place.replay("--from", "0")


def test_what_was_sent_is_told(place: Place) -> None:
    """As one object on stderr, because stdout may be where the records go."""
    place.web_config(f"{SELECT}, deliver_seals: false")
    door = place.run("replay", "--sink", "web", "--from", "0", "--to", str(place.journal.bases[1]), "--json")
    counts = {"delivered": 4, "filtered": 6, "dead_letters": 0, "lost_bytes": 0}
    assert {"sink": "web", "from": 0, "to": place.journal.bases[1], **counts} == door.messages()[-1]
    door = place.run("replay", "--sink", "web", "--from", "0", "--json")
    assert (EXIT_NEGATIVE, 100_000) == (door.status(), door.messages()[-1]["lost_bytes"])


def test_dead_letters_are_a_bad_end(place: Place) -> None:
    """What the destination refuses for good is put away as by ship, and the exit status says so."""
    place.web_config("deliver_seals: false")
    place.web.marker = b'{"n":7}'
    assert EXIT_NEGATIVE == place.run("replay", "--sink", "web", "--from", "0").status()
    (letter,) = map(json.loads, Path(place.layout.dead_letters("web")).read_text().splitlines())
    assert '{"n":7}' in str(letter["record"])
    assert 40 + 2 - 1 == len(place.taken())  # 40 records and two torn ones


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--sink", "nobody", "--from", "0"), EXIT_USAGE, "there is no sink 'nobody'"),
        (("--sink", "web", "--from", "99999999"), EXIT_USAGE, "--from 99999999 is not in the journal"),
        (("--sink", "web", "--from", "0", "--to", "99999999"), EXIT_USAGE, "--to 99999999 is not in the journal"),
        (("--sink", "web", "--from", "yesterday"), EXIT_USAGE, "is neither an offset nor a time"),
        (("--sink", "archive", "--from", "0"), EXIT_USAGE, "stores whole segments"),
        (("--sink", "shut", "--from", "0"), EXIT_UNABLE, "sink shut: "),
    ],
)
def test_what_is_refused(place: Place, arguments: tuple[str, ...], status: int, words: str) -> None:
    """What cannot be done is said, and nothing is sent."""
    place.web.answer(403, -1)
    place.config.write_text(
        f'sinks: {{web: {{type: http, url: "{place.web.url}"}}, shut: {{type: http, url: "{place.web.url}"}},'
        f' archive: {{type: objects, url: "file:///nowhere", cluster: a}}}}\n'
    )
    door = place.run("replay", *arguments)
    assert status == door.status()
    assert words in str(door.messages()[-1]["message"])
    assert [] == place.taken()


def test_a_prefix(place: Place, tmp_path: Path) -> None:
    """Vault's prefix is no obstacle to times."""
    journal = Crafted(tmp_path / "other")
    journal.add(b"".join(b"vault: " + record(number) for number in range(3)), mode=0o600)
    place.config.write_text('source: {prefix: "vault: "}\nsinks: {out: {type: stdout}}\n')
    place.journal = journal
    place.replay("--from", "2024-05-06T07:00:01Z", sink="out")
    assert record(1) + record(2) == (tmp_path / "stdout").read_bytes()


def test_a_torn_record_before_a_gap_is_in_the_stretch(place: Place) -> None:
    """Up to the gap, what the gap cut is sent again as well, as the torn record that it was."""
    place.web_config("deliver_seals: false")
    first = place.sent()
    gap = 100_000
    start, end = place.journal.bases[2] - gap, place.journal.bases[2]
    expected = [raw for raw in first if begin(raw) < start]
    assert envelope(expected[-1])["torn"] is True
    for to in (start, start + gap // 2, end):
        assert expected == place.replay("--from", "0", "--to", str(to))


def test_what_retention_takes_meanwhile_is_counted_as_lost(place: Place, tmp_path: Path) -> None:
    """The stretch was whole when replay began; the exit status and the counts say that it was not sent whole."""
    place.journal = Crafted(tmp_path / "large")
    for number in range(8):
        place.journal.add(record(number, 500) * 1000)
    last = place.journal.bases[-2]

    class Forgetful(HttpDestination):
        """While it takes the first request, the last segment but one is deleted."""

        def _take(self, *request):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202
            place.journal.file(last, ".log").unlink(missing_ok=True)
            return super()._take(*request)

    with Forgetful() as web:
        place.config.write_text(
            f'sinks: {{web: {{type: http, url: "{web.url}", batch: {{size: 64KiB, in_flight: 1}}}}}}\n'
        )
        door = place.run("replay", "--sink", "web", "--from", "0", "--json")
        told = door.messages()[-1]
        assert (7000, 500_000) == (told["delivered"], told["lost_bytes"])
        assert (EXIT_NEGATIVE, 7000) == (door.status(), len(web.records))
