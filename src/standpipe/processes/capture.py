"""`standpipe capture`: the process that moves Vault's bytes into the journal, and nothing else.

Standard library only, and little of it: this process must start in milliseconds and stay below 12 MB. Two threads:
the main one takes bytes from the source (capture.pipe, capture.follow), the other one waits for the disk
(journal.syncer). An error that neither expects ends the process; the supervisor starts it again, and nothing is lost.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time

from standpipe.capture.pipe import Wake
from standpipe.cli.plain import Command, Option, Parsed
from standpipe.errors import EXIT_CRASH, EXIT_OK, EXIT_UNABLE, JournalError, SourceError, StandpipeError, UsageError
from standpipe.journal import identity, lock
from standpipe.journal.layout import DEFAULT_JOURNAL, Layout
from standpipe.journal.recovery import Recovery, cut_lost_ends, mark_clean
from standpipe.journal.room import Room
from standpipe.journal.syncer import Syncer
from standpipe.journal.writer import Writer
from standpipe.processes.child import die_with_parent, tell_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from standpipe.observe.log import Log
    from standpipe.processes.capture_fifo import FifoSource
    from standpipe.processes.capture_file import FileSource

SYNCER_WAIT_SECONDS = 0.05
DEFAULT_SEGMENT_BYTES = 64 << 20  # as in the config: large enough that seals are few, small enough to delete piecemeal
DEFAULT_SEGMENTS = 8  # as in the config: a journal at its cap can give back an eighth of itself
MIN_SEGMENT_BYTES = 4096  # as in the config: a smaller file takes as much room
MIN_SEGMENTS = 2  # as in the config: one that is being written and one that may go

COMMAND = Command(
    "capture",
    "Moves bytes from a FIFO (through the reserve) or from a live file into a journal, exactly once, whatever kills it."
    " 'standpipe run' and 'standpipe sidecar' start this process by themselves; alone it is for people who have a"
    " supervisor of their own."
    " SIGTERM, or Ctrl-C: take what still comes until the last writer has gone, or --deadline has passed; then"
    " sync, and exit. SIGUSR1: the writer is known to be dead; take what there is, sync, and exit. Whatever ends"
    " it, no byte is lost: from a file never, from a FIFO not while another process, 'standpipe hold' for example,"
    " keeps both pipes open.",
    options=(
        Option("fifo", "PATH", "Vault's audit FIFO; created with mode 0600 where it is missing. This or --file."),
        Option("file", "PATH", "The file that Vault's audit device appends to; need not be there yet."),
        Option("journal", "DIR", "The journal's directory; created where it is missing.", default=DEFAULT_JOURNAL),
        Option(
            "segment-size",
            "SIZE",
            "Close a segment at the first newline at which it is at least this long. Without it 64MiB, or an eighth of"
            " --max-size where that is less.",
            kind="size",
        ),
        Option(
            "max-size", "SIZE", "The journal's cap on disk; what happens then: --on-full.", kind="size", default="10GiB"
        ),
        Option(
            "on-full",
            "WAY",
            "What happens at the cap. capture always waits, and Vault with it; with drop-oldest keep makes room.",
            default="block",
            choices=("block", "drop-oldest"),
        ),
        Option("fsync", "TIME", "How often captured bytes are synced to the disk.", kind="duration", default="1s"),
        Option("seal-every", "TIME", "Close a segment that is older than this.", kind="duration", default="1h"),
        Option(
            "deadline",
            "TIME",
            "After SIGTERM or SIGUSR1, wait for the writers no longer than this.",
            kind="duration",
            default="20s",
        ),
        Option(
            "reclaim",
            "WAY",
            "How the file's disk space is given back once its bytes are safe: by punching holes, by rename and SIGHUP"
            " (reopen), the first of these that works here (auto), or not at all.",
            default="auto",
            choices=("auto", "punch", "reopen", "none"),
        ),
        Option("reclaim-at", "SIZE", "Give space back when so much of it is taken.", kind="size", default="8MiB"),
        Option(
            "max-apparent-size",
            "SIZE",
            "Punching never makes the file's size smaller, only its space on disk; near this size, say so and reopen.",
            kind="size",
            default="1TiB",
        ),
        Option("signal-pid", "PID", "The process to which SIGHUP is sent for reopen.", kind="integer"),
        Option("pid-file", "PATH", "The file into which Vault writes its process id (pid_file of its config)."),
        Option("node", "NAME", "The node's name, written into a new journal. Without it, the host's name."),
        Option("lock-wait", "TIME", "How long to wait for a predecessor's lock.", kind="duration", default="0s"),
        Option(
            "ready-fd",
            "N",
            "For a supervisor: write a newline to this descriptor when ready, and close it.",
            kind="integer",
        ),
        Option("parent-pid", "PID", "For a supervisor: die when this process, our parent, does.", kind="integer"),
    ),
    exit_codes=(
        ("0", "Everything that was captured is on disk."),
        (
            "2",
            "Source or journal cannot be used, another capture runs, bytes stay in the pipes, or the position is lost.",
        ),
        ("64", "The command line is wrong; nothing was touched."),
        ("70", "A fault of standpipe itself, which a restart may mend; nothing is lost by it."),
    ),
    examples=(
        (
            "standpipe capture --fifo /vault/audit/pipe --journal /var/lib/standpipe",
            "Fill a journal until SIGTERM. Vault waits at the cap of 10 GiB.",
        ),
        (
            "standpipe capture --file /vault/audit/audit.log --journal /srv/audit",
            "Follow a live file, and give its disk space back.",
        ),
        (
            "standpipe capture --fifo /vault/audit/pipe --journal /srv/audit --max-size 2GiB",
            "The same, in 2 GiB.",
        ),
    ),
)


class Stop:
    """What the signals asked for. SIGTERM, SIGINT: until the writers have gone. SIGUSR1: they have."""

    __slots__ = ("asked_at", "writer_dead")

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self.writer_dead = False

    def listen(self, wake: Wake, *, supervised: bool) -> None:
        """Install the handlers. Ctrl-C reaches a supervised capture as well, which must outlast COMMAND: ignored."""
        signal.set_wakeup_fd(wake.write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGUSR1, self._on_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN if supervised else self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.asked_at = self.asked_at or time.monotonic()
        self.writer_dead = self.writer_dead or number == signal.SIGUSR1


class CaptureProcess:
    """The parts of a running capture."""

    def __init__(self, options: Parsed, log: Log) -> None:
        """Recover the journal and open the source. Raises StandpipeError or OSError."""
        self._log = log
        self._deadline_seconds = options.seconds("deadline")
        self._layout = Layout(options.text("journal"))
        segment_size = segment_bytes(options)
        self._stop = Stop()
        self._wake = Wake()
        self._stop.listen(self._wake, supervised=options.given("parent-pid"))
        self._source = _source(options, self._layout, log, self._wake)
        node = options.text("node") or os.uname().nodename
        identity.open_or_create(self._layout, node, time.time())
        self._lock = lock.acquire(self._layout.lock("capture"), "capture", options.seconds("lock-wait"))
        cut_lost_ends(self._layout)
        settings = self._source.before_recovery()
        settings["max_size"] = options.integer("max-size")
        settings["on_full"] = options.text("on-full")
        current = Recovery(
            self._layout, log, segment_size, time.time(), time.monotonic(), self._source.before_finish
        ).run(settings)
        self._syncer = Syncer(
            self._layout,
            log,
            Room(self._layout, options.integer("max-size"), segment_size),
            fsync_seconds=options.seconds("fsync"),
            seal_every_seconds=options.seconds("seal-every"),
            wall_clock=time.time,
            clock=time.monotonic,
            companion=self._source.companion,
        )
        writer = Writer(self._syncer, current, segment_size)
        self._syncer.attach(writer, current, self._wake.wake)
        self._source.open(writer, self._syncer, current)

    def run(self) -> int:
        """Capture until stopped; return the exit status."""
        _thread.start_new_thread(self._syncer.run, ())
        self._source.run(self._finished)
        self._syncer.stop()
        while not self._syncer.stopped:
            time.sleep(SYNCER_WAIT_SECONDS)
        may_be_lost = self._source.tell_left()
        if not self._syncer.all_safe:
            self._log.error("the last bytes could not be synced; the next start treats this stop as unclean")
            return EXIT_UNABLE
        mark_clean(self._layout)
        return EXIT_UNABLE if may_be_lost else EXIT_OK

    def _finished(self) -> bool:
        now = time.monotonic()
        done = self._source.is_done(self._stop, now)
        asked_at = self._stop.asked_at
        return done or (asked_at is not None and now - asked_at >= self._deadline_seconds)


def _source(options: Parsed, layout: Layout, log: Log, wake: Wake) -> FifoSource | FileSource:
    """Return the source that was named; each kind pays for its own imports alone. Raises SourceError."""
    if options.given("fifo"):
        from standpipe.processes.capture_fifo import FifoSource  # noqa: PLC0415 - as said

        return FifoSource(options, layout, log, wake)
    from standpipe.processes.capture_file import FileSource  # noqa: PLC0415 - as said

    return FileSource(options, layout, log, wake)


def _set_fatal_hook(log: Log) -> None:
    """Let an unexpected error on the second thread end the process; by default Python would go on without it."""

    def on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
        log.error("unexpected error", error=repr(unraisable.exc_value))
        sys.__unraisablehook__(unraisable)
        os._exit(EXIT_CRASH)

    sys.unraisablehook = on_unraisable


def segment_bytes(options: Parsed) -> int:
    """Return the size that was asked for, or the one that suits the cap."""
    if options.given("segment-size"):
        return options.integer("segment-size")
    return max(MIN_SEGMENT_BYTES, min(DEFAULT_SEGMENT_BYTES, options.integer("max-size") // DEFAULT_SEGMENTS))


def _why_not_started(error: OSError, journal: str) -> StandpipeError:
    """Return what is wrong, and with what: the journal, or the file that is followed."""
    name = str(error.filename or "")
    if name and not os.path.abspath(name).startswith(os.path.abspath(journal)):
        remedy = "Let our user read the audit log and its directory, and enter the directories above"
        return SourceError(f"cannot look at the audit log: {error.strerror}: {name}", remedy)
    where = f": {name}" if name else ""
    return JournalError(f"cannot recover the journal: {error.strerror}{where}", "See docs/journal-full.md")


def _check_sizes(segment_size: int, max_bytes: int) -> None:
    """Raise UsageError for sizes that the config would refuse."""
    if segment_size < MIN_SEGMENT_BYTES:
        raise UsageError(f"--segment-size: {segment_size} bytes are less than {MIN_SEGMENT_BYTES}", "Use 4KiB or more")
    smallest = MIN_SEGMENTS * segment_size
    if max_bytes < smallest:
        raise UsageError(
            f"--max-size: {max_bytes} bytes are less than {smallest}, twice the segment size",
            "Use more, or a smaller --segment-size",
        )


def run(options: Parsed, log: Log) -> int:
    """Run capture with understood options. Raises StandpipeError."""
    if options.given("fifo") == options.given("file"):
        raise UsageError("name the source with --fifo or with --file, and not with both", "See --help")
    _check_sizes(segment_bytes(options), options.integer("max-size"))
    if options.given("parent-pid"):
        die_with_parent(options.integer("parent-pid"))
    _set_fatal_hook(log)
    try:
        process = CaptureProcess(options, log)
    except OSError as error:
        raise _why_not_started(error, options.text("journal")) from error
    if options.given("ready-fd"):
        tell_ready(options.integer("ready-fd"))
    return process.run()
