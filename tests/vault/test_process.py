from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import SourceError
from standpipe.vault.process import (
    PROGRAMS,
    Reloader,
    _children,
    catches_hangup,
    find_servers,
    holders,
    is_server,
    read_pid_file,
    waits_for_fifo,
)
from standpipe.vault.server import audit_config, clean_environment, dev_command, find_bao, free_port, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE_SECONDS = 60.0  # generous: the machine may be busy
POLL_SECONDS = 0.01
NOBODY = 65534
# What the symlinks named vault run: python takes the word `server` for this script.
SERVER_SCRIPT = """
import os, signal, sys
signal.signal(signal.SIGHUP, lambda *_: print("hup", flush=True))
for word in sys.argv[1:]:
    if word.startswith("-fifo="):
        os.open(word[6:], os.O_WRONLY | os.O_NONBLOCK)
print("ready", flush=True)
sys.stdin.read()
"""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fail with a sentence if it does not come true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(POLL_SECONDS)


class Program:
    """A process that says `ready` and then waits for the end of its stdin."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait until it is ready."""
        self.process = process
        self.pid = process.pid
        assert self.line() == "ready"

    def line(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def rest(self) -> list[str]:
        """End it, and return the lines that were not read."""
        return self.process.communicate(timeout=DEADLINE_SECONDS)[0].split()


@contextmanager
def program(*words: str, cwd: Path | None = None) -> Iterator[Program]:
    """Run a program until the block ends."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@contextmanager
def shell(script: str, *words: object) -> Iterator[Program]:
    """Run a shell that waits after its script, whose $0, $1… are the words."""
    with program("sh", "-c", f"{script}\necho ready; read end", *map(str, words)) as process:
        yield process


def link_to_python(directory: Path, name: str) -> str:
    """Make a program of a name that runs the scripts `server`, `status`… of the directory."""
    link = directory / name
    link.symlink_to(os.path.realpath(sys.executable))
    for word in ("server", "status", "agent"):
        (directory / word).write_text(SERVER_SCRIPT, encoding="ascii")
    return str(link)


@contextmanager
def server(directory: Path, *options: str, name: str = "vault") -> Iterator[Program]:
    """Run `vault server`, or what is called so."""
    with program(link_to_python(directory, name), "server", *options, cwd=directory) as process:
        yield process


def in_own_namespace(script: str, *words: str) -> str:
    """Run a python script as process 1 of a PID namespace with a /proc of its own; return what it prints."""
    command = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", script, *words)
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE_SECONDS).stdout


def as_nobody(script: str, *words: object) -> str:
    """Run a python script after `os.setuid` to an unprivileged user; return what it prints."""
    prelude = "import os, sys\nfrom standpipe.vault.process import *\nos.setgroups([])\n"
    command = (sys.executable, "-c", f"{prelude}os.setgid({NOBODY}); os.setuid({NOBODY})\n{script}", *map(str, words))
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE_SECONDS).stdout


def identity(path: Path) -> tuple[int, int]:
    """Return device and inode."""
    status = path.stat()
    return status.st_dev, status.st_ino


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make an audit file."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"x\n")
    return path


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[int]:
    """Make a FIFO at tmp_path/pipe; yield a descriptor of it that reads and writes."""
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def fill(descriptor: int) -> None:
    """Write until a pipe takes no more."""
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except BlockingIOError:
        return


def drain(descriptor: int) -> None:
    """Read a pipe empty."""
    try:
        while True:
            os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return


# ---- Who has a file open


def test_each_descriptor_that_writes_counts(file: Path) -> None:
    """A process with two descriptors for writing is listed twice, and reading beside that adds nothing."""
    with shell('exec 7>>"$0" 8<>"$0" 9<"$0"', file) as both:
        found = holders(*identity(file))
    assert ([both.pid, both.pid], []) == (found.writers, found.readers)


def test_readers_are_told_from_writers(file: Path) -> None:
    """A process that only reads is a reader, once, however many descriptors it has."""
    with shell('exec 8<"$0" 9<"$0"', file) as reader, shell('exec 9>>"$0"', file) as writer:
        found = holders(*identity(file))
    assert ([writer.pid], [reader.pid]) == (found.writers, found.readers)


def test_we_ourselves_and_o_path_do_not_count(file: Path) -> None:
    """Our own descriptors are left out, and one that can neither read nor write is none."""
    path_only = "import os, sys; os.open(sys.argv[1], os.O_PATH); print('ready', flush=True); sys.stdin.read()"
    with open(file, "ab"), program(sys.executable, "-c", path_only, str(file)):
        found = holders(*identity(file))
    assert ([], []) == (found.writers, found.readers)


def test_a_renamed_and_an_unlinked_file_are_still_found(file: Path) -> None:
    """What counts is the inode, not a name that it has or had."""
    who = identity(file)
    with shell('exec 9>>"$0"', file) as writer:
        file.rename(file.with_suffix(".old"))
        assert [writer.pid] == holders(*who).writers
        file.with_suffix(".old").unlink()
        assert [writer.pid] == holders(*who).writers
    assert [] == holders(*who).writers


def test_nothing_is_opened(file: Path) -> None:
    """No file of another process is opened in the search, which would be a reader or a writer more for a moment."""
    trace = file.with_suffix(".trace")
    search = "import sys; from standpipe.vault.process import holders; print(holders(*map(int, sys.argv[1:])).writers)"
    with shell('exec 9>>"$0"', file) as writer:
        done = subprocess.run(
            ["strace", "-o", str(trace), "-e", "trace=open,openat", sys.executable, "-c", search]
            + [str(number) for number in identity(file)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=DEADLINE_SECONDS,
        )
    assert f"[{writer.pid}]\n" == done.stdout
    calls = trace.read_text(encoding="utf-8")
    assert f'"/proc/{writer.pid}/fdinfo/9"' in calls
    assert [] == re.findall(r"/proc/[0-9]+/fd/[0-9]+", calls)


def test_where_all_can_be_seen_the_answer_is_complete() -> None:
    """In a PID namespace in which we may look into every process the answer is complete."""
    script = (
        "import os, subprocess, sys\nfrom standpipe.vault.process import holders\n"
        "with open('/proc/self/status') as file:\n"
        "    who = os.fstat(file.fileno())\n"
        "    other = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=file.fileno())\n"
        "found = holders(who.st_dev, who.st_ino)\n"
        "print(found.writers, found.readers == [other.pid], found.complete)\n"
        "other.kill()"
    )
    assert "[] True True\n" == in_own_namespace(script)


def test_a_process_that_we_may_not_look_into_is_told(file: Path) -> None:
    """As another user's process cannot be looked into, the answer is not complete."""
    with shell('exec 9>>"$0"', file):
        seen = as_nobody(
            "found = holders(*map(int, sys.argv[1:]))\nprint(found.writers, found.complete)", *identity(file)
        )
    assert "[] False\n" == seen


def test_a_process_whose_descriptors_can_only_be_counted_is_told() -> None:
    """Root without CAP_SYS_PTRACE, as in most containers, can list another user's descriptors and no more."""
    other = f"import os, time; os.setgid({NOBODY}); os.setuid({NOBODY}); print(flush=True); time.sleep(600)"
    search = (
        "import os, sys; from standpipe.vault.process import holders\n"
        "print(len(os.listdir(f'/proc/{sys.argv[1]}/fd')) > 0, holders(1, 1).complete, flush=True)"
    )
    script = (
        "import subprocess, sys\n"
        f"other = subprocess.Popen([sys.executable, '-c', {other!r}], stdout=subprocess.PIPE)\n"
        "other.stdout.readline()\n"
        f"search = [sys.executable, '-c', {search!r}, str(other.pid)]\n"
        "subprocess.run(['setpriv', '--bounding-set=-sys_ptrace', *search], check=True)\n"
        "other.kill()"
    )
    assert "True False\n" == in_own_namespace(script)


def test_zombies_hold_nothing() -> None:
    """A process that has ended has nothing open, so another user's zombie leaves the answer complete."""
    script = (
        "import os\nfrom standpipe.vault.process import holders\n"
        "pid = os.fork()\nif not pid: os._exit(0)\n"
        "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "print(os.path.exists(f'/proc/{pid}'), holders(1, 1).complete)"
    )
    assert "True True\n" == in_own_namespace(script)


def test_hidden_processes_are_told() -> None:
    """Where /proc hides other users' processes (hidepid=2), the answer is not complete."""
    script = (
        "import os, subprocess\nfrom standpipe.vault.process import holders\n"
        "subprocess.run(['mount', '-t', 'proc', '-o', 'hidepid=2', 'proc', '/proc'], check=True)\n"
        "pid = os.fork()\nif pid: os.waitpid(pid, 0); raise SystemExit\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "print(os.path.exists('/proc/1'), holders(1, 1).complete, flush=True)"
    )
    assert "False False\n" == in_own_namespace(script)


# ---- Which process is the server


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("vault server -config=/vault/config", True),
        ("/usr/local/bin/bao server -dev", True),
        ("openbao -log-level=debug server", True),
        ("vault", False),
        ("vault status", False),
        ("vault agent -config=server", False),
        ("vault kv get server", False),
        ("vault -server", False),
        ("vaults server", False),
        ("/bin/sh /usr/local/bin/docker-entrypoint.sh vault server", False),
        ("dumb-init vault server", False),
        ("server vault", False),
        ("", False),
    ],
)
def test_is_server(words: str, *, expected: bool) -> None:
    """The program's name and its first word that is no option decide."""
    assert expected == is_server(words.split())


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_server_is_found(tmp_path: Path, name: str) -> None:
    """A running server is found under each of the names that its program has."""
    with server(tmp_path, "-config=x.hcl", name=name) as found:
        assert found.pid in find_servers()
    assert found.pid not in find_servers()


