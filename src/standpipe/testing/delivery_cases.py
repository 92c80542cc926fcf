"""Cases in which nothing fails."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from standpipe.testing import arrivals
from standpipe.testing.arrivals import require
from standpipe.testing.journals import make_record
from standpipe.testing.stage import SINK

if TYPE_CHECKING:
    from standpipe.testing.stage import Stage

TORN = b'{"time":"2024-05-06T07:08:09Z","type":"request","au\n'
NOT_UTF_8 = b"\xff\xfe no text\n"
OVERSIZE_BYTES = 1_500_000  # more than an entry of Cloud Logging, a message of Kafka, or a request to nginx may be


def everything_arrives(stage: Stage) -> None:
    """Deliver a journal of all kinds of records and segments once."""
    stage.begin()
    stage.add(40, sealed=True)
    stage.journal.append(*(make_record(1000 + n) for n in range(20)), TORN, NOT_UTF_8, make_record(2000))
    stage.journal.close(compressed=True)
    stage.journal.append(*(make_record(3000 + n) for n in range(20)))
    stage.deliver_once()
    stage.check_complete()
    arrivals.check_once(stage.received())
    if not stage.whole_segments:
        now = stage.cursor()
        require(
            now.offset == stage.journal.end, f"the cursor is at {now.offset}, the journal's end {stage.journal.end}"
        )
        require(now.delivered == len(stage.journal.records), f"{now.delivered} records were counted as delivered")
        require(not stage.incidents("dead-letter"), "there are dead letters")


def order(stage: Stage) -> None:
    """Deliver many small batches."""
    stage.begin()
    stage.configure(batch={"records": 7, "in_flight": 1})
    stage.add(100, sealed=True)
    stage.add(100)
    stage.deliver_once()
    stage.check_complete()
    arrivals.check_order(stage.received())
    arrivals.check_once(stage.received())


def batch_limits(stage: Stage) -> None:
    """Deliver with few records a batch, then with few bytes."""
    stage.begin()
    stage.configure(batch={"records": 7})
    stage.add(100)
    stage.deliver_once()
    counts = Counter(arrival.batch for arrival in stage.received())
    require(max(counts.values()) <= 7, f"batches of at most 7 records were wanted: {sorted(counts.values())}")  # noqa: PLR2004
    stage.configure(batch={"size": "4KiB"})
    before = len(stage.received())
    stage.add(40, size=1024)
    stage.deliver_once()
    counts = Counter(arrival.batch for arrival in stage.received()[before:])
    require(max(counts.values()) <= 4, f"4 KiB has room for 4 of these records: {sorted(counts.values())}")  # noqa: PLR2004
    stage.check_complete()


def record_larger_than_a_batch(stage: Stage) -> None:
    """Deliver records larger than the config lets a batch be."""
    stage.begin()
    stage.configure(batch={"size": "4KiB"})
    stage.add(5)
    stage.add(1, size=12 << 10)
    stage.add(1, size=100 << 10)
    stage.add(5)
    stage.deliver_once()
    stage.check_complete()


def oversize_record(stage: Stage) -> None:
    """Deliver a record that is larger than most destinations take at once."""
    stage.begin()
    stage.add(5)
    stage.add(1, size=OVERSIZE_BYTES)
    stage.add(5)
    stage.deliver_once()
    stage.check_complete()
    require(not stage.dead_letters(), "it is a dead letter")


def stop_and_start(stage: Stage) -> None:
    """Stop ship with SIGTERM when all is delivered, and start it again."""
    stage.begin()
    for _ in range(2):
        stage.add(30, sealed=True)
        ship = stage.ship()
        stage.wait_delivered()
        stage.add(10)
        stage.wait_delivered()
        ship.stop()
    stage.check_complete()
    arrivals.check_once(stage.received())


def filtered_is_not_lost(stage: Stage) -> None:
    """Deliver every other record."""
    stage.begin()
    stage.configure(select={"types": ["request"]})
    stage.add(40, sealed=True)
    stage.add(20)
    stage.deliver_once()
    wanted = [unit for unit in stage.journal.records if b'"type": "request"' in unit.body]
    got = stage.received()
    arrivals.check_complete(wanted + stage.journal.seals, got)
    arrivals.check_after(wanted, got)
    now = stage.cursor()
    counted = (now.delivered, now.filtered)
    require(counted == (len(wanted), len(stage.journal.records) - len(wanted)), f"counted: {counted}")


def no_seals_if_not_wanted(stage: Stage) -> None:
    """Deliver with `deliver_seals: false`."""
    stage.begin()
    stage.configure(deliver_seals=False)
    stage.add(20, sealed=True)
    stage.add(5)
    stage.deliver_once()
    stage.check_complete(seals=False)


def sent_again(stage: Stage) -> None:
    """Deliver everything, take the cursor away, and deliver it again, in other batches."""
    stage.begin()
    stage.add(60, sealed=True)
    stage.journal.append(TORN, NOT_UTF_8)
    stage.add(20)
    stage.deliver_once()
    stage.check_complete()
    first = len(stage.received())
    os.unlink(stage.layout.cursor(SINK))
    if not stage.whole_segments:
        stage.configure(batch={"records": 7})
    stage.deliver_once()
    stage.check_complete()
    if not stage.whole_segments:
        again = stage.received()[first:]
        arrivals.check_complete(stage.expected(seals=False), [arrival for arrival in again if not arrival.seal])
