from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.analysis.tail import READ_BYTES, RECENT, TailSettings, tail_journal, tail_stream
from standpipe.analysis.tail_filter import Wish
from standpipe.analysis.tail_pairs import Exchange
from standpipe.errors import StandpipeError
from standpipe.journal.layout import Layout
from tests.analysis.tail_records import record
from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from standpipe.analysis.tail import Shown

TIMEOUT_SECONDS = 60


def pair(number: int, second: float = 0.0) -> bytes:
    """Return a request and its response, as lines."""
    return record("request", number, second=second) + b"\n" + record("response", number, second=second + 0.01) + b"\n"


class Seen:
    """What was shown, in words."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.words: list[str] = []

    def show(self, items: Iterable[Shown]) -> None:
        """Note what is shown."""
        for item in items:
            if isinstance(item, Exchange):
                self.words.append(f"{item.first.offset} {item.half.request_id} {item.outcome}")
            else:
                self.words.append(f"{item.offset} {item.kind} {item.length}")


def seen_in(journal: Crafted, **wish: object) -> list[str]:
    """Show what is there, and stop."""
    seen = Seen()
    tail_journal(Layout(str(journal.root)), TailSettings(Wish(**wish), follow=False), seen.show)  # type: ignore[arg-type]
    return seen.words


def test_a_journal_is_read_from_its_first_to_its_last_record(tmp_path: Path) -> None:
    """Sealed, compressed and open segments are one stream; pairs that span segments are pairs."""
    journal = Crafted(tmp_path / "j")
    first, second = pair(1).splitlines(keepends=True)
    journal.compress(journal.seal(journal.add(pair(0) + first)))
    journal.seal(journal.add(second))
    journal.add(pair(2) + record("request", 3) + b"\n" + b'{"type":"requ', mode=0o600)
    size = len(pair(0))
    assert [
        "0 id-0 ok",
        f"{size} id-1 ok",
        f"{2 * size} id-2 ok",
        f"{3 * size} id-3 no-response",
    ] == seen_in(journal)


def test_gaps_and_torn_records_are_shown(tmp_path: Path) -> None:
    """Addresses that hold nothing, and half a record, stand where they are; a narrow wish hides them."""
    journal = Crafted(tmp_path / "j")
    journal.add(pair(0) + b'{"half')
    size = len(pair(0))
    journal.add(pair(1), base=size + 100, mode=0o600)
    expected = ["0 id-0 ok", f"{size} torn 6", f"{size + 6} gap 94", f"{size + 100} id-1 ok"]
    assert expected == seen_in(journal)
    assert ["0 id-0 ok"] == seen_in(journal, paths=("secret/0",))


def test_since_begins_at_a_requests_time(tmp_path: Path) -> None:
    """A request before the moment is not shown, nor is its response alone, which came after it."""
    journal = Crafted(tmp_path / "j")
    journal.seal(journal.add(pair(0)))
    early = record("request", 1, second=9.995) + b"\n" + record("response", 1, second=10.005) + b"\n"
    journal.add(early + pair(2, second=10), mode=0o600)
    moment = 1772359200 * 10**9 + 10 * 10**9
    assert [f"{len(pair(0)) + len(early)} id-2 ok"] == seen_in(journal, since=moment)


def test_progress_is_of_what_was_there(tmp_path: Path) -> None:
    """The last word is all of it."""
    journal = Crafted(tmp_path / "j")
    journal.add(b"".join(map(pair, range(READ_BYTES // len(pair(0)) + 2))), mode=0o600)
    told: list[tuple[int, int]] = []
    settings = TailSettings(follow=False)
    tail_journal(Layout(str(journal.root)), settings, Seen().show, lambda done, total: told.append((done, total)))
    assert len(told) == 2
    assert (journal.end, journal.end) == told[-1]


def test_xml_is_refused(tmp_path: Path) -> None:
    """A device with format=jsonx has no lines, and that is said."""
    journal = Crafted(tmp_path / "j")
    journal.add(b'<json:object name="auth"></json:object>\n', mode=0o600)
    with pytest.raises(StandpipeError, match="format=jsonx"):
        seen_in(journal)


def test_a_stream_ends_with_its_end(tmp_path: Path) -> None:
    """A file as the stream: pairs, a line without its newline, and what waited in vain."""
    path = tmp_path / "stream"
    path.write_bytes(pair(0) + record("request", 1) + b"\nnoise")
    seen = Seen()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        tail_stream(descriptor, TailSettings(follow=False), seen.show)
    finally:
        os.close(descriptor)
    assert ["None id-0 ok", "None torn 5", "None id-1 no-response"] == seen.words


def test_a_live_journal_is_followed(tmp_path: Path) -> None:
    """The last requests come first, then each new one as it is written, in another segment too."""
    journal = Crafted(tmp_path / "j")
    first = journal.add(b"".join(map(pair, range(RECENT + 3))), mode=0o600)
    words = [sys.executable, "-m", "standpipe", "tail", "--journal", str(journal.root), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            recent = [json.loads(process.stdout.readline())["request_id"] for _ in range(RECENT)]
            assert [f"id-{number}" for number in range(3, RECENT + 3)] == recent
            with journal.file(first, ".log").open("ab") as file:
                file.write(pair(100))
            assert "id-100" == json.loads(process.stdout.readline())["request_id"]
            journal.end += len(pair(100))
            journal.file(first, ".log").chmod(0o400)
            journal.add(pair(101), mode=0o600)
            assert "id-101" == json.loads(process.stdout.readline())["request_id"]
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)
