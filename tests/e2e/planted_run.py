"""One life of `standpipe run` over an OpenBao that is asked everything: journal, archive, copies, counts.

The figures are the clients' own. Records go to three sinks while they arrive (stdout raw, a file with envelopes, an
archive in a directory); two copies more are taken from the journal afterwards, as a pod's stdout would have had them.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.e2e.openbao import OpenBao, bao_path, running_openbao, write_config
from tests.e2e.planted_client import PlantedClient
from tests.e2e.planted_journal import seal_all
from tests.e2e.planted_requests import (
    AUDIT_TEST,
    BAD_LOOKUP,
    BAD_UNWRAP,
    ROOT_NAME,
    SEAL,
    START_UP,
    USERS,
    Ask,
    by_user,
    failed_logins,
    login,
    records_of,
    set_up_asks,
    single_asks,
)
from tests.e2e.run_harness import STANDPIPE, cursor_offset, journal_bytes, journal_end, run_prefix, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.openbao import Name

CLIENTS = "ab"
SINGLES = 12  # how often each of the rare requests is made
CATCH_UP_SECONDS = 300.0
CLUSTER = "blue"
USER_NAME = f"userpass-{USERS[0]}"


@dataclass
class Life:
    """The paths of one run, and what its clients asked."""

    directory: Path
    node: str
    segment_size: str
    signing_key: Path | None = None
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the files and make the directories."""
        self.directory.mkdir()
        self.fifo = self.directory / "pipe"
        self.journal = self.directory / "journal"
        self.config = self.directory / "standpipe.yaml"
        self.archive = self.directory / "archive"
        self.archive.mkdir()
        self.messages = self.directory / "messages.log"
        self.raw, self.enveloped, self.json, self.google = (
            self.directory / name for name in ("raw.jsonl", "file.jsonl", "json.jsonl", "google.jsonl")
        )

    def run(self, requests: int) -> None:
        """Live: start, be asked, stop. May be done again: the journal goes on."""
        self._write_config()
        prefix = run_prefix(self.fifo, self.journal, self.config)
        with (
            self.raw.open("ab") as stdout,
            running_openbao(
                self.directory, bao=bao_path(), audit_path=self.fifo, prefix=prefix, stdout=stdout
            ) as server,
        ):
            self.asked += START_UP
            self._ask(server, requests)
            wait_until(self._delivered, "stdout and the file", CATCH_UP_SECONDS)
            assert 0 == server.terminate()

    def take_copies(self) -> None:
        """Seal what can be sealed, archive it, and take two copies more."""
        self._name_node()
        seal_all(self.journal, self.config)
        self._ship("archive", {"type": "objects", **self._archive_keys()}, None)
        self._ship("copy", {"type": "stdout", "format": "json", "deliver_seals": True}, self.json)
        self._ship("google", {"type": "stdout", "format": "gcp"}, self.google)

    @property
    def listed(self) -> Counter[Name]:
        """What must be in the audit log, as openbao.count_records counts it."""
        names: Counter[Name] = Counter()
        for ask in self.asked:
            names["request", ask.operation, ask.path] += 1
            if ask.records > 1:
                names["response", ask.operation, ask.path] += 1
        return names

    @property
    def records(self) -> int:
        """How many records there must be."""
        return records_of(self.asked)

    def data(self) -> bytes:
        """Return the journal's bytes."""
        return journal_bytes(self.journal)

    def _archive_keys(self) -> dict[str, object]:
        return {"url": f"file://{self.archive}", "cluster": CLUSTER, "node": self.node}

    def _write_config(self) -> None:
        journal: dict[str, object] = {"segment_size": self.segment_size, "max_size": "4GiB", "fsync": "100ms"}
        if self.signing_key is not None:
            journal["sign_key"] = str(self.signing_key)
        sinks = {
            "console": {"type": "stdout"},
            "local": {"type": "file", "path": str(self.enveloped)},
            "archive": {"type": "objects", **self._archive_keys()},
        }
        self.config.write_text(json.dumps({"journal": journal, "sinks": sinks}))

    def _delivered(self) -> bool:
        end = journal_end(self.journal)
        return all(cursor_offset(self.journal, sink) == end for sink in ("console", "local"))

    def _name_node(self) -> None:
        """Give the journal a node's name of its own: all of a test's journals come from one machine."""
        path = self.journal / "journal.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"node": self.node}) + "\n")

    def _ship(self, name: str, sink: dict[str, object], output: Path | None) -> None:
        """Deliver the journal to one sink more."""
        config = self.directory / f"{name}.yaml"
        config.write_text(json.dumps({"sinks": {name: {**sink, "start": "earliest"}}}))
        command = [*STANDPIPE, "ship", "--once", "--journal", str(self.journal), "--config", str(config)]
        with (output or self.directory / "nothing").open("wb") as stdout, self.messages.open("ab") as messages:
            subprocess.run(command, stdout=stdout, stderr=messages, check=True)

    def _ask(self, server: OpenBao, requests: int) -> None:
        with self._client(server) as client:
            for ask in set_up_asks():
                client.ask(ask)
            tokens = _tokens(client)
            _rare(client)
        self._bulk(server, tokens, requests - requests // 2, "early")
        self._audit_test(server)
        with self._client(server) as client:
            client.ask(SEAL)
        self._unseal(server)
        self._bulk(server, tokens, requests // 2, "late")
        with self._client(server) as client:
            client.tokens |= tokens
            client.ask(by_user(Ask("POST", "auth/token/revoke-self", "update", right=204), USER_NAME), "user")

    def _client(self, server: OpenBao) -> PlantedClient:
        """Return a new connection; the server closes one that is idle for long."""
        return PlantedClient(server.port, self.asked)

    def _bulk(self, server: OpenBao, tokens: dict[str, str], requests: int, name: str) -> None:
        """Make the common requests on several connections at once, each with paths of its own."""
        workers = [PlantedClient(server.port) for _ in CLIENTS]
        failures: list[BaseException] = []

        def work(worker: PlantedClient, letter: str) -> None:
            try:
                worker.bulk(f"{name}-{letter}", requests // len(CLIENTS))
            except (AssertionError, OSError, ValueError) as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=pair) for pair in zip(workers, CLIENTS, strict=True)]
        for worker in workers:
            worker.tokens |= tokens
        for thread in threads:
            thread.start()
        for thread, worker in zip(threads, workers, strict=True):
            thread.join()
            worker.__exit__()
            self.asked += worker.asked
        assert [] == failures

    def _said(self, text: str) -> int:
        return self.messages.read_text(errors="replace").count(text)

    def _audit_test(self, server: OpenBao) -> None:
        """Take the audit device away and bring it back: a new device writes a test message."""
        path = self.directory / "openbao.hcl"
        before = self._said("disabled audit")
        path.write_text("")
        server.hang_up()
        wait_until(lambda: self._said("disabled audit") > before, "the audit device to go")
        before = self._said("enabled audit backend")
        write_config(path, self.fifo)
        server.hang_up()
        wait_until(lambda: self._said("enabled audit backend") > before, "the audit device to come back")
        self.asked.append(AUDIT_TEST)

    def _unseal(self, server: OpenBao) -> None:
        text = self.messages.read_text(errors="replace")
        key = text.rpartition("Unseal Key: ")[2].split()[0]
        with PlantedClient(server.port) as client:
            client.ask(Ask("POST", "sys/unseal", "", body={"key": key}), "")
        server.wait_until_ready()


def _tokens(client: PlantedClient) -> dict[str, str]:
    """Log everybody in; return the tokens that the common requests take."""
    for ask in failed_logins():
        client.ask(ask, "")
    for user in USERS:
        answer = client.ask(login(user), "")
        client.tokens[user] = answer["auth"]["client_token"]
    batch = {"type": "batch", "policies": ["reader"], "ttl": "1h", "display_name": "batch"}
    answer = client.ask(Ask("POST", "auth/token/create", "update", body=batch))
    return {"user": client.tokens[USERS[0]], "batch": answer["auth"]["client_token"]}


def _rare(client: PlantedClient) -> None:
    """Make the rare requests, wrapping among them, one after the other."""
    for serial in range(SINGLES):
        for ask in single_asks(serial):
            client.ask(ask)
        wrapped = Ask("GET", "secret/data/app/1", "read", headers=(("X-Vault-Wrap-TTL", "60s"),))
        client.tokens["wrapped"] = client.ask(wrapped)["wrap_info"]["token"]
        client.ask(by_user(Ask("POST", "sys/wrapping/unwrap", "update", body={}), ROOT_NAME), "wrapped")
        client.ask(BAD_UNWRAP)
        client.ask(BAD_LOOKUP)
