"""verify over archives of a real OpenBao, and over several nodes: no false alarm, and each fault in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.planted_journal import FAULTS, Segments, copy_tree, remove_tree, replace, rewrite_chain
from tests.e2e.planted_run import CLUSTER
from tests.e2e.planted_verify import CLEAN, verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.planted_run import Life

Range = tuple[int, int]

WORDS = {
    "removed": {"short"},
    "duplicated": {"altered", "long"},
    "swapped": {"altered"},
    "one-byte": {"altered"},
    "segment-dropped": set(),
    "data-dropped": {"data-missing"},
    "seal-edited": {"seal-altered", "signature-wrong"},
}
CHAIN_BREAKS = {"segment-dropped", "seal-edited"}


@pytest.fixture(params=["small", "clean"])
def life(request: pytest.FixtureRequest) -> Life:
    """Return either set."""
    found: Life = request.getfixturevalue(request.param)
    return found


def segments_of(archive: Path, life: Life) -> Segments:
    """Return the segments of a node in an archive; a test lives on one day, or on two about midnight."""
    days = sorted((archive / CLUSTER / life.node).iterdir())
    return Segments(max(days, key=lambda day: len(list(day.iterdir()))))


def planted(life: Life, tmp_path: Path) -> Segments:
    """Return the segments of a copy of a life's archive."""
    return segments_of(copy_tree(life.archive, tmp_path / "archive"), life)


def middle(segments: Segments) -> tuple[Range, Range]:
    """Return the range of a segment in the first half, and of the one after it."""
    ranges = segments.ranges()
    return ranges[len(ranges) // 3], ranges[len(ranges) // 3 + 1]


def test_no_false_alarm(life: Life, public_key: Path) -> None:
    """The archive is complete, and every seal is signed."""
    verdict = verify(life.archive, "--public-key", public_key)
    assert CLEAN == verdict.short
    seals = len(list(life.archive.rglob("*.seal.json")))
    assert (seals, seals, 0) == verdict.chain
    assert len(list((life.journal / "segments").glob("*.seal.json"))) == seals


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault(life: Life, public_key: Path, tmp_path: Path, fault: str) -> None:
    """What is planted into an archived segment is named with its range, and nothing else is but a broken link."""
    segments = planted(life, tmp_path)
    place, after = middle(segments)
    FAULTS[fault](segments, place[0])
    verdict = verify(tmp_path / "archive", "--public-key", public_key)
    assert (1, "incomplete") == verdict.short[:2]
    assert WORDS[fault] == verdict.words_at(place)
    assert ([list(place)] if fault == "segment-dropped" else []) == verdict.found["holes"]
    links = [("chain-broken", *after)] if fault in CHAIN_BREAKS else []
    assert links == [(each["what"], each["from"], each["to"]) for each in verdict.elsewhere(place)]
    remove_tree(tmp_path / "archive")


def test_a_chain_rewritten_without_the_key(life: Life, public_key: Path, tmp_path: Path) -> None:
    """A rewritten chain agrees with itself; the key tells, and so does the journal that it is a copy of."""
    segments = planted(life, tmp_path)
    place, _ = middle(segments)
    rewrite_chain(segments, place[0], lambda seal: seal | {"signature": None})
    assert CLEAN == verify(tmp_path / "archive").short
    verdict = verify(tmp_path / "archive", "--public-key", public_key)
    assert (1, "incomplete", []) == verdict.short[:3]
    expected = [("signature-missing", *each) for each in segments.ranges() if each >= place]
    assert expected == [(each["what"], each["from"], each["to"]) for each in verdict.found["damaged"]]
    verdict = verify(tmp_path / "archive", life.journal)
    assert (1, "incomplete", []) == verdict.short[:3]
    assert [("seals-differ", place[0])] == [(each["what"], each["from"]) for each in verdict.found["damaged"]]
    remove_tree(tmp_path / "archive")


def test_a_segment_of_another_node(small: Life, clean: Life, tmp_path: Path) -> None:
    """A segment of one node among the other's is named where it lies; the node that it comes from is none the worse."""
    archive = copy_tree(small.archive, tmp_path / "archive")
    copy_tree(clean.archive / CLUSTER / clean.node, archive / CLUSTER / clean.node)
    segments, foreign = segments_of(archive, small), segments_of(archive, clean)
    place = foreign.ranges()[1]
    for suffix in (".log", ".seal.json"):
        path = foreign.file(place[0], suffix)
        replace(segments.directory / path.name, path.read_bytes())
    verdict = verify(archive)
    assert (1, "incomplete") == verdict.short[:2]
    named = {
        (each["what"], each["from"], each["to"], each["node"].rpartition("/")[2]) for each in verdict.found["damaged"]
    }
    assert ("foreign-segment", *place, small.node) in named
    assert {small.node} == {node for _, _, _, node in named}


def test_both_nodes_at_once(small: Life, clean: Life, public_key: Path) -> None:
    """Two journals and their archives get one verdict; the node whose life ended long before is silent."""
    places = (small.journal, clean.journal, small.archive, clean.archive)
    verdict = verify(*places, "--public-key", public_key)
    assert CLEAN == verdict.short
    assert small.records + clean.records == verdict.found["records"]
    found = sorted((each["node"], each["archived"], each["verdict"]) for each in verdict.found["nodes"])
    assert [(life.node, where, "complete") for life in (clean, small) for where in (False, True)] == found
    assert [] == verdict.found["silent"]
    verdict = verify(*places, "--now", "--silent-after", "1ms")
    assert {clean.node, small.node} == {each["node"] for each in verdict.found["silent"]}
    assert CLEAN == verdict.short
