"""Our own messages: one JSON line each on stderr, or plain words where stderr is a terminal.

stdout carries audit records only; Cloud Logging files stderr as our messages. The standard library's logging is not
used because capture must fit in 12 MB and this is all that it would do for us. Never pass the content of a record: only
offsets, counts and paths.

Nobody may have to wait for us to speak: stderr often stalls together with stdout, and Vault would wait for a capture
that waits for stderr. So a line goes through a pipe of our own and is spliced on without waiting (the flags of
stderr itself are shared with others). While it cannot go on, later messages are dropped, and their number is told by
the next one that gets through: ``dropped_messages``.
"""

import json
import os
import select
import stat
import time

STDERR = 2
LINE_BYTES_MAX = 16 << 10  # a longer message is cut; the pipe of our own, 64 KiB, then always has room for one


def utc_text(seconds: float) -> str:
    """Return a Unix time as RFC 3339 in UTC with milliseconds."""
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1000):03d}Z"


def escape_control(text: str) -> str:
    """Return text with control characters made visible, so that a path cannot drive somebody's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def format_line(now: float, level: str, role: str, message: str, fields: dict[str, object], *, plain: bool) -> str:
    """Render one message, without its newline.

    The JSON keys ``time severity role message`` come first; Cloud Logging and journald understand severity.
    """
    if plain:
        extra = "".join(f" {key}={value}" for key, value in fields.items())
        return escape_control(f"standpipe {role}: {'' if level == 'info' else level + ': '}{message}{extra}")
    entry: dict[str, object] = {"time": utc_text(now), "severity": level.upper(), "role": role, "message": message}
    entry.update(fields)
    return json.dumps(entry, default=str)


def _is_pipe(fd: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False  # closed: every write fails, and that is all


class Log:
    """Writes messages of one role."""

    __slots__ = ("_dropped", "_fd", "_held", "_is_pipe", "_plain", "_private", "role")

    def __init__(self, role: str, fd: int = STDERR) -> None:
        self.role = role
        self._fd = fd
        self._plain = os.isatty(fd)
        self._is_pipe = _is_pipe(fd)
        self._private = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if self._is_pipe else (-1, -1)
        self._held = 0  # bytes in the pipe of our own
        self._dropped = 0

    def _write(self, level: str, message: str, fields: dict[str, object]) -> None:
        if self._dropped:
            fields = {**fields, "dropped_messages": self._dropped}
        line = format_line(time.time(), level, self.role, message, fields, plain=self._plain)
        try:
            sent = self._send(line.encode()[: LINE_BYTES_MAX - 1] + b"\n")
        except OSError:
            return  # nobody reads stderr any more; that must not stop the records
        self._dropped = 0 if sent else self._dropped + 1

    def _send(self, line: bytes) -> bool:
        """Send a line without waiting; False where stderr takes nothing at the moment. Raises OSError."""
        if not self._is_pipe:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            ready = bool(poll.poll(0))
            return ready and os.write(self._fd, line) > 0
        if not self._pass_on():
            return False
        self._held = os.write(self._private[1], line)
        self._pass_on()
        return True

    def _pass_on(self) -> bool:
        """Move what is in the pipe of our own to stderr; False where some of it stays."""
        while self._held:
            try:
                self._held -= os.splice(self._private[0], self._fd, self._held, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                return False
        return True

    def info(self, message: str, **fields: object) -> None:
        """Tell what happens in a healthy life."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """Tell what somebody may have to look at."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """Tell what somebody has to mend."""
        self._write("error", message, fields)
