"""One audit log and one journal, as an operator has them: real processes, real files, and what the files say after.

The test itself is the writer: what it appended is what the journal must have. Where something has to happen between two
looks of capture, capture is stopped with SIGSTOP meanwhile, or strace stops it before a system call.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.faults.injection import Injection, Process, wait_until
from tests.faults.rig import DEADLINE_SECONDS, STANDPIPE, open_files, read_segments

NUDGE = ".nudge"  # no name of a log
FULL_POLLS = 12  # sleeps and wake-ups of capture after which we believe that it has seen everything
LINE_BYTES = 200


def lines(first: int, count: int, size: int = LINE_BYTES) -> bytes:
    """Return records with serial numbers."""
    return b"".join(line(serial, size) for serial in range(first, first + count))


def line(serial: int, size: int = LINE_BYTES) -> bytes:
    """Return one record of a size in bytes, the newline included."""
    head = b'{"time":"2026-01-01T00:00:00Z","type":"request","serial":%d,"pad":"' % serial
    return head + b"x" * (size - len(head) - 3) + b'"}\n'


class Prefix(Injection):
    """A program before our command, in place of strace."""

    def words(self, _trace: Path) -> list[str]:
        """Return its words, which `syscall` holds."""
        return self.syscall.split()


class Traced(Injection):
    """strace with words of our own: `syscall` is the calls, `fault` the injection, `paths` the files, whole."""

    def words(self, trace: Path) -> list[str]:
        """Return strace and its options."""
        words = ["strace", "-f", "-y", "-s", "16", "-o", str(trace), "-e", f"trace={self.syscall}"]
        words += [word for path in self.paths for word in ("-P", path)]
        return [*words, "-e", f"inject={self.syscall}:{self.fault}"]


# Root without its privileges: a mode of 0000 counts for it as for everybody.
NO_PRIVILEGES = Prefix("setpriv --bounding-set=-all --inh-caps=-all") if os.geteuid() == 0 else None


class Appender:
    """A writer that has the file open, as Vault has it."""

    def __init__(self, path: Path, *, append: bool = True) -> None:
        """Open or create the file."""
        self.path = path
        self._flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else 0)
        self.descriptor = -1
        self.reopen()

    def reopen(self) -> None:
        """Close the old file, then open the path: in Vault's order."""
        self.close()
        self.descriptor = os.open(self.path, self._flags, 0o600)

    def write(self, data: bytes) -> bytes:
        """Write it whole, and return it."""
        assert os.write(self.descriptor, data) == len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


