"""verify over copies of a real OpenBao's records: no false alarm, and each planted fault named in its place.

A response that never was, and faults in raw copies, are planted in made records: tests/evidence/test_copies.py and
test_raw_copies.py.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from tests.e2e.openbao import lines_of
from tests.e2e.planted_faults import FAULTS, Fault, changed, is_seal, plain_index, range_of
from tests.e2e.planted_journal import Segments, copy_tree, remove_tree, rewrite_chain, seal_bytes
from tests.e2e.planted_shapes import EXACT, SHAPES, cri
from tests.e2e.planted_verify import CLEAN, Verdict, explained_by, overlaps, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.e2e.planted_run import Life

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": bz2.compress,
}


def lines_in(path: Path) -> list[bytes]:
    """Return a file's lines without newlines."""
    return path.read_bytes().splitlines()


def write(path: Path, lines: Iterable[bytes]) -> Path:
    """Write lines to a file."""
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
    return path


def sealed_bytes(life: Life) -> int:
    """Return how many bytes the life's seals speak for."""
    return sum(end - begin for begin, end in Segments(life.journal / "segments").ranges())


def check_clean(verdict: Verdict, life: Life, *, exact: bool = True) -> None:
    """See that a copy is complete, that all that is sealed was compared, and that every lone request is explained."""
    assert (*CLEAN, life.records) == (*verdict.short, verdict.found["records"])
    assert (0, 0, explained_by(life.asked)) == verdict.unpaired
    assert (sealed_bytes(life) if exact else 0) == verdict.found["checked_bytes"]


@pytest.mark.parametrize("name", ["json", "enveloped"])
def test_no_false_alarm_with_envelopes(clean: Life, public_key: Path, name: str) -> None:
    """200,000 records on stdout and in the file sink's file are complete, and what their signed seals say."""
    verdict = verify(getattr(clean, name), "--public-key", public_key)
    check_clean(verdict, clean)
    seals = len(Segments(clean.journal / "segments").ranges())
    assert (seals, seals, 0) == verdict.chain


def test_no_false_alarm_of_googles_agent(clean: Life) -> None:
    """200,000 records in stdout's format gcp are complete, against the journal's seals."""
    check_clean(verify(clean.google, "--seals", clean.journal), clean)


def test_no_false_alarm_of_raw_copies(clean: Life) -> None:
    """200,000 raw records are what the journal's seals say, in whole segments."""
    verdict = verify(clean.raw, "--seals", clean.journal)
    assert CLEAN == verdict.short
    assert sealed_bytes(clean) == verdict.found["checked_bytes"]


@pytest.mark.parametrize("name", ["json", "raw"])
def test_no_false_alarm_of_a_container_runtime(clean: Life, tmp_path: Path, name: str) -> None:
    """200,000 records in a CRI log file, large ones in pieces, are complete."""
    path = write(tmp_path / "0.log", cri(lines_in(getattr(clean, name))))
    assert b" stdout P " in path.read_bytes()
    verdict = verify(path, "--seals", clean.journal)
    assert (*CLEAN, sealed_bytes(clean)) == (*verdict.short, verdict.found["checked_bytes"])
    path.unlink()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(small: Life, tmp_path: Path, shape: str) -> None:
    """Whatever carried the lines, the copy is complete; where the bytes are Vault's own, they are proven."""
    path = write(tmp_path / "copy", SHAPES[shape](lines_in(small.json)))
    check_clean(verify(path), small, exact=shape in EXACT)


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_files_in_any_order(small: Life, tmp_path: Path, packer: str) -> None:
    """Several compressed files, named in any order, one of them twice, are one complete copy."""
    lines, paths = lines_in(small.json), []
    for number, at in enumerate(range(0, len(lines), 1000)):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_bytes(PACKERS[packer](b"".join(line + b"\n" for line in lines[at : at + 1000])))
    random.Random(5).shuffle(paths)  # noqa: S311  the same order each time
    verdict = verify(*paths, paths[0])
    check_clean(verdict, small)
    assert sum(not is_seal(line) for line in lines_of(_unpacked(packer, paths[0]))) == verdict.found["repeated"]


def _unpacked(packer: str, path: Path) -> bytes:
    opener = {"gz": gzip.decompress, "zst": zstd.decompress, "xz": lzma.decompress, "bz2": bz2.decompress}
    return opener[packer](path.read_bytes())


def test_standard_input(small: Life) -> None:
    """`-` reads standard input."""
    check_clean(verify("-", stdin=small.json.read_bytes()), small)


def check_named(verdict: Verdict, name: str, fault: Fault) -> None:
    """See that a fault is named where it was planted."""
    found = verdict.found
    if fault.lost:
        assert list(fault.lost) in found["holes"]
    elif name == "duplicated":
        assert list(fault.named) in [each for journal in found["journals"] for each in journal["repeated_ranges"]]
    elif name == "swapped":
        late = [each for facts in found["inputs"] for each in facts["out_of_order"]["first"]]
        ranges = [(each["offset"], each["offset"] + each["length"]) for each in late]
        assert [] != [each for each in ranges if fault.named[0] <= each[0] and each[1] <= fault.named[1]]
    elif name == "conflicting":
        assert ["conflict"] == [each["what"] for each in found["damaged"] if (each["from"], each["to"]) == fault.named]
    elif name == "seal-edited":
        assert verdict.words_at(fault.named) & {"seal-altered", "signature-wrong", "seal-unreadable"}
    else:
        assert "altered" in verdict.words_at(fault.named)