@pytest.mark.parametrize("word", ["status", "agent"])
def test_other_commands_are_no_servers(tmp_path: Path, word: str) -> None:
    """A probe or an agent of the same program is not taken, though `server` may be among its words."""
    with program(link_to_python(tmp_path, "vault"), word, "server", cwd=tmp_path) as other:
        assert other.pid not in find_servers()


def test_a_shell_with_the_words_in_its_script_is_no_server(tmp_path: Path) -> None:
    """`sh -c "… vault server …"`, as the Helm chart starts it, is not taken; the server below it is."""
    vault = link_to_python(tmp_path, "vault")
    with program("sh", "-c", f"{vault} server -config=x; true", "vault", "server", cwd=tmp_path) as outer:
        found = find_servers()
        with open(f"/proc/{outer.pid}/task/{outer.pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
        assert outer.pid not in found
        assert set(children) <= set(found)
        assert 1 == len(children)
        assert [] == outer.rest()


SERVERS_SCRIPT = """
import json, os, subprocess, sys
from standpipe.errors import SourceError
from standpipe.vault.process import Reloader
servers = [
    subprocess.Popen([sys.argv[1], "server"], cwd=os.path.dirname(sys.argv[1]), stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    for _ in range(int(sys.argv[2]))
]
for server in servers:
    server.stdout.readline()
reloader = Reloader(None, None)
try:
    target = reloader.target()
except SourceError as error:
    target = str(error)
print(json.dumps([[server.pid for server in servers], target, reloader.why_not(), reloader.reload()]))
for server in servers:
    server.kill()
"""


def ask_with_servers(directory: Path, count: int) -> tuple[list[int], object, str, str]:
    """Return the servers' ids, target, why_not and reload in a PID namespace with so many servers."""
    answer = in_own_namespace(SERVERS_SCRIPT, link_to_python(directory, "vault"), str(count))
    pids, target, why_not, reload = json.loads(answer)
    return pids, target, why_not, reload


def test_the_one_server_is_the_target(tmp_path: Path) -> None:
    """Where /proc shows one server, it gets the signal."""
    pids, target, why_not, reload = ask_with_servers(tmp_path, 1)
    assert (pids[0], "", "") == (target, why_not, reload)


def test_without_a_server_the_remedy_is_told(tmp_path: Path) -> None:
    """Where no server is to be seen nothing is sent, and the message says what to do."""
    _, target, why_not, reload = ask_with_servers(tmp_path, 0)
    assert target == why_not == reload
    assert "shareProcessNamespace" in why_not
    assert "--signal-pid or --pid-file" in why_not


def test_of_several_servers_none_is_chosen(tmp_path: Path) -> None:
    """Where there are several and none is named nothing is sent, and the message names them all."""
    pids, target, why_not, reload = ask_with_servers(tmp_path, 2)
    assert target == why_not == reload
    assert f"2 servers run here: processes {pids[0]}, {pids[1]}" in why_not


# ---- The pid file


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_pid_file_names_its_process(tmp_path: Path, ending: str) -> None:
    """A pid file, with or without a newline, yields the process id."""
    with shell("") as process:
        (tmp_path / "pid").write_text(f"{process.pid}{ending}", encoding="ascii")
        assert process.pid == read_pid_file(str(tmp_path / "pid"))


@pytest.mark.parametrize("content", [b"", b"\n", b"0", b"-1", b"12x", b"1 2", "١٢".encode(), b"\0", b"1" * 65])
def test_garbage_in_a_pid_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no process id is refused with a remedy, never guessed at."""
    (tmp_path / "pid").write_bytes(content)
    with pytest.raises(SourceError, match="does not hold a process id") as refused:
        read_pid_file(str(tmp_path / "pid"))
    assert refused.value.remedy


def test_a_number_that_no_process_can_have_is_refused(tmp_path: Path) -> None:
    """A number far beyond the largest process id is that of nobody."""
    (tmp_path / "pid").write_bytes(b"9" * 64)
    with pytest.raises(SourceError, match="does not run"):
        read_pid_file(str(tmp_path / "pid"))


def test_a_pid_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing one, a directory and an empty FIFO in its place are refused, and nobody waits for a writer."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", ".", "pipe"):
        with pytest.raises(SourceError) as refused:
            read_pid_file(str(tmp_path / name))
        assert refused.value.remedy


def test_a_pid_file_of_the_dead_is_refused(tmp_path: Path) -> None:
    """The id of a process that has ended is refused, be it a zombie or gone altogether."""
    with shell("") as process:
        (tmp_path / "pid").write_text(str(process.pid), encoding="ascii")
        process.process.stdin.close()  # type: ignore[union-attr]
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(SourceError, match="does not run"):
            read_pid_file(str(tmp_path / "pid"))
    with pytest.raises(SourceError, match="does not run"):
        read_pid_file(str(tmp_path / "pid"))


def test_an_id_that_was_given_out_again_is_refused(tmp_path: Path) -> None:
    """A process that is no server and is younger than the pid file did not write it."""
    with shell("") as process:
        (tmp_path / "pid").write_text(str(process.pid), encoding="ascii")
        os.utime(tmp_path / "pid", (0, 0))
        with pytest.raises(SourceError, match="given out again"):
            read_pid_file(str(tmp_path / "pid"))
        assert "given out again" in Reloader(None, str(tmp_path / "pid")).reload()
        assert process.process.poll() is None


def test_a_server_is_believed_whatever_its_pid_files_age(tmp_path: Path) -> None:
    """The times are not asked where argv says that it is the server: clocks may have been set."""
    with server(tmp_path) as process:
        (tmp_path / "pid").write_text(str(process.pid), encoding="ascii")
        os.utime(tmp_path / "pid", (0, 0))
        assert process.pid == read_pid_file(str(tmp_path / "pid"))


# ---- A full FIFO


def test_a_full_fifo_of_the_process_is_named(tmp_path: Path, fifo: int) -> None:
    """A FIFO that a process has open for writing is named while it is full, and not when it is read again."""
    with shell('exec 9>"$0"', tmp_path / "pipe") as process:
        assert waits_for_fifo(process.pid) is None
        fill(fifo)
        assert str(tmp_path / "pipe") == waits_for_fifo(process.pid)
        drain(fifo)
        assert waits_for_fifo(process.pid) is None


def test_a_full_fifo_that_the_process_reads_is_none(tmp_path: Path, fifo: int) -> None:
    """Only who writes can wait."""
    fill(fifo)
    with shell('exec 9<"$0"', tmp_path / "pipe") as process:
        assert waits_for_fifo(process.pid) is None


def test_a_fifo_without_a_reader_is_none(tmp_path: Path, fifo: int) -> None:
    """A write into a full FIFO that nobody reads fails, and does not wait."""
    with shell('exec 9>"$0"', tmp_path / "pipe") as process:
        fill(fifo)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, fifo)
        os.close(null)
        assert waits_for_fifo(process.pid) is None


def test_a_full_pipe_without_a_name_is_none() -> None:
    """Pipes that are no audit device, stdout among them, do not count."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    fill(writing)
    with subprocess.Popen(["sleep", "infinity"], stdout=writing) as process:
        assert waits_for_fifo(process.pid) is None
        process.kill()
    os.close(reading)
    os.close(writing)


def test_a_process_that_has_gone_waits_for_nothing() -> None:
    """A process id that nobody has is no reason to wait."""
    with shell("") as process:
        process.rest()
        assert waits_for_fifo(process.pid) is None


# ---- The signal


def test_the_server_gets_the_signal(tmp_path: Path) -> None:
    """A reload sends one SIGHUP to the process that was named, and says nothing."""
    with server(tmp_path) as process:
        reloader = Reloader(process.pid, None)
        assert "" == reloader.why_not()
        assert "" == reloader.reload()
        assert "hup" == process.line()
        assert [] == process.rest()


def test_the_named_process_goes_before_the_pid_file(tmp_path: Path) -> None:
    """--signal-pid wins, then the pid file; neither looks for servers."""
    with server(tmp_path) as process:
        (tmp_path / "pid").write_text(str(process.pid), encoding="ascii")
        assert process.pid == Reloader(None, str(tmp_path / "pid")).target()
        assert process.pid == Reloader(process.pid, str(tmp_path / "missing")).target()


def test_nothing_is_sent_while_a_fifo_is_full(tmp_path: Path, fifo: int) -> None:
    """A reload names the full FIFO and sends nothing; once it is read, the signal goes out."""
    with server(tmp_path, f"-fifo={tmp_path / 'pipe'}") as process:
        reloader = Reloader(process.pid, None)
        fill(fifo)
        assert f"the FIFO {tmp_path / 'pipe'}, which is full" in reloader.reload()
        assert "" == reloader.why_not()
        drain(fifo)
        assert "" == reloader.reload()
        assert "hup" == process.line()
        assert [] == process.rest()


def test_a_full_fifo_of_a_child_counts(tmp_path: Path, fifo: int) -> None:
    """Under `run` the signal goes to the supervisor, and the FIFO is Vault's, which is its child."""
    script = 'trap "echo hup" HUP; exec 3<&0; sh -c "read end" <&3 9>"$0" &'
    with shell(script, tmp_path / "pipe") as process:
        fill(fifo)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not any(map(waits_for_fifo, _children(process.pid))):
            assert time.monotonic() < deadline, "the child has not opened the FIFO"
        assert f"the FIFO {tmp_path / 'pipe'}, which is full" in Reloader(process.pid, None).reload()


def test_a_process_that_the_signal_would_end_is_spared() -> None:
    """Who has no handler for SIGHUP is no server: it is not signalled, and lives."""
    with shell("") as process:
        reloader = Reloader(process.pid, None)
        assert not catches_hangup(process.pid)
        assert "does not catch SIGHUP" in reloader.why_not()
        assert reloader.why_not() == reloader.reload()
        process.rest()
        assert 1 == process.process.returncode  # what `read` says of the end of its input; -1 would be SIGHUP


def test_a_process_that_is_gone_is_told() -> None:
    """A named process that has ended is a reason, and not an error."""
    with shell("") as process:
        process.rest()
        reloader = Reloader(process.pid, None)
        assert "does not run" in reloader.why_not()
        assert reloader.why_not() == reloader.reload()


@pytest.mark.parametrize("pid", [0, -1, 2**40])
def test_what_is_no_process_id_is_refused(pid: int) -> None:
    """Numbers that kill(2) takes for groups of processes, and ones that no process can have, are refused."""
    assert "is not" in Reloader(pid, None).why_not()
    assert "is not" in Reloader(pid, None).reload()


def test_we_do_not_signal_ourselves() -> None:
    """Our own process id, from a pid file that is not Vault's, is refused."""
    assert "is not the process id of a server" in Reloader(os.getpid(), None).reload()


def test_without_permission_the_user_is_named(tmp_path: Path) -> None:
    """Where we may not signal the process, the message says whose it is, and nothing is sent."""
    with server(tmp_path) as process:
        said = as_nobody("r = Reloader(int(sys.argv[1]), None); print(r.why_not()); print(r.reload())", process.pid)
        assert [] == process.rest()
    first, second = said.splitlines()
    assert first == second
    assert f"no permission to signal process {process.pid}. Run as its user (uid 0)" in first


def test_a_real_server_is_found_and_reopens_its_file(tmp_path: Path) -> None:
    """OpenBao itself is found by its argv, writes where /proc says, and makes its audit file anew after a reload."""
    audit = tmp_path / "audit.log"
    config = tmp_path / "config.hcl"
    config.write_text(audit_config(str(audit)), encoding="ascii")
    port = free_port()
    with (
        open(tmp_path / "messages", "wb") as messages,
        subprocess.Popen(
            dev_command(find_bao(), port, "root", str(config)),
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            env=clean_environment(tmp_path),
        ) as process,
    ):
        try:
            wait_until_ready(port, DEADLINE_SECONDS, lambda: process.poll() is None)
            assert process.pid in find_servers()
            # a second descriptor, of the first look at the path, goes when the server's garbage is collected
            assert {process.pid} == set(holders(*identity(audit)).writers)
            reloader = Reloader(process.pid, None)
            assert "" == reloader.why_not()
            audit.rename(tmp_path / "audit.log.old")
            assert "" == reloader.reload()
            wait_until(audit.exists, "the file is made anew")
            assert [process.pid] == holders(*identity(audit)).writers
        finally:
            process.kill()
