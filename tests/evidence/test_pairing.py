from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


# What stands beside a break.


def explained(records: list[PairFields]) -> dict[str, int]:
    """Return what is explained where nothing else is alone."""
    findings = judge(records)
    assert 0 == findings.unexplained
    return findings.explained


def test_the_head_and_the_tail() -> None:
    """A response just after the first record, and a request just before the last, may have lost the other half."""
    records = [half("response", "early", 0.5), *stream(), half("request", "late", 98.5), *pair("last", 99.2)]
    assert {"before-the-head": 1, "still-open": 1} == explained(records)


@pytest.mark.parametrize(("slowest", "unexplained"), [(0.01, 1), (2.0, 1), (6.0, 0), (3600.0, 0)])
def test_how_old_an_open_request_may_be_is_learnt(slowest: float, unexplained: int) -> None:
    """A request without a response, 20 s before the end, is still open only where others took that long, too."""
    slow = [half("request", "slow", 10), half("response", "slow", 10 + slowest)]
    records = [*slow, *stream(80), half("request", "old", 80), *pair("last", 100)]
    findings = judge(records)
    assert (unexplained, {"still-open": 1} if not unexplained else {}) == (
        findings.requests_unpaired,
        findings.explained,
    )


def test_no_request_is_open_for_ever() -> None:
    """Beyond 90 s, Vault's longest request, one without a response is told, unless it is a stream."""
    slow = [half("request", "slow", 0), half("response", "slow", 3600)]
    streaming = [half("request", "stream", 0, path="sys/monitor"), half("response", "stream", 3599, path="sys/monitor")]
    old = [half("request", "old", 3500), half("request", "open", 3501, path="sys/monitor")]
    assert 0 == judge([*slow, *old, *pair("last", 3589)]).unexplained
    assert 1 == judge([*slow, *old, *pair("last", 3591)]).requests_unpaired
    assert 1 == judge([*streaming, *old, *pair("last", 3505)]).requests_unpaired


@pytest.mark.parametrize(
    ("kind", "second", "rule"),
    [
        ("request", 100.5, "beside-a-gap"),
        ("request", 90.5, None),
        ("response", 101.5, "beside-a-gap"),
        ("response", 110.5, None),
    ],
)
def test_beside_a_gap(kind: str, second: float, rule: str | None) -> None:
    """A half just before or after missing addresses is explained; ten seconds further away it is not."""
    records = sorted([*stream(200), half(kind, "x", second)], key=lambda fields: fields.time)
    pairing = Pairing()
    for number, fields in enumerate(records):
        pairing.take("n", number * 10, 5, fields)
        if fields.time < at(101) <= records[min(number + 1, 400)].time:
            pairing.gap("n", number * 10 + 5, number * 10 + 10)
    findings = pairing.finish()
    assert [rule] == [one.rule for one in (*findings.examples, *findings.explained_examples)]


def test_a_log_full_of_gaps_takes_bounded_memory() -> None:
    """Gaps between records of one second are one: every response is filtered, and every request explained by that."""
    pairing = Pairing()
    for number in range(10_000):
        pairing.take("n", number * 200, 100, half("request", f"id-{number}", number / 1000))
        pairing.gap("n", number * 200 + 100, number * 200 + 200)
    assert pairing._nodes["n"].breaks.count < 20
    assert {"beside-a-gap": 10_000} == pairing.finish().explained


def test_a_server_that_stopped() -> None:
    """What was under way when the server was sealed, or just before it began anew, is explained by that alone."""
    sealed = [*stream(20), half("request", "a", 20, path="sys/seal"), half("request", "b", 20.1), *pair("z", 90)]
    assert {"seal-or-step-down": 1, "server-stopped": 1} == explained(sealed)
    anew = [
        *stream(20),
        half("request", "b", 19.9),
        half("request", "a", 3000, path="sys/audit/test"),
        *pair("z", 3090),
    ]
    assert {"audit-test": 1, "server-stopped": 1} == explained(anew)
    early = [*stream(10), half("request", "b", 10), *stream(20)[20:], half("request", "a", 3000, path="sys/audit/test")]
    assert 1 == judge([*early, *pair("z", 3090)]).requests_unpaired


def test_halves_without_an_id_pair_by_what_they_ask() -> None:
    """Path help without ids: two requests and two responses are pairs; a third request is alone, for that reason."""
    asked = [half("request", "", 1, operation="help") for _ in range(3)]
    answered = [half("response", "", 2, operation="help") for _ in range(2)]
    other = [half("response", "", 2, path="kv/b", operation="help")]
    findings = judge([*asked, *answered, *other])
    assert (2, {"help-without-id": 2}) == (findings.paired, findings.explained)


def test_a_plugins_entries_pair_with_their_like() -> None:
    """kmip-request and kmip-response with the id of the request around them make a pair of their own."""
    records = [half(kind, "i", 1) for kind in ("request", "kmip-request", "kmip-response", "response")]
    assert (2, {}) == (judge(records).paired, judge(records).explained)
    assert {"plugin-entry": 1} == judge(records[:2] + records[3:]).explained


@pytest.mark.parametrize("halves_max", [100, 100_000])
def test_examples_are_the_first_ones(halves_max: int) -> None:
    """However many are alone, and wherever they wait: they are counted, and the first 1,000 by offset are listed."""
    pairing = Pairing(halves_max=halves_max)
    alone = [half("request", f"id-{number}", 0) for number in range(3000)]
    for number, fields in enumerate([*alone, *pair("last", 100)]):
        pairing.take("n", number * LENGTH, LENGTH, fields)
    findings = pairing.finish()
    assert (3000, 1000) == (findings.requests_unpaired, len(findings.examples))
    assert list(range(0, 100_000, LENGTH)) == [one.offset for one in findings.examples]


tokens = st.lists(st.tuples(st.sampled_from(["request", "response"]), st.integers(0, 5)), max_size=40)


@settings(max_examples=200)
@given(tokens, st.integers(1, 4))
def test_counts_agree_with_a_second_opinion(drawn: list[tuple[str, int]], halves_max: int) -> None:
    """Of each id as many pairs as the rarer kind has halves, whatever the order and wherever they wait."""
    pairing = Pairing(halves_max=halves_max)
    for number, (kind, request_id) in enumerate(drawn):
        pairing.take("n", number, 1, half(kind, f"id-{request_id}", 0))
    findings = pairing.finish()
    counts = Counter(drawn)
    pairs = sum(min(counts["request", each], counts["response", each]) for each in range(6))
    assert (pairs, len(drawn) - 2 * pairs) == (findings.paired, findings.unexplained + sum(findings.explained.values()))
