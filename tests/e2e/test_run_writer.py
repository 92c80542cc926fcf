"""`standpipe run` with a writer of ours instead of Vault: every shape of bytes that may come out of the pipe."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.run_harness import STANDPIPE, journal_bytes, run_prefix

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import os, sys
fifo, payload, sizes = sys.argv[1], sys.argv[2], sys.argv[3]
pipe = os.open(fifo, os.O_WRONLY | os.O_APPEND)
data = memoryview(open(payload, "rb").read())
position = 0
for size in map(int, open(sizes).read().split()):
    piece = data[position : position + size]
    position += size
    while piece:
        piece = piece[os.write(pipe, piece) :]
"""
MIB = 1 << 20


def record(serial: int, size: int = 200) -> bytes:
    """Return one audit-like record of about this size."""
    body = {"time": "2026-01-02T03:04:05.678Z", "type": "request", "request": {"id": str(serial), "path": "a/b"}}
    text = json.dumps(body, separators=(",", ":"))
    return (text[:-1] + ',"pad":"' + "x" * max(0, size - len(text) - 11) + '"}\n').encode()


def deliver(directory: Path, pieces: list[bytes], config: str = "") -> bytes:
    """Send pieces, one write each, through `run`; return what came out on stdout."""
    (directory / "writer.py").write_text(WRITER)
    (directory / "payload").write_bytes(b"".join(pieces))
    (directory / "sizes").write_text(" ".join(str(len(piece)) for piece in pieces))
    (directory / "config.yaml").write_text(config or "journal: {segment_size: 1MiB, max_size: 1GiB}\n")
    names = [str(directory / name) for name in ("pipe", "payload", "sizes")]
    prefix = run_prefix(directory / "pipe", directory / "journal", directory / "config.yaml")
    command = [*prefix, sys.executable, str(directory / "writer.py"), *names]
    finished = subprocess.run(command, capture_output=True, check=False, timeout=300)
    assert 0 == finished.returncode, finished.stderr[-2000:]
    return finished.stdout


def in_writes(data: bytes, seed: int = 1) -> list[bytes]:
    """Cut bytes into writes of random sizes."""
    chance = random.Random(seed)  # noqa: S311 - cuts that can be repeated, not secrets
    cuts = sorted(chance.sample(range(1, len(data)), min(200, len(data) - 1)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def raw_of(line: bytes) -> bytes:
    """Return the journal's bytes that one line of format json stands for, without the newline at their end."""
    entry = json.loads(line)
    if "raw_base64" in entry:
        return base64.b64decode(entry["raw_base64"])
    if "raw" in entry:
        return bytes(entry["raw"], "utf-8")
    after_envelope = line.index(b"}") + 1
    return b"{" + line[after_envelope:].removeprefix(b",")


JUNK = random.Random(7).randbytes(50_000)  # noqa: S311 - as above
CASES = {
    "one byte lines": [b"\n"] * 50 + [b"x\n"] * 50,
    "all sizes": [record(i, size) for i, size in enumerate([60, 4095, 4096, 4097, 65535, 65536, 65537, MIB, 3 * MIB])],
    "cut over several writes": in_writes(b"".join(record(i, 900) for i in range(300))),
    "torn half with the next glued on": [record(1), record(2)[:77], record(3), record(4)],
    "binary junk": [JUNK, b"\n", record(1), b"\0\0\xff\xfe\n", record(2)],
    "no newline at the end": [record(1), b'{"time":"2026'],
    "nothing at all": [],
}


@pytest.mark.parametrize("case", CASES)
def test_raw_is_exact(tmp_path: Path, case: str) -> None:
    """Raw stdout is exactly what was written, and so is the journal."""
    written = b"".join(CASES[case])
    assert written == deliver(tmp_path, CASES[case])
    assert written == journal_bytes(tmp_path / "journal")


@pytest.mark.parametrize("case", CASES)
def test_json_lines_tile(tmp_path: Path, case: str) -> None:
    """Format json: every byte is in exactly one line's interval, and each line gives its bytes back."""
    written = b"".join(CASES[case])
    sinks = "journal: {segment_size: 1MiB, max_size: 1GiB}\nsinks: {console: {type: stdout, format: json}}\n"
    position = 0
    for line in deliver(tmp_path, CASES[case], sinks).splitlines():
        envelope = json.loads(line)["standpipe"]
        assert position == envelope["offset"] == envelope["after"]
        interval = written[position : position + envelope["length"]]
        assert raw_of(line) == interval.removesuffix(b"\n")
        position += envelope["length"]
    assert len(written) == position


def test_a_glued_record_is_found(tmp_path: Path) -> None:
    """Half a record with the next glued on gives a torn line and the whole next record, and an incident."""
    sinks = "sinks: {console: {type: stdout, format: json}}\n"
    half, whole = record(2)[:77], record(3)
    lines = deliver(tmp_path, [record(1), half, whole, record(4)], sinks).splitlines()
    entries = [json.loads(line) for line in lines]
    assert [None, True, None, None] == [entry["standpipe"].get("torn") for entry in entries]
    assert half.decode() == entries[1]["raw"]
    assert "3" == entries[2]["request"]["id"]
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "journal/incidents.jsonl").read_text().splitlines()]
    assert ["torn"] == kinds


