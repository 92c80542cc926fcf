"""The threads that call a sink's `send`: as many as it may have batches in flight. One attempt each, and its answer."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.delivery.window import Flight
    from standpipe.sinks.base import Batch, Outcome


class Senders:
    """`submit` and `results` are for the pump's thread; `wake` is called by ours after each attempt."""

    def __init__(self, name: str, count: int, send: Callable[[Batch], Outcome], wake: Callable[[], None]) -> None:
        self._send = send
        self._wake = wake
        self._jobs: queue.SimpleQueue[tuple[Flight, Batch] | None] = queue.SimpleQueue()
        self._results: deque[tuple[Flight, Batch, Outcome | BaseException]] = deque()
        self._threads = [
            threading.Thread(target=self._work, name=f"send {name} {number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, flight: Flight, batch: Batch) -> None:
        """Have a batch sent."""
        self._jobs.put((flight, batch))

    def results(self) -> list[tuple[Flight, Batch, Outcome]]:
        """Return the attempts that have ended since this was asked. Raises what a `send` raised."""
        found: list[tuple[Flight, Batch, Outcome]] = []
        while self._results:
            flight, batch, outcome = self._results.popleft()
            if isinstance(outcome, BaseException):
                raise outcome
            found.append((flight, batch, outcome))
        return found

    def stop(self, seconds: float) -> bool:
        """Have the threads end after what they are doing; wait so long in all. Tell whether they have ended."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(seconds / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            flight, batch = job
            try:
                outcome: Outcome | BaseException = self._send(batch)
            except BaseException as error:  # noqa: BLE001 - raised again on the pump's thread, which ends the process
                outcome = error
            self._results.append((flight, batch, outcome))
            self._wake()