HARMLESS = {"duplicated", "swapped"}
"""Nothing is missing or altered: they are told, and the verdict is complete."""


@pytest.mark.parametrize("shape", ["bare", "cri", "google", "loki", "elastic-message", "kafka", "otlp"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault(small: Life, public_key: Path, tmp_path: Path, name: str, shape: str) -> None:
    """Each fault alone is named in its place, and nothing else but what follows from it."""
    lines = lines_in(small.json)
    fault = FAULTS[name](lines, plain_index(lines, 0.4))
    path = write(tmp_path / "copy", SHAPES[shape](fault.lines))
    if shape not in EXACT and name == "one-byte":
        assert CLEAN == verify(path).short, "who writes JSON anew leaves no bytes to compare"
        return
    verdict = verify(path, "--public-key", public_key)
    assert ((0, "complete") if name in HARMLESS else (1, "incomplete")) == verdict.short[:2]
    check_named(verdict, name, fault)
    assert ([list(fault.lost)] if fault.lost else []) == verdict.found["holes"]
    assert (1 if name in {"duplicated", "conflicting"} else 0) == verdict.found["repeated"]
    late = sum(facts["out_of_order"]["records"] for facts in verdict.found["inputs"])
    assert (name == "swapped") == bool(late)
    follows = {"chain-broken"} if name in {"seal-edited", "segment-dropped"} else set()
    assert follows >= {each["what"] for each in verdict.elsewhere(fault.named)}


def test_all_faults_in_the_clean_set(clean: Life, public_key: Path, tmp_path: Path) -> None:
    """Every fault at once, far from each other in 200,000 records: each is named in its place, and nothing else is."""
    lines, faults = lines_in(clean.json), {}
    for number, name in enumerate(FAULTS):
        faults[name] = FAULTS[name](lines, plain_index(lines, (number + 0.5) / len(FAULTS)))
        lines = faults[name].lines
    verdict = verify(write(tmp_path / "copy", lines), "--public-key", public_key)
    assert (1, "incomplete") == verdict.short[:2]
    for name, fault in faults.items():
        check_named(verdict, name, fault)
    assert sorted(list(fault.lost) for fault in faults.values() if fault.lost) == verdict.found["holes"]
    places = [fault.named for fault in faults.values()]
    strays = [
        each
        for each in verdict.found["damaged"]
        if not any(overlaps((each["from"], each["to"]), place) for place in places) and each["what"] != "chain-broken"
    ]
    assert [] == strays
    assert clean.records - 1 - records_in(lines_in(clean.json), faults["segment-dropped"]) == verdict.found["records"]
    (tmp_path / "copy").unlink()


def records_in(lines: Iterable[bytes], fault: Fault) -> int:
    """Return how many records lie in what a fault has lost."""
    assert fault.lost is not None
    begin, end = fault.lost
    return sum(not is_seal(line) and begin <= range_of(line)[0] < end for line in lines)


def test_seals_rewritten_without_the_key(small: Life, public_key: Path, tmp_path: Path) -> None:
    """A record is changed and all seals after it made anew, in a chain that agrees with itself: the key tells."""
    segments = Segments(copy_tree(small.journal, tmp_path / "journal") / "segments")
    place = segments.ranges()[9]
    offset = rewrite_chain(segments, place[0], lambda seal: seal | {"signature": None})
    lines = []
    for line in lines_in(small.json):
        begin, end = range_of(line)
        if is_seal(line) and end > begin:
            remade = seal_bytes(segments.seal(begin)).rstrip()
            lines.append(line[: line.index(b'"seal":{')] + b'"seal":' + remade + b"}")
        else:
            lines.append(changed(line) if begin == offset else line)
    path = write(tmp_path / "copy", lines)
    assert CLEAN == verify(path).short
    verdict = verify(path, "--public-key", public_key)
    assert (1, "incomplete", []) == verdict.short[:3]
    expected = [("signature-missing", *each) for each in segments.ranges() if each >= place]
    assert expected == [(each["what"], each["from"], each["to"]) for each in verdict.found["damaged"]]
    remove_tree(tmp_path / "journal")


def test_two_nodes_mixed(small: Life, clean: Life, tmp_path: Path) -> None:
    """Records of two nodes in one file are told apart; a record that one of them lacks is that one's."""
    ours, theirs = lines_in(small.json), lines_in(clean.json)[:9000]
    mixed = [line for pair in zip(ours, theirs, strict=False) for line in pair] + ours[len(theirs) :]
    mixed += theirs[len(ours) :]
    verdict = verify(write(tmp_path / "copy", mixed))
    assert CLEAN == verdict.short
    counts = sorted((each["records"], each["verdict"]) for each in verdict.found["journals"])
    assert sorted([(small.records, "complete"), (sum(not is_seal(line) for line in theirs), "complete")]) == counts
    at = plain_index(ours, 0.3)
    verdict = verify(write(tmp_path / "copy", [line for line in mixed if line != ours[at]]))
    by_journal = {each["journal"]: each["holes"] for each in verdict.found["journals"]}
    lacking = json.loads(ours[at])["standpipe"]["journal"]
    assert [list(range_of(ours[at]))] == by_journal.pop(lacking)
    assert [[]] == list(by_journal.values())
