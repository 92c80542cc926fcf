"""Our own messages: one JSON line each on stderr, or plain words where stderr is a terminal.

stdout carries audit records only; Cloud Logging files stderr as our messages. The standard library's logging is not
used because capture must fit in 12 MB and this is all that it would do for us. One os.write a line, so lines of
several processes on one stderr do not mix. Never pass the content of a record: only offsets, counts and paths.
"""

import json
import os
import time

STDERR = 2
LEVELS = ("debug", "info", "warning", "error")


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


class Log:
    """Writes messages of one role."""

    __slots__ = ("_fd", "_plain", "role")

    def __init__(self, role: str, fd: int = STDERR) -> None:
        self.role = role
        self._fd = fd
        self._plain = os.isatty(fd)

    def _write(self, level: str, message: str, fields: dict[str, object]) -> None:
        line = format_line(time.time(), level, self.role, message, fields, plain=self._plain) + "\n"
        try:
            os.write(self._fd, line.encode())
        except OSError:
            return  # nobody reads stderr any more; that must not stop the records

    def info(self, message: str, **fields: object) -> None:
        """Tell what happens in a healthy life."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """Tell what somebody may have to look at."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """Tell what somebody has to mend."""
        self._write("error", message, fields)
