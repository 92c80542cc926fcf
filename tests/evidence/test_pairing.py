from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.evidence.pairing import Pairing, PairingFindings
from standpipe.records.pair_fields import OTHER, PairFields, kind_of

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 100  # bytes of every record here


def at(seconds: float) -> str:
    """Return a time of that many seconds after the beginning, as Vault writes it."""
    return f"2026-03-01T{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{seconds % 60:09.6f}123Z"


def half(kind: str, request_id: str, seconds: float, path: str = "kv/a", **more: str) -> PairFields:
    """Return what a record says."""
    parsed, plugin = kind_of(kind)
    return PairFields(parsed, plugin, request_id, path, "", **{"time": at(seconds), **more})


def pair(request_id: str, seconds: float) -> list[PairFields]:
    """Return a request and its response."""
    return [half("request", request_id, seconds), half("response", request_id, seconds + 0.01)]


def stream(count: int = 100) -> list[PairFields]:
    """Return pairs, one a second."""
    return [fields for number in range(count) for fields in pair(f"id-{number}", number)]


def judge(records: list[PairFields]) -> PairingFindings:
    """Let one node's records pair, each 100 bytes after the one before."""
    pairing = Pairing()
    for number, fields in enumerate(records):
        pairing.take("n", number * LENGTH, LENGTH, fields)
    return pairing.finish()


def test_pairs() -> None:
    """Every request has its response: nothing is told."""
    findings = judge(stream())
    assert (100, 0, 0, {}) == (
        findings.paired,
        findings.requests_unpaired,
        findings.responses_unpaired,
        findings.explained,
    )


@pytest.mark.parametrize("removed", [50, 51])
def test_a_half_in_the_middle_is_told_with_its_place(removed: int) -> None:
    """The half that stays behind is listed with offset, length and id."""
    records = stream()
    del records[removed]
    findings = judge(records)
    assert ((removed == 51) + 0, (removed == 50) + 0) == (findings.requests_unpaired, findings.responses_unpaired)
    assert [("n", 5000, LENGTH, "id-25", None)] == [
        (one.node, one.offset, one.length, one.request_id, one.rule) for one in findings.examples
    ]
    assert 99 == findings.paired


def test_nodes_pair_apart() -> None:
    """The same id on two nodes makes two pairs, or none: a node's request has no response on another."""
    pairing = Pairing()
    for offset, fields in enumerate(stream()):
        pairing.take("b" if offset == 101 else "a", offset, 1, fields)
    findings = pairing.finish()
    assert (1, 0) == (findings.requests_unpaired, findings.responses_unpaired)
    assert {"before-the-head": 1} == findings.nodes["b"].explained
    assert (99, 1) == (findings.nodes["a"].paired, findings.nodes["a"].requests_unpaired)


@pytest.mark.parametrize("halves_max", [1, 7, 1000])
def test_halves_that_wait_go_to_disk(halves_max: int, tmp_path: Path) -> None:
    """The result does not depend on how many halves fit into memory, and no file is left."""
    requests = [half("request", f"id-{number % 90}", number) for number in range(100)]
    responses = [half("response", f"id-{number % 90}", number + 100) for number in range(0, 100, 2)]
    pairing = Pairing(halves_max=halves_max, spill_directory=str(tmp_path))
    for number, fields in enumerate([*requests, *responses]):
        pairing.take("n", number * LENGTH, LENGTH, fields)
    findings = pairing.finish()
    assert (50, 50, 0) == (findings.paired, findings.unexplained + sum(findings.explained.values()), findings.others)
    assert [] == list(tmp_path.iterdir())


def test_records_that_are_neither_are_counted() -> None:
    """A record without a type has no other half to miss."""
    assert 3 == judge([PairFields()] * 3 + stream(2)).others
    assert OTHER == PairFields().kind
