"""The harness itself, on a real OpenBao without standpipe: what the other e2e tests stand on."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from tests.e2e.openbao import (
    START_UP_RECORDS,
    Client,
    Load,
    bao_path,
    count_records,
    differences,
    expected_records,
    running_openbao,
    without_repeats,
)

if TYPE_CHECKING:
    from pathlib import Path


class Reader:
    """The simplest reader of a FIFO: a thread that keeps all bytes."""

    def __init__(self, fifo: Path) -> None:
        """Create the FIFO and begin to read."""
        os.mkfifo(fifo, 0o600)
        self.data = bytearray()
        self._fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._fd, True)
        self._keep = os.open(fifo, os.O_WRONLY)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while piece := os.read(self._fd, 65536):
            self.data += piece

    def finish(self) -> bytes:
        """Read to the end, after the server has gone."""
        os.close(self._keep)
        self._thread.join()
        os.close(self._fd)
        return bytes(self.data)


def test_requests_and_records_agree_on_a_fifo(tmp_path: Path) -> None:
    """A client's list plus the start-up set is exactly what OpenBao writes, also across a SIGHUP."""
    reader = Reader(tmp_path / "audit.fifo")
    try:
        with running_openbao(tmp_path, bao=bao_path(), audit_path=tmp_path / "audit.fifo") as bao:
            client = Client(bao.port)
            client.set_up()
            client.ask_many(25)
            bao.hang_up()
            client.ask_many(25)
            other = Client(bao.port, "b")
            other.set_up()
            with Load(other):
                client.ask_many(50)
            client.close()
    finally:
        data = reader.finish()
    assert [] == differences(expected_records([client, other]), count_records(data))
    assert 101 == len(client.samples)


def test_start_up_set_on_a_file(tmp_path: Path) -> None:
    """A server that nobody asks anything writes the start-up set, and no more on SIGHUP and at its end."""
    audit = tmp_path / "audit.log"
    with running_openbao(tmp_path, bao=bao_path(), audit_path=audit) as bao:
        at_start = count_records(audit.read_bytes())
        bao.hang_up()
        status = bao.terminate()
    assert status == 0
    assert at_start == START_UP_RECORDS
    assert count_records(audit.read_bytes()) == START_UP_RECORDS


def test_a_lost_record_is_seen(tmp_path: Path) -> None:
    """The comparison names a record that is missing and one that nobody asked for."""
    client = Client(0, expected=[("read", "kv-a/1")])
    expected = expected_records([client])
    found = expected.copy()
    found[("response", "read", "kv-a/1")] -= 1
    found[("request", "read", "kv-a/2")] += 1
    assert differences(expected, found) == [
        "missing 1 × response read kv-a/1",
        "too much 1 × request read kv-a/2",
    ]


def test_listed_repeats_are_taken_out() -> None:
    """One cut line and the listed repeat behind it leave exactly the journal."""
    found = without_repeats(b"one\ntwo\nthr\ntwo\nthree\n", b"one\ntwo\nthree\n", 100, [(104, 9)])
    assert (found.data, found.repeated, found.cut_lines, found.problems) == (b"one\ntwo\nthree\n", 1, 1, [])


def test_unlisted_repeats_and_strangers_are_problems() -> None:
    """A repeat outside the list, a step forward and a foreign line each make a problem."""
    found = without_repeats(b"one\none\nfoo\nthree\n", b"one\ntwo\nthree\n", 0, [(4, 4)])
    assert found.problems == [
        "the record at 0 came twice and is not listed",
        "a line that the journal does not hold: b'foo\\n'",
        "4 bytes before offset 8 did not come in order",
    ]