class Capture(Process):
    """A running `standpipe capture --file`."""

    def _traced(self) -> list[int]:
        if isinstance(self._injection, Prefix):
            return [self.process.pid] if self.alive() else []  # it has become our command
        return super()._traced()

    def voluntary_switches(self) -> int:
        """Return how often it went to sleep (proc_pid_status(5))."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def state(self) -> str:
        """Return its state, one letter (proc_pid_stat(5))."""
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]

    def stopped(self) -> bool:
        """Tell whether it is stopped by a signal, or by strace."""
        return self.state() in ("t", "T")

    def pause(self) -> None:
        """Stop it where it stands."""
        self.signal(signal.SIGSTOP)
        wait_until(self.stopped, "capture stands still")

    def resume(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.signal(signal.SIGKILL)
        self.status()

    def looks_around(self, nudge: Path | None = None) -> None:
        """Wait until it has looked at everything many times; `nudge` is a directory whose events wake it up."""
        start = self.voluntary_switches()

        def enough() -> bool:
            if nudge is not None:
                (nudge / NUDGE).write_bytes(b"x")
            return not self.alive() or self.voluntary_switches() >= start + FULL_POLLS

        wait_until(enough, "capture has looked around")
        assert self.alive(), self.messages()

    def says(self, words: str, count: int = 1) -> None:
        """Wait until it has said something so often."""
        wait_until(lambda: self.messages().count(words) >= count or not self.alive(), f"it says {words!r}")
        assert self.messages().count(words) >= count, self.messages()

    def has_open(self, path: Path | str) -> bool:
        """Tell whether it has a file open, by the name that /proc shows."""
        return str(path) in open_files(self.pid)


class Scene:
    """An audit log in a directory of its own, and its journal."""

    def __init__(self, directory: Path) -> None:
        """Name the places."""
        self.directory = directory
        self.vault = directory / "vault"
        self.path = self.vault / "audit.log"
        self.journal = directory / "journal"
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        """Make the log's directory."""
        self.vault.mkdir(exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End every process and close every file."""
        self._ends.close()

    # The writer.

    def writer(self, path: Path | None = None, *, append: bool = True) -> Appender:
        """Open the log as Vault does."""
        appender = Appender(path or self.path, append=append)
        self._ends.callback(appender.close)
        return appender

    def append(self, data: bytes, path: Path | None = None) -> bytes:
        """Append to a file that nobody keeps open, and return what was appended."""
        with open(path or self.path, "ab") as file:
            file.write(data)
        return data

    def tick(self) -> None:
        """Wait until the file system's clock has moved on: files that are written after this are younger for stat."""
        mark = self.directory / "tick"
        mark.write_bytes(b"")
        start = mark.stat().st_mtime_ns

        def moved_on() -> bool:
            mark.write_bytes(b"")
            return mark.stat().st_mtime_ns != start

        wait_until(moved_on, "the clock moves on")

    def older(self, suffix: str = "1") -> Path:
        """Return the name of an older generation."""
        return self.path.with_name(f"{self.path.name}.{suffix}")

    # Our processes.

    def words(self, **options: object) -> list[str]:
        """Return capture's command line: defaults for tests, and options by name with _ for -."""
        chosen = {"file": self.path, "journal": self.journal, "segment_size": "64KiB", "fsync": "20ms"} | options
        flags = {f"--{key.replace('_', '-')}": str(value) for key, value in chosen.items()}
        return ["capture", *(word for flag in flags.items() for word in flag)]

    def start(self, injection: Injection | None = None, **options: object) -> Capture:
        """Start a capture, and do not wait."""
        capture = Capture(self.directory, self.words(**options), injection, ready=True)
        self._ends.callback(capture.__exit__)
        return capture

    def capture(self, injection: Injection | None = None, **options: object) -> Capture:
        """Start a capture, and wait until it is ready."""
        capture = self.start(injection, **options)
        assert capture.wait_ready(), capture.messages()
        return capture

    def spawn(self, *words: str, stdout: int = subprocess.DEVNULL) -> Process:
        """Start another of our commands."""
        process = Process(self.directory, words, stdout=stdout)
        self._ends.callback(process.__exit__)
        return process

    def config(self, text: str, sink: str = "{type: stdout, format: raw}") -> str:
        """Write a config and return its path. text: of the section `journal`, besides the path."""
        path = self.directory / "standpipe.yaml"
        path.write_text(f"journal: {{path: {self.journal}, {text}}}\nsinks: {{console: {sink}}}\n")
        return str(path)

    def ship(self, *more: str) -> bytes:
        """Deliver all there is now to a file, and return what came: into a pipe the last bytes would come again."""
        where = more or ("--journal", str(self.journal))
        output = self.directory / "stdout"
        with open(output, "ab") as file:
            before = file.tell()
            command = [*STANDPIPE, "ship", "--once", *where]
            done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=False, timeout=DEADLINE_SECONDS)
        assert done.returncode == 0, done.stderr
        return output.read_bytes()[before:]

    def keep(self, *more: str) -> int:
        """Let keep do what is due."""
        return self.spawn("keep", "--once", *(more or ("--journal", str(self.journal)))).status()

    def verify(self) -> tuple[int, dict[str, object]]:
        """Return verify's exit status and what it says."""
        command = [*STANDPIPE, "verify", "--journal", str(self.journal), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    # The journal, as plain files.

    def content(self) -> bytes:
        """Return the journal's bytes, which must have no hole."""
        data = []
        end = 0
        for base, piece in read_segments(self.journal):
            assert base == end, f"a segment at {base} follows on {end}"
            data.append(piece)
            end += len(piece)
        return b"".join(data)

    def end(self) -> int:
        """Return the journal's end."""
        segments = self.journal / "segments"
        names = sorted(name for name in os.listdir(segments) if name[:20].isdigit() and name.endswith(".log"))
        for name in reversed(names):
            try:
                return int(name[:20]) + (segments / name).stat().st_size
            except FileNotFoundError:
                continue  # keep has compressed or deleted it
        return 0

    def wait_end(self, length: int) -> None:
        """Wait until the journal is so long."""
        wait_until(lambda: self.end() >= length, f"the journal has {length} bytes")

    def expect(self, data: bytes) -> None:
        """Wait until the journal is as long as some bytes, and compare."""
        self.wait_end(len(data))
        check_equal(data, self.content())

    def finish(self, capture: Capture, data: bytes) -> None:
        """Wait for the bytes, stop capture as when the writer is dead, and compare again: nothing came after."""
        self.expect(data)
        assert self.stop(capture) == 0, capture.messages()
        check_equal(data, self.content())

    def stop(self, capture: Capture, number: int = signal.SIGUSR1) -> int:
        """Stop a capture and return its exit status; events in the directory shorten its sleep."""
        capture.signal(number)

        def ended() -> bool:
            if self.vault.is_dir():
                (self.vault / NUDGE).write_bytes(b"x")
            return not capture.alive()

        wait_until(ended, "capture ends")
        return capture.status()

    def settles(self, data: bytes) -> None:
        """Start capture once more, and see that it finds nothing to do."""
        self.finish(self.capture(), data)

    def incidents(self, *kinds: str) -> list[dict[str, object]]:
        """Return the incidents, of some kinds if they are named."""
        path = self.journal / "incidents.jsonl"
        found = [json.loads(text) for text in path.read_bytes().splitlines()] if path.exists() else []
        return [incident for incident in found if not kinds or incident["kind"] in kinds]

    def incident(self, kind: str) -> tuple[int, int, dict[str, object]]:
        """Wait for the only incident of a kind; return its offset, length and detail."""
        wait_until(lambda: self.incidents(kind), f"there is an incident: {kind}")
        (found,) = self.incidents(kind)
        detail = found["detail"]
        assert isinstance(detail, dict)
        return int(str(found["offset"])), int(str(found["length"])), detail

    def source(self) -> dict[str, list[dict[str, object]]]:
        """Return source.json."""
        return json.loads((self.journal / "source.json").read_bytes())  # type: ignore[no-any-return]

    def write_source(self, entry: object) -> None:
        """Replace source.json."""
        (self.journal / "source.json").write_text(json.dumps(entry))

    def reboot(self) -> None:
        """Let the journal believe that the machine was started anew: another boot id is in its files."""
        for name in ("source.json", "boot.json"):
            path = self.journal / name
            path.write_text(json.dumps(json.loads(path.read_bytes()) | {"boot_id": "another"}))

    def cursor(self, sink: str = "stdout") -> int:
        """Return a cursor's offset: of the two slots, the one with the higher sequence."""
        content = (self.journal / "cursors" / sink).read_bytes()
        slots = [json.loads(slot[: slot.rindex(b"}") + 1]) for slot in (content[:512], content[4096:4608]) if slot]
        return int(max(slots, key=lambda slot: slot["sequence"])["offset"])


def away(capture: Capture, *, live: bool) -> None:
    """Let capture not look for a while: it stands still, or it is killed."""
    if live:
        capture.pause()
    else:
        capture.kill()


def back(scene: Scene, capture: Capture, *, live: bool) -> Capture:
    """Let it look again."""
    if live:
        capture.resume()
        return capture
    return scene.capture()


def check_equal(expected: bytes, actual: bytes) -> None:
    """Compare; a difference of megabytes is told in a line."""
    if expected == actual:
        return
    end = min(len(expected), len(actual))
    at = next((i for i in range(end) if expected[i] != actual[i]), end)
    raise AssertionError(
        f"{len(expected)} bytes were written, {len(actual)} are there; they part at {at}:"
        f" {expected[at : at + 120]!r} was written, {actual[at : at + 120]!r} is there"
    )


def copy_truncate(path: Path, copy: Path) -> None:
    """Do what logrotate's copytruncate does."""
    shutil.copyfile(path, copy)
    os.truncate(path, 0)
