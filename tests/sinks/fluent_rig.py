"""A sink of type fluent, its batches, and the foreign server it is tried against."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self

from bench.peers import NODE_MODULES
from standpipe.config_sinks import BatchConfig, Secret, SinkConfig
from standpipe.sinks.base import Context
from standpipe.sinks.fluent import FluentSink, open_sink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType


JOURNAL = "1d6b7b1e-0000-4000-8000-000000000000"
PEERS = str(NODE_MODULES)
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fluent_peer.mjs")
PATIENCE_SECONDS = 60.0


def make_sink(port: int, **options: object) -> FluentSink:
    """Return a sink towards a port here, over TCP unless the options say otherwise; ``__`` in a name is a dot."""
    return sink_of_batches(port, None, options)


def sink_of_batches(port: int, batch_bytes: int | None, options: Mapping[str, object]) -> FluentSink:
    """Return a sink with batches of a size."""
    dotted = {name.replace("__", "."): value for name, value in options.items()}
    complete = {"address": f"localhost:{port}", "transport": "tcp", "timeout": PATIENCE_SECONDS, **dotted}
    config = SinkConfig("f", "fluent", batch=BatchConfig(size_bytes=batch_bytes), options=complete)
    return open_sink(config, Context(JOURNAL, "node-1"))


def secret(directory: Path, text: str) -> Secret:
    """Return a secret in a file of its own."""
    path = directory / f"secret-{text}"
    path.write_text(f"{text}\n")
    return Secret(file=str(path))


class ForeignServer:
    """FluentServer of @fluent-org/logger, in a process of its own, on loopback. events: what it received, in order."""

    def __init__(self, tls: dict[str, str] | None = None, security: dict[str, object] | None = None) -> None:
        asked = {"tls": tls, "security": security}
        self._process = subprocess.Popen(
            ["node", PROGRAM, json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "STANDPIPE_TEST_PEERS": PEERS},
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        assert first, "the server did not start; tools/bootstrap.sh test-peers gets it"
        self.port: int = json.loads(first)["port"]
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server and wait for all that it wrote."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))
