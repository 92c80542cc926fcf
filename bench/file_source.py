"""`standpipe sidecar --file` beside `tail -F`, rsyslog and syslog-ng: a file that is there, and one that grows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from bench.contest import Load, tell
from bench.file_contest import catch_up, follow
from bench.file_rows import cpu_rows, faster, memory_row, reclaim_row, throughput_rows
from bench.follower import SIDECAR, SIDECAR_PUNCH, TAIL
from bench.peers import PEERS, find_peer, how_to_get
from bench.processes import CAPTURE, SHIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.file_result import Followed
    from bench.file_rows import Results
    from bench.peers import Peer
    from bench.size import Size
    from bench.table import Row

OURS = (SIDECAR, SIDECAR_PUNCH)
WRITE_SECONDS_MAX = 60.0
BYTE_PATH = (CAPTURE, SHIP)
CATCHING_UP, SATURATED = "catching up", "saturated"


class Measure(Protocol):
    """How one way is measured."""

    def __call__(self, way: str, peer: Peer | None, *, settle: bool) -> Followed:
        """Measure it; wait, where asked, until it has nothing left to do."""


def _contestants() -> dict[str, Peer | None]:
    """Return the ways that can be measured here; say why one is missing."""
    result: dict[str, Peer | None] = {TAIL: None}
    for name in PEERS:
        peer = find_peer(name)
        if peer:
            result[name] = peer
        else:
            tell(f"{name} is left out: it is not here. To have it: {how_to_get(name)}")
    return result | dict.fromkeys(OURS)


def _measure(name: str, way: str, one: Callable[[], Followed]) -> Followed:
    """Measure one contestant and tell it. Raises RuntimeError where our own copy is not whole."""
    found = one()
    if found.copy.fault and way in OURS:
        raise RuntimeError(f"{way}, file, {name}: {found.copy.fault}")
    tell(
        f"file, {name}: {way}: {found.bytes_per_second / 1e6:,.0f} MB/s, {found.cpu_per_gigabyte():.2f} s of CPU a GB, "
        f"{found.pss_bytes / 1e6:.1f} MB {found.copy.fault}"
    )
    return found


def _rounds(name: str, rounds: int, contestants: dict[str, Peer | None], measure: Measure) -> Results:
    """Measure every contestant in turn."""
    results: Results = {way: [] for way in contestants}
    for number in range(1, rounds + 1):
        for way, peer in contestants.items():
            about = f"{name}, round {number} of {rounds}"
            results[way].append(_measure(about, way, partial(measure, way, peer, settle=True)))
    return results


def _reclaim_pairs(name: str, pairs: int, measure: Measure) -> Results:
    """Measure ourselves without reclaim and with it, side by side, and the other way round in every second pair."""
    results: Results = {way: [] for way in OURS}
    for number in range(1, pairs + 1):
        for way in OURS if number % 2 else reversed(OURS):
            about = f"{name}, reclaim, pair {number} of {pairs}"
            results[way].append(_measure(about, way, partial(measure, way, None, settle=False)))
    return results


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    rounds, backlog, here = size.file_rounds, Load(size.backlog_records, 0, WRITE_SECONDS_MAX), _contestants()
    there = _rounds(CATCHING_UP, rounds, here, partial(catch_up, backlog))
    full = _rounds(SATURATED, rounds, here, partial(follow, size.saturated))
    paced = _rounds(size.paced.name, rounds, here, partial(follow, size.paced))
    fastest = faster(there, PEERS)
    return [
        *throughput_rows(CATCHING_UP, there, SIDECAR, PEERS, TAIL),
        *cpu_rows(CATCHING_UP, there, SIDECAR, BYTE_PATH, fastest),
        *throughput_rows(SATURATED, full, SIDECAR, PEERS, TAIL),
        *cpu_rows(size.paced.name, paced, SIDECAR, BYTE_PATH, fastest),
        memory_row([there, full, paced], OURS),
        *(
            reclaim_row(name, _reclaim_pairs(name, size.pairs, measure), SIDECAR, SIDECAR_PUNCH)
            for name, measure in (
                (CATCHING_UP, partial(catch_up, backlog)),
                (SATURATED, partial(follow, size.saturated)),
            )
        ),
    ]
