"""Cases in which the network, the destination or ship itself fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.journal import sink_entries
from standpipe.testing import arrivals
from standpipe.testing.arrivals import require
from standpipe.testing.destination import DROPS_REPEATS
from standpipe.testing.stage import WITNESS

if TYPE_CHECKING:
    from standpipe.testing.stage import Stage

CUTS = (1, 200, 3000, 8000)  # bytes: in the head, in the first record, between, in a later one
SLOW_BYTES_A_SECOND = 200_000
KILLS = 4
BATCH_RECORDS = 5


def ambiguous_failure(stage: Stage) -> None:
    """Reset the connection when the server has the batch and has not said so."""
    stage.begin()
    stage.configure(witness=True)
    ship = stage.ship()
    _until_taken_without_an_answer(stage)
    stage.proxy.reset()
    stage.proxy.release_answers()
    stage.wait_delivered()
    ship.stop()
    stage.check_complete()
    if not stage.whole_segments and DROPS_REPEATS not in stage.kind.capabilities:
        require(arrivals.repeats(stage.received()), "nothing was repeated: then something was guessed")


def killed_between_send_and_ack(stage: Stage) -> None:
    """Kill ship when the server has the batch and has not said so."""
    stage.begin()
    stage.configure(witness=True)
    ship = stage.ship()
    before = _until_taken_without_an_answer(stage)
    ship.kill()
    stage.proxy.reset()
    stage.proxy.release_answers()
    require(stage.cursor().offset == before, "the cursor moved over what was not acknowledged")
    stage.configure()
    stage.deliver_once()
    stage.check_complete()
    if not stage.whole_segments:
        require(arrivals.repeats(stage.received()), "nothing was repeated: then something was guessed")


def _until_taken_without_an_answer(stage: Stage) -> int:
    """Deliver something, then let something arrive of which no acknowledgement comes; return the cursor's offset.

    More is written then, and has reached the other sink when this returns: ship has had every occasion to guess.
    """
    stage.add(20)
    stage.wait_delivered()
    before, count = stage.cursor().offset, len(stage.received())
    stage.proxy.hold_answers()
    stage.add(20)
    stage.wait_until(lambda: len(stage.received()) > count, "the destination has some of it")
    stage.add(5)
    end = stage.journal.records[-1].end
    stage.wait_until(lambda: stage.cursor(WITNESS).offset == end, "the other sink has everything")
    return before


def cut_inside_a_request(stage: Stage) -> None:
    """Reset the connection in the middle of a request, at several places."""
    stage.begin()
    ship = stage.ship()
    for number, size_bytes in enumerate(CUTS, start=1):
        stage.proxy.cut_after(size_bytes)
        stage.add(60)
        stage.wait_until(lambda number=number: stage.proxy.cuts == number, "the connection was cut")  # type: ignore[misc]
        stage.wait_delivered()
    ship.stop()
    stage.check_complete()


def slow(stage: Stage) -> None:
    """Let next to nothing through to the destination."""
    stage.begin()
    stage.configure(witness=True)
    stage.proxy.throttle(0)
    stage.add(100)
    ship = stage.ship()
    stage.wait_until(lambda: stage.cursor(WITNESS).offset == stage.journal.end, "the other sink has everything")
    require(stage.cursor().offset == 0, "the cursor moved, and nothing was let through")
    stage.proxy.throttle(SLOW_BYTES_A_SECOND)
    stage.wait_delivered()
    stage.wait_until(lambda: stage.state()[0] == sink_entries.DELIVERING, "status says that it delivers")
    ship.stop()
    stage.check_complete()
    arrivals.check_once(stage.received())


def down_then_up(stage: Stage) -> None:
    """Be away at the start, and later again."""
    stage.begin()
    stage.go_away()
    stage.add(20)
    ship = stage.ship()
    stage.wait_trouble()
    require(stage.cursor().offset == 0, "the cursor moved, and the destination was away")
    stage.come_back()
    stage.wait_delivered()
    stage.go_away()
    end = stage.cursor().offset
    stage.add(20)
    stage.wait_trouble()
    require(stage.cursor().offset == end, "the cursor moved, and the destination was away")
    stage.come_back()
    stage.wait_delivered()
    stage.wait_until(lambda: stage.state()[0] == sink_entries.DELIVERING, "status says that it delivers")
    ship.stop()
    stage.check_complete()


def killed_again_and_again(stage: Stage) -> None:
    """Kill ship wherever it is, several times."""
    stage.begin()
    if stage.whole_segments:
        for _ in range(8):
            stage.add(10)
    else:
        stage.configure(batch={"records": BATCH_RECORDS, "in_flight": 1})
        stage.add(300)
    for _ in range(KILLS):
        count = len(stage.received())
        ship = stage.ship()
        stage.wait_until(lambda count=count: stage.is_delivered() or len(stage.received()) > count, "something arrives")  # type: ignore[misc]
        ship.kill()
    stage.deliver_once()
    stage.check_complete()
    repeated = arrivals.repeats(stage.received())
    require(repeated <= KILLS * BATCH_RECORDS, f"{repeated} were repeated after {KILLS} kills")
