from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.evidence import line_joins
from standpipe.evidence.copies import CopiesOptions, verify_copies
from standpipe.evidence.line_joins import PieceJoiner, PrintedJson
from standpipe.evidence.unwrap import Carrier, unwrap
from tests.evidence.copied import delivered

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.binary(max_size=20).filter(lambda text: b"\n" not in text)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.lists(TEXTS, min_size=1, max_size=5)), max_size=8))
def test_pieces_of_two_streams_come_together(lines: list[tuple[str, list[bytes]]]) -> None:
    """Whatever pieces lines are cut into, and with another stream's lines in between, whole lines come out."""
    cut = {stream: [pieces for name, pieces in lines if name == stream] for stream in ("stdout", "stderr")}
    queues = {
        stream: [(piece, number < len(pieces) - 1) for pieces in cut[stream] for number, piece in enumerate(pieces)]
        for stream in cut
    }
    joiner = PieceJoiner()
    out: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    while any(queues.values()):
        for stream, queue in queues.items():
            if queue:
                piece, more = queue.pop(0)
                line = joiner.take(Carrier("cri", piece, stream=stream, piece=more))
                if line is not None:
                    out[stream].append(line)
    assert out == {stream: [b"".join(pieces) for pieces in cut[stream]] for stream in cut}
    assert joiner.waiting == 0


def test_a_piece_keeps_its_spaces() -> None:
    """A piece may begin or end with a space: it is part of the record."""
    (carrier,) = unwrap(b"2024-05-06T07:00:00.5Z stdout P  a ")
    assert (carrier.text, carrier.piece, carrier.stream) == (b" a ", True, "stdout")


@pytest.mark.parametrize("indent", [1, 2, 4])
@pytest.mark.parametrize("as_list", [True, False])
def test_printed_json(indent: int, *, as_list: bool) -> None:
    """Objects that were printed over many lines come out one by one, from a list or one after the other."""
    objects = [{"a": {"b": [{"c": 1}, {}], "d": "x } {"}}, {"e": []}, {"f": {"g": {}}}]
    if as_list:
        text = json.dumps(objects, indent=indent)
    else:
        text = "\n".join(json.dumps(member, indent=indent) for member in objects)
    printed = PrintedJson()
    out = [json.loads(found) for line in text.encode().split(b"\n") for found in printed.take(line)]
    assert out + [json.loads(found) for found in printed.finish()] == objects


@pytest.mark.parametrize("stray", [[b"{"], [b"{", b'  "level": 1,'], [b"[{"], [b"  {", b"    1"]])
def test_a_brace_of_somebody_else_hides_no_record(tmp_path: Path, stray: list[bytes]) -> None:
    """A line that is `{` alone begins no printed object where what follows is not set further to the right."""
    made = delivered()
    path = tmp_path / "copy"
    path.write_bytes(b"".join(line + b"\n" for line in [*made.lines[:5], *stray, *made.lines[5:]]))
    (found,) = verify_copies([str(path)], CopiesOptions()).journals
    assert (found.verdict, found.records) == ("complete", 12)


def test_very_many_short_lines_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line that is held takes more than its bytes: so many of them are no object that somebody printed."""
    monkeypatch.setattr(line_joins, "JOINED_BYTES_MAX", 1000)
    printed = line_joins.PrintedJson()
    lines = [b"{", *[b" 1"] * 100]
    assert lines == [found for line in lines for found in printed.take(line)]


def test_a_line_that_is_cut_where_the_file_was_rotated(tmp_path: Path) -> None:
    """Its first piece ends one file, its last one begins the next: it is joined, in whatever order they are named."""
    made = delivered()
    rows = []
    for line in made.lines:
        rows += [b"2024-05-06T07:00:00.5Z stdout P " + line[:100], b"2024-05-06T07:00:00.5Z stdout F " + line[100:]]
    (tmp_path / "b").write_bytes(b"".join(row + b"\n" for row in rows[:9]))
    (tmp_path / "a").write_bytes(b"".join(row + b"\n" for row in rows[9:]))
    result = verify_copies([str(tmp_path / "a"), str(tmp_path / "b")], CopiesOptions())
    assert (result.verdict, result.journals[0].records, result.journals[0].proven) == ("complete", 12, 2)
    assert [facts.odd for facts in result.inputs] == [{}, {}]


def test_a_line_whose_last_piece_is_not_there(tmp_path: Path) -> None:
    """It is told, and it is missing if its record comes nowhere else."""
    made = delivered()
    rows = [b"2024-05-06T07:00:00.5Z stdout F " + line for line in made.lines]
    rows[-1] = b"2024-05-06T07:00:00.5Z stdout P " + made.lines[-1][:100]
    path = tmp_path / "copy"
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    result = verify_copies([str(path)], CopiesOptions(last=made.offset))
    assert result.journals[0].holes == (made.ranges[-1],)
    assert result.inputs[0].odd == {"cut": 1}