def test_gcp_lines(tmp_path: Path) -> None:
    """Format gcp: severity, a unique insert id, labels and the record's own time."""
    sinks = "sinks: {cloud: {type: stdout, format: gcp, add: {cluster: blue}}}\n"
    failed = b'{"time":"2026-01-02T03:04:05Z","type":"response","error":"permission denied"}\n'
    entries = [json.loads(line) for line in deliver(tmp_path, [record(1), failed, b"junk\n"], sinks).splitlines()]
    assert ["INFO", "ERROR", "WARNING"] == [entry["severity"] for entry in entries]
    assert 3 == len({entry["logging.googleapis.com/insertId"] for entry in entries})
    assert "blue" == entries[0]["logging.googleapis.com/labels"]["cluster"]
    assert "2026-01-02T03:04:05.678Z" == entries[0]["time"]


def test_prefix_is_stripped_for_parsing_only(tmp_path: Path) -> None:
    """Vault's `prefix` option: kept in raw, stripped in json."""
    lines = [b"@cee: " + record(i) for i in range(3)]
    assert b"".join(lines) == deliver(tmp_path, lines)
    other = tmp_path / "json"
    other.mkdir()
    config = 'source: {prefix: "@cee: "}\nsinks: {console: {type: stdout, format: json}}\n'
    entries = [json.loads(line) for line in deliver(other, lines, config).splitlines()]
    assert ["0", "1", "2"] == [entry["request"]["id"] for entry in entries]


@pytest.mark.parametrize("output_format", ["raw", "json"])
def test_a_record_of_64_mebibytes(tmp_path: Path, output_format: str) -> None:
    """The largest record goes through whole, over many segments, and the one after it too."""
    pieces = [record(1), record(2, 64 * MIB), record(3)]
    sinks = f"sinks: {{console: {{type: stdout, format: {output_format}}}}}\n"
    config = f"journal: {{segment_size: 4MiB, max_size: 1GiB}}\n{sinks}"
    lines = deliver(tmp_path, pieces, config).split(b"\n")
    expected = [piece.rstrip(b"\n") for piece in pieces]
    assert expected == [raw_of(line) if output_format == "json" else line for line in lines if line]


def test_verify_and_status_agree_with_the_writer(tmp_path: Path) -> None:
    """`verify` and `status` tell the journal's end and that nothing is behind."""
    pieces = [record(i, 2000) for i in range(2000)]
    written = b"".join(pieces)
    deliver(tmp_path, pieces)
    journal = str(tmp_path / "journal")
    verdict = subprocess.run([*STANDPIPE, "verify", "--json", "--journal", journal], capture_output=True, check=True)
    assert "complete" == json.loads(verdict.stdout)["verdict"]
    status = subprocess.run([*STANDPIPE, "status", "--json", "--journal", journal], capture_output=True, check=True)
    found = json.loads(status.stdout)
    assert len(written) == found["journal"]["end"]
    assert 0 == found["sinks"]["stdout"]["lag_bytes"]
    assert not found["processes"]["capture"]["alive"]
