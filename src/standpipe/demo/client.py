"""The vault-client: a thread that asks a real Vault over HTTP, keeps its own list, and times every request."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass

from standpipe.demo.requests import ROOT_TOKEN, Ask, one_round, set_up
from standpipe.vault.server import LOOPBACK

REQUEST_TIMEOUT_SECONDS = 60.0  # longer than any phase: a request that waits must be seen waiting, not given up


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered request: when it began (monotonic clock) and how long Vault took."""

    began: float
    seconds: float


class VaultClient:
    """Makes paced requests, one after the other, until told to stop; read the lists after ``stop()``."""

    def __init__(self, port: int, requests_per_second: float) -> None:
        """Make a client for the server on a loopback port; nothing is sent before ``start()``."""
        self.audited: list[Ask] = []
        self.not_audited = 0
        self.unexpected: list[str] = []
        self.samples: list[Sample] = []
        self._port = port
        self._interval_seconds = 1 / requests_per_second
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=REQUEST_TIMEOUT_SECONDS)
        self._token = ROOT_TOKEN
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vault-client", daemon=True)

    @property
    def made(self) -> int:
        """How many requests were sent."""
        return len(self.audited) + self.not_audited

    @property
    def alive(self) -> bool:
        """Whether the client is at work."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Let the request under way end, then stop."""
        self._stopping.set()
        self._thread.join()

    def give_up(self) -> None:
        """Do not ask again, and do not wait for an answer: the server is about to go."""
        self._stopping.set()

    def longest_seconds(self, start: float, end: float) -> float | None:
        """Return the longest request that was under way between two times; None where there was none."""
        return max((s.seconds for s in self.samples if s.began < end and s.began + s.seconds > start), default=None)

    def count_between(self, start: float, end: float) -> int:
        """Return how many requests began between two times."""
        return sum(start <= sample.began < end for sample in self.samples)

    def _work(self) -> None:
        for ask in set_up():
            self._ask(ask)
        due = time.monotonic()
        serial = 0
        while not self._stopping.is_set():
            serial += 1
            for ask in one_round(serial):
                due = max(due + self._interval_seconds, time.monotonic())  # what a wait cost is not made up in a burst
                self._stopping.wait(due - time.monotonic())
                if self._stopping.is_set():
                    break
                self._ask(ask)
        self._connection.close()

    def _ask(self, ask: Ask) -> None:
        if ask.operation is None:
            self.not_audited += 1
        else:
            self.audited.append(ask)
        began = time.monotonic()
        try:
            status, answer = self._exchange(ask)
        except (OSError, http.client.HTTPException) as error:
            self.unexpected.append(f"{ask.method} {ask.path}: {type(error).__name__}: {error}")
            self._connection.close()
            return
        self.samples.append(Sample(began, time.monotonic() - began))
        if status != ask.status:
            self.unexpected.append(f"{ask.method} {ask.path}: status {status}, expected {ask.status}: {answer[:200]!r}")
        elif ask.what == "log in":
            self._token = json.loads(answer)["auth"]["client_token"]

    def _exchange(self, ask: Ask) -> tuple[int, bytes]:
        body = json.dumps(dict(ask.body)).encode() if ask.body else None
        headers = {"X-Vault-Token": ROOT_TOKEN if ask.as_root else self._token}
        self._connection.request(ask.method, f"/v1/{ask.path}", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()
