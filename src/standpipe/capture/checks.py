"""The pre-flight checks of the source: whether it is there, of the right kind, and open to us.

Nothing that Vault would notice: a FIFO is never opened, a file only for reading and for the probe of capture.volume.
"""

from __future__ import annotations

import os
import stat
import time

from standpipe.capture.fifo import DEFAULT_MODE, EXECUTE_BITS, OTHER_REMEDY, REMEDIES, kind_of
from standpipe.capture.file_checks import (
    look_at_reclaim,
    look_at_shared_volume,
    look_at_size,
    look_at_writers,
)
from standpipe.capture.regular_file import open_regular, why_not_regular
from standpipe.preflight import Check, Result, failed, ok, warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.config_source import SourceConfig

SECOND_LOOK_SECONDS = 2.0  # a writer that comes and goes is no second writer; a person does not mind the wait

PATH_REMEDY = "Compare with the audit device's file_path: `vault audit list -detailed`"


def _pause() -> None:
    time.sleep(SECOND_LOOK_SECONDS)


def source_checks(source: SourceConfig, journal: str, pause: Callable[[], None] = _pause) -> list[Check]:
    """Return the checks of a source and of what it shares with the journal. ``pause``: between two looks at writers."""
    if source.fifo is not None:
        fifo = source.fifo
        return [Check("source", lambda: [fifo_result(fifo)])]
    if source.file is None:
        return []
    path = os.path.abspath(source.file)
    reclaim = source.reclaim
    return [
        Check("source", lambda: [file_result(path)]),
        Check("source-size", lambda: look_at_size(path, reclaim)),
        Check("reclaim", lambda: look_at_reclaim(path, reclaim)),
        Check("writers", lambda: look_at_writers(path, pause)),
        Check("shared-volume", lambda: look_at_shared_volume(path, os.path.abspath(journal))),
    ]


def _owner(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}, uid {status.st_uid}, gid {status.st_gid}"


def _closed(name: str, path: str, error: OSError) -> Result:
    return failed(
        name,
        f"{path} cannot be read: {error.strerror}; we are uid {os.geteuid()}, gid {os.getegid()}",
        "Run standpipe as Vault's user, or give the audit device mode 0640 and us Vault's group",
    )


def _missing(path: str) -> Result:
    directory = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(directory):
        return failed("source", f"{path} is not there, and neither is {directory}", "Mount Vault's volume here as well")
    return warning(
        "source", f"{path} is not there yet; standpipe waits for it", f"If Vault runs already: {PATH_REMEDY}"
    )


def file_result(path: str) -> Result:
    """Say whether a path leads to a regular file that we can read. Raises OSError that tells nothing about it."""
    link = f", by the symbolic link {path}" if os.path.islink(path) else ""
    shown = os.path.realpath(path) if link else path
    try:
        status = os.stat(path)
        kind = why_not_regular(status)
        if kind == "a FIFO":
            return failed("source", f"{shown} is a FIFO, not a file{link}", "Use --fifo (source.fifo) for it")
        if kind:
            return failed("source", f"{shown} is {kind}, not a file{link}", f"Name Vault's audit file. {PATH_REMEDY}")
        file = open_regular(path, follow_symlink=True)
    except FileNotFoundError:
        return _missing(path)
    except PermissionError as error:
        return _closed("source", shown, error)
    if file is None:
        return _missing(path)
    file.close()
    return ok("source", f"{shown}, a file with {_owner(status)}{link}")


def fifo_result(path: str) -> Result:
    """Say whether a path is a FIFO of use to Vault and us, or one can be made there. Raises other OSErrors."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return _missing_fifo(path)
    except PermissionError as error:
        return _closed("source", path, error)
    kind = kind_of(status.st_mode)
    if not stat.S_ISFIFO(status.st_mode):
        file = "; with --file (source.file) standpipe follows it instead" if stat.S_ISREG(status.st_mode) else ""
        return failed("source", f"{path} is {kind}, not a FIFO", REMEDIES.get(kind, OTHER_REMEDY) + file)
    if status.st_mode & EXECUTE_BITS:
        return failed(
            "source",
            f"{path} has executable bits: {_owner(status)}",
            "Vault 1.20.1 and later refuse them: chmod a-x, and the same for the audit device's mode",
        )
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return failed(
            "source",
            f"{path} is closed to us (uid {os.geteuid()}, gid {os.getegid()}): {_owner(status)}",
            "Run Vault and standpipe as one user, or give it mode 0660 and a group that both have",
        )
    return ok("source", f"{path}, a FIFO with {_owner(status)}")


def _missing_fifo(path: str) -> Result:
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        return failed("source", f"{path} is not there, and neither is {directory}", "Make it, or mount its volume here")
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        return failed(
            "source",
            f"{path} is not there, and uid {os.geteuid()} may not make it in {directory}",
            "Let standpipe's user write to the directory, or make the FIFO with mkfifo before Vault starts",
        )
    return ok(
        "source", f"{path} is not there yet; standpipe makes it with mode {DEFAULT_MODE:04o}, before Vault starts"
    )
