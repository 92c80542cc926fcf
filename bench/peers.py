"""rsyslog and syslog-ng: where they are, how each is started to follow one file, and what to do where one is missing.

Debian's packages of the two exclude each other, so at most one can be installed. `dpkg -x` only unpacks: nothing is
started and nothing outside one directory is touched, so both may lie in the virtual environment.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

RSYSLOG, SYSLOG_NG = "rsyslog", "syslog-ng"
PEERS = (RSYSLOG, SYSLOG_NG)
PROGRAMS = {RSYSLOG: "rsyslogd", SYSLOG_NG: "syslog-ng"}
CONFIGS = Path(__file__).parent / "configs"
UNPACKED = Path(sys.prefix) / "peers"  # tools/bootstrap.sh test-peers
NODE_MODULES = UNPACKED / "node_modules"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # a user's PATH may lack sbin
PACKAGES = {  # with the libraries that a small system may lack
    RSYSLOG: "rsyslog libestr0 libfastjson4 liblognorm5",
    SYSLOG_NG: "syslog-ng-core syslog-ng-mod-http libivykis0 libjson-c5 libnet1 libpcre3 libwrap0 libcurl4",
}
HTTP_MODULE = "libhttp.so"  # of syslog-ng; Debian has no omhttp for rsyslog
INSTALLED_MODULES = "/usr/lib/syslog-ng/[0-9]*"


@dataclass(frozen=True, slots=True)
class Peer:
    """One syslog daemon that can be started. module_path and library_path are "" where it is installed."""

    name: str
    program: str
    module_path: str = ""
    library_path: str = ""


def how_to_get(peer: str) -> str:
    """Return the command that unpacks a peer where `find_peer` looks."""
    return (
        f"mkdir -p {UNPACKED} && cd {UNPACKED} && apt-get download {PACKAGES[peer]} "
        "&& for f in *.deb; do dpkg -x $f .; done"
    )


def find_peer(name: str, unpacked: Path = UNPACKED) -> Peer | None:
    """Return a peer, an installed one before one that was only unpacked; None where it is missing."""
    installed = shutil.which(PROGRAMS[name], path=SYSTEM_PATH)
    if installed:
        return Peer(name, installed)
    program = unpacked / "usr/sbin" / PROGRAMS[name]
    if not program.exists():
        return None
    pattern = "usr/lib/*/rsyslog" if name == RSYSLOG else "usr/lib/syslog-ng/[0-9]*"
    modules = sorted(glob.glob(str(unpacked / pattern)))
    libraries = [str(unpacked / "usr/lib/syslog-ng")]
    libraries += sorted(glob.glob(str(unpacked / "lib/*-linux-*")) + glob.glob(str(unpacked / "usr/lib/*-linux-*")))
    return Peer(name, str(program), modules[-1] if modules else "", ":".join(libraries))


def can_send_http(peer: Peer) -> bool:
    """Whether a peer has what it needs to send to an HTTP server."""
    return peer.name == SYSLOG_NG and bool(glob.glob(f"{peer.module_path or INSTALLED_MODULES}/{HTTP_MODULE}"))


def command(peer: Peer, directory: str, config: str = "") -> list[str]:
    """Return the command line: in the foreground, with all its state in a directory. config: "" for the usual one."""
    if peer.name == RSYSLOG:
        modules = ["-M", peer.module_path] if peer.module_path else []
        return [peer.program, "-n", "-f", str(CONFIGS / (config or "rsyslog.conf")), "-i", f"{directory}/pid", *modules]
    modules = ["--module-path", peer.module_path] if peer.module_path else []
    state = ["-R", f"{directory}/persist", "-p", f"{directory}/pid", "-c", f"{directory}/control"]
    return [peer.program, "-F", "--no-caps", "-f", str(CONFIGS / (config or "syslog-ng.conf")), *state, *modules]


def environment(peer: Peer, directory: str, source: str, target: str) -> dict[str, str]:
    """Return the environment that the configs in bench/configs read, and the unpacked libraries."""
    result = {**os.environ, "BENCH_WORK": directory, "BENCH_SOURCE": source, "BENCH_TARGET": target}
    if peer.library_path:
        result["LD_LIBRARY_PATH"] = peer.library_path
    return result
