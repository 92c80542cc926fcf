"""A real OpenBao with one audit device, read in one of these ways, and a client that loads it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.follower import RECLAIM, sidecar
from bench.processes import RUN, program, reading
from bench.stdout_reader import pipe_stdout
from standpipe.vault.server import audit_config, clean_environment, dev_command, find_bao, free_port, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stdout_reader import PipeStdout

DIRECT = "file device"  # straight to a file on disk: nobody reads, nothing is in between
TOKEN = "bench-root-token"  # noqa: S105  opens a throw-away server on loopback
CONNECTIONS = 8  # keeps two cores busy
READY_SECONDS = 60.0
CLIENT_GRACE_SECONDS = 90.0

Answers = list[tuple[float, float]]  # when, and after how long


@contextlib.contextmanager
def serving(way: str) -> Iterator[tuple[int, PipeStdout]]:
    """Start a server whose audit device is read in this way; yield its port and the reader's stdout."""
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    audit_path = f"{directory}/audit.log" if way == DIRECT or way in RECLAIM else f"{directory}/fifo"
    config = f"{directory}/openbao.hcl"
    with open(config, "w", encoding="utf-8") as file:
        file.write(audit_config(audit_path))
    port = free_port()
    command = dev_command(find_bao(), port, TOKEN, config)
    environment = clean_environment(Path(directory))
    messages = f"{directory}/server.log"
    try:
        with pipe_stdout() as stdout, contextlib.ExitStack() as stack:
            if way == RUN:
                process = stack.enter_context(reading(RUN, directory, stdout.write_end, command, environment)).process
            else:
                if way in RECLAIM:
                    stack.enter_context(sidecar(way, audit_path, directory, stdout.write_end))
                elif way != DIRECT:
                    stack.enter_context(reading(way, directory, stdout.write_end))
                # Its banner goes to stdout, which is not the records' here.
                quiet = stack.enter_context(open(messages, "ab")).fileno()
                process = stack.enter_context(program(command, quiet, messages, environment))
            wait_until_ready(port, READY_SECONDS, lambda: process.poll() is None)
            yield port, stdout
    finally:
        shutil.rmtree(directory)


def start_client(port: int, seconds: float) -> subprocess.Popen[bytes]:
    """Start a client that asks for so long."""
    arguments = [str(port), TOKEN, str(CONNECTIONS), str(seconds)]
    return subprocess.Popen([sys.executable, "-m", "bench.client", *arguments], stdout=subprocess.PIPE)


def answers_of(client: subprocess.Popen[bytes], seconds: float) -> Answers:
    """Wait for a client to end; return its list. Raises RuntimeError where it failed."""
    try:
        output, _ = client.communicate(timeout=seconds + CLIENT_GRACE_SECONDS)
    finally:
        client.kill()
    if client.returncode:
        raise RuntimeError(f"the client ended with {client.returncode}")
    return [(at, took) for at, took in json.loads(output)]
