"""rsyslog and syslog-ng as receivers over TCP and TLS, each in a directory of its own; who signed what for TLS.

Each writes two files: `raw`, the messages as they came, and `parsed`, what it understood:
time|host|app|msgid|structured data|facility|severity|message. Nothing in them is escaped, and each ends with a newline.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import trustme

from bench.peers import RSYSLOG, Peer, find_peer, how_to_get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_SECONDS = 60
HOST = "127.0.0.1"
TCP, GNUTLS, OPENSSL = (
    "tcp",
    "gtls",
    "ossl",
)  # how it receives; the names of rsyslog's drivers. syslog-ng has OpenSSL only


@dataclass(frozen=True, slots=True)
class Papers:
    """PEM files: a CA, what it signed, and what another CA signed."""

    ca: str
    server: str
    client: str
    other_ca: str
    other_client: str


def make_papers(directory: Path) -> Papers:
    """Write certificates, keys included, that are good for the loopback."""

    def issue(authority: trustme.CA, name: str) -> str:
        path = directory / f"{name}.pem"
        authority.issue_cert(HOST, "localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)

    ours, others = trustme.CA(), trustme.CA()
    ca, other_ca = str(directory / "ca.pem"), str(directory / "other_ca.pem")
    ours.cert_pem.write_to_path(ca)
    others.cert_pem.write_to_path(other_ca)
    return Papers(ca, issue(ours, "server"), issue(ours, "client"), other_ca, issue(others, "other_client"))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail after a generous time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _rsyslog_config(directory: Path, port: int, driver: str, papers: Papers, message_bytes: int) -> str:
    tls = driver != TCP
    files = (
        f'defaultNetstreamDriver="{driver}" defaultNetstreamDriverCAFile="{papers.ca}" '
        f'defaultNetstreamDriverCertFile="{papers.server}" defaultNetstreamDriverKeyFile="{papers.server}"'
    )
    wanted = f'streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"'
    size = f'maxMessageSize="{message_bytes}"' if message_bytes else ""
    return f"""
global(workDirectory="{directory}" parser.escapeControlCharactersOnReceive="off" {size} {files if tls else ""})
module(load="imtcp" {wanted if tls else ""})
template(name="raw" type="string" string="%rawmsg%\\n")
template(name="parsed" type="list") {{
    property(name="timestamp" dateFormat="rfc3339") constant(value="|") property(name="hostname") constant(value="|")
    property(name="app-name") constant(value="|") property(name="msgid") constant(value="|")
    property(name="structured-data") constant(value="|") property(name="syslogfacility-text") constant(value="|")
    property(name="syslogseverity-text") constant(value="|") property(name="msg") constant(value="\\n")
}}
input(type="imtcp" port="{port}" address="{HOST}" ruleset="received")
ruleset(name="received") {{
    action(type="omfile" file="{directory}/raw" template="raw")
    action(type="omfile" file="{directory}/parsed" template="parsed")
}}
syslog.* action(type="omfile" file="{directory}/own")
"""


def _syslog_ng_config(directory: Path, port: int, driver: str, papers: Papers, message_bytes: int) -> str:
    tls = (
        f'tls(ca-file("{papers.ca}") cert-file("{papers.server}") key-file("{papers.server}") '
        "peer-verify(required-trusted))"
    )
    size = f"log-msg-size({message_bytes});" if message_bytes else ""
    transport = 'transport("tcp")' if driver == TCP else f'transport("tls") {tls}'
    return f"""@version: 3.38
options {{ stats-freq(0); keep-hostname(yes); frac-digits(6); {size} }};
source received {{ syslog(ip("{HOST}") port({port}) {transport} flags(store-raw-message)); }};
destination raw {{ file("{directory}/raw" template("$RAWMSG\\n")); }};
destination parsed {{
    file("{directory}/parsed" template("$ISODATE|$HOST|$PROGRAM|$MSGID|$SDATA|$FACILITY|$LEVEL|$MSG\\n"));
}};
log {{ source(received); destination(raw); destination(parsed); flags(flow-control); }};
log {{ source {{ internal(); }}; destination {{ file("{directory}/own"); }}; }};
"""


def _command(peer: Peer, directory: Path) -> list[str]:
    config, pid = str(directory / "config"), str(directory / "pid")
    if peer.name == RSYSLOG:
        return [peer.program, "-n", "-f", config, "-i", pid, *(["-M", peer.module_path] if peer.module_path else [])]
    modules = ["--module-path", peer.module_path] if peer.module_path else []
    state = ["-R", str(directory / "persist"), "-p", pid, "-c", str(directory / "control")]
    return [peer.program, "-F", "--no-caps", "-f", config, *state, *modules]


def _state(path: str) -> str:
    """Return a thread's state as proc(5) names it."""
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


class Receiver:
    """A real syslog daemon that listens on the loopback."""

    def __init__(self, name: str, driver: str, directory: Path, papers: Papers, message_bytes: int = 0) -> None:
        """Prepare; message_bytes: the largest message, 0 for its default."""
        peer = find_peer(name)
        assert peer is not None, f"{name} is missing: {how_to_get(name)}"
        self.name = name
        self.is_tls = driver != TCP
        self.port = free_port()
        self._peer = peer
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        write = _rsyslog_config if name == RSYSLOG else _syslog_ng_config
        (directory / "config").write_text(write(directory, self.port, driver, papers, message_bytes))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        environment = dict(os.environ)
        if self._peer.library_path:
            environment["LD_LIBRARY_PATH"] = self._peer.library_path
        with (self._directory / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                _command(self._peer, self._directory), env=environment, stdout=errors, stderr=errors
            )
        wait_until(self._listens, f"{self.name} to listen: {self.own_messages()}")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.own_messages()
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def end(self, signal_number: int = signal.SIGTERM) -> None:
        """Send it a signal that ends it, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Stop it where it stands, with all its threads."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = f"/proc/{self.pid}/task"
        wait_until(lambda: all(_state(f"{tasks}/{task}/stat") == "T" for task in os.listdir(tasks)), "all threads")

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _content(self, name: str) -> bytes:
        path = self._directory / name
        return path.read_bytes() if path.exists() else b""

    def raw(self) -> list[bytes]:
        """Return the messages that it has written, as they came."""
        return self._content("raw").split(b"\n")[:-1]

    def parsed(self) -> list[bytes]:
        """Return what it understood of them."""
        return self._content("parsed").split(b"\n")[:-1]

    def own_messages(self) -> str:
        """Return what it says of itself."""
        return (self._content("stderr") + self._content("own")).decode("utf-8", "replace")

    def wait_for(self, count: int) -> None:
        """Wait until it has written so many messages."""
        wait_until(
            lambda: min(len(self.raw()), len(self.parsed())) >= count, f"{count} messages: {self.own_messages()}"
        )

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, frozen or not."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.end()
