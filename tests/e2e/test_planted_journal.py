"""verify over journals of a real OpenBao: no false alarm, and each planted fault named in its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.openbao import count_records, differences, lines_of
from tests.e2e.planted_journal import (
    FAULTS,
    Seal,
    Segments,
    copy_tree,
    remove_tree,
    replace,
    rewrite_chain,
    sealed_anew,
    signed_by,
)
from tests.e2e.planted_verify import CLEAN, explained_by, verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.planted_run import Life

WORDS = {
    "removed": {"short"},
    "duplicated": {"altered", "long"},
    "swapped": {"altered"},
    "one-byte": {"altered"},
    "segment-dropped": set(),
    "data-dropped": set(),
    "seal-edited": {"seal-altered", "signature-wrong"},
}
HOLES = {"segment-dropped", "data-dropped"}
CHAIN_BREAKS = {"segment-dropped", "seal-edited"}
"""Faults after which the next seal's link leads nowhere."""


@pytest.fixture(params=["small", "clean"])
def life(request: pytest.FixtureRequest) -> Life:
    """Return either set: each fault is looked for alone and in 200,000 records."""
    found: Life = request.getfixturevalue(request.param)
    return found


def planted(life: Life, tmp_path: Path) -> Segments:
    """Return the segments of a copy of a life's journal."""
    return Segments(copy_tree(life.journal, tmp_path / "journal") / "segments")


def middle(segments: Segments) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the range of a segment in the first half of the journal, and of the one after it."""
    ranges = segments.ranges()
    return ranges[len(ranges) // 3], ranges[len(ranges) // 3 + 1]


def test_what_was_asked_is_what_was_captured(life: Life) -> None:
    """The journal holds exactly the records of the requests that the clients list."""
    assert [] == differences(life.listed, count_records(life.data()))


def test_no_false_alarm(life: Life, public_key: Path) -> None:
    """The journal is complete, every seal is signed, and each request without a response is explained by its rule."""
    verdict = verify("--journal", life.journal, "--public-key", public_key, "--require-pairs")
    assert CLEAN == verdict.short
    assert (0, 0, explained_by(life.asked)) == verdict.unpaired
    seals = len(list((life.journal / "segments").glob("*.seal.json")))
    assert (seals, seals, 0) == verdict.chain
    assert (life.records, [], 0) == tuple(verdict.found[key] for key in ("records", "recorded_gaps", "repeated"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault(life: Life, public_key: Path, tmp_path: Path, fault: str) -> None:
    """What is planted into a segment is named with that segment's range, and nothing else is but a broken link."""
    segments = planted(life, tmp_path)
    place, after = middle(segments)
    FAULTS[fault](segments, place[0])
    verdict = verify("--journal", tmp_path / "journal", "--public-key", public_key)
    assert (1, "incomplete") == verdict.short[:2]
    assert WORDS[fault] == verdict.words_at(place)
    assert ([list(place)] if fault in HOLES else []) == verdict.found["holes"]
    links = [("chain-broken", *after)] if fault in CHAIN_BREAKS else []
    assert links == [(each["what"], each["from"], each["to"]) for each in verdict.elsewhere(place)]
    remove_tree(tmp_path / "journal")


def unsigned(seal: Seal) -> Seal:
    """Return a seal without a signature."""
    return seal | {"signature": None}


def as_it_was(seal: Seal) -> Seal:
    """Return a seal with the signature that it had."""
    return seal


def by_a_stranger(seal: Seal) -> Seal:
    """Return a seal signed by a key that nobody trusts."""
    return signed_by(STRANGER, seal)


STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
REWRITTEN = {"signature-missing": unsigned, "signature-wrong": as_it_was, "signature-unknown": by_a_stranger}


@pytest.mark.parametrize("word", REWRITTEN)
def test_a_chain_rewritten_without_the_key(life: Life, public_key: Path, tmp_path: Path, word: str) -> None:
    """A chain that agrees with itself deceives who has no key; with it, each rewritten seal is named, and no other."""
    segments = planted(life, tmp_path)
    place, _ = middle(segments)
    rewrite_chain(segments, place[0], REWRITTEN[word])
    assert CLEAN == verify("--journal", tmp_path / "journal").short
    verdict = verify("--journal", tmp_path / "journal", "--public-key", public_key)
    assert (1, "incomplete", []) == verdict.short[:3]
    expected = [(word, *each) for each in segments.ranges() if each >= place]
    assert expected == [(each["what"], each["from"], each["to"]) for each in verdict.found["damaged"]]
    remove_tree(tmp_path / "journal")


def test_a_request_without_its_response(clean: Life, tmp_path: Path) -> None:
    """A response that Vault never wrote leaves a journal without a fault, and its request is told with its place."""
    lines = lines_of(clean.data())
    # Far from the start and from the seal in the middle: near those it would be explained by them (docs/verify.md).
    number = next(n for n in range(len(lines) // 4, len(lines)) if b'"operation":"list"' in lines[n])
    record = json.loads(lines[number])
    where, other = sorted(n for n, line in enumerate(lines) if record["request"]["id"].encode() in line)
    assert ("request", "response") == (json.loads(lines[where])["type"], json.loads(lines[other])["type"])
    journal = sealed_anew(b"".join(lines[:other] + lines[other + 1 :]), tmp_path / "anew", clean.segment_size)
    verdict = verify("--journal", journal)
    assert CLEAN == verdict.short
    assert (1, 0, explained_by(clean.asked)) == verdict.unpaired
    (example,) = verdict.found["unpaired"]["examples"]
    expected = (sum(map(len, lines[:where])), record["request"]["id"], record["request"]["path"])
    assert expected == (example["offset"], example["request_id"], example["path"])
    assert (1, "incomplete", [], []) == verify("--journal", journal, "--require-pairs").short
    remove_tree(tmp_path / "anew")


def test_a_segment_of_another_node(life: Life, small: Life, clean: Life, public_key: Path, tmp_path: Path) -> None:
    """A segment of another journal, with its seal, is named where it was put."""
    segments = planted(life, tmp_path)
    place, after = middle(segments)
    foreign = Segments((clean if life is small else small).journal / "segments")
    begin, _ = foreign.ranges()[0]
    segments.write(place[0], foreign.read(begin))
    replace(segments.file(place[0], ".seal.json"), foreign.file(begin, ".seal.json").read_bytes())
    verdict = verify("--journal", tmp_path / "journal", "--public-key", public_key)
    assert (1, "incomplete") == verdict.short[:2]
    (named,) = (each for each in verdict.found["damaged"] if each["what"] == "seal-misplaced")
    missing = [[named["to"], place[1]]] if named["to"] < place[1] else []  # it may be shorter than what it replaced
    assert (place[0], missing) == (named["from"], verdict.found["holes"])
    assert "another journal" in named["detail"]
    assert {("chain-broken", after[0]), ("overlap", after[0])} >= {
        (each["what"], each["from"]) for each in verdict.elsewhere(place)
    }
    remove_tree(tmp_path / "journal")


def test_a_record_of_another_node(life: Life, small: Life, clean: Life, public_key: Path, tmp_path: Path) -> None:
    """A record of another node between two of ours is named by its segment."""
    segments = planted(life, tmp_path)
    place, _ = middle(segments)
    foreign = Segments((clean if life is small else small).journal / "segments")
    lines, record = segments.lines(place[0]), foreign.lines(0)[7]
    segments.write(place[0], b"".join([*lines[:5], record, *lines[5:]]))
    verdict = verify("--journal", tmp_path / "journal", "--public-key", public_key)
    assert (1, "incomplete", []) == verdict.short[:3]
    assert {"altered", "long"} == verdict.words_at(place)
    assert [] == verdict.elsewhere(place)
    remove_tree(tmp_path / "journal")
