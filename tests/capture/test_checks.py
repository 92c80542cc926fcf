from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.capture.checks import fifo_result, file_result, source_checks
from standpipe.config_source import DEFAULT_RECLAIM, SourceConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOBODY = 65534
AS_NOBODY = f"""\
import os, sys
from standpipe.capture.checks import fifo_result, file_result
os.chdir(sys.argv[2])
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
result = (fifo_result if sys.argv[1] == "fifo" else file_result)(sys.argv[3])
print(result.state, result.found, sep="\\n")
"""


def as_nobody(kind: str, path: Path) -> tuple[str, str]:
    """Return (state, finding) of a check by a process without any rights, which works in the path's directory."""
    path.parent.chmod(0o755)
    words = [sys.executable, "-c", AS_NOBODY, kind, str(path.parent), path.name]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    state, found = done.stdout.splitlines()
    return state, found


def test_a_file(tmp_path: Path) -> None:
    """A regular file that we can read is right; its owner and mode are told."""
    path = tmp_path / "audit.log"
    path.touch()
    path.chmod(0o640)
    result = file_result(str(path))
    assert ("ok", f"{path}, a file with mode 0640, uid {os.getuid()}, gid {os.getgid()}") == (
        result.state,
        result.found,
    )


def test_a_link_to_a_file(tmp_path: Path) -> None:
    """It is followed, and told."""
    path, link = tmp_path / "audit.log", tmp_path / "link"
    path.touch()
    link.symlink_to(path)
    result = file_result(str(link))
    assert result.state == "ok"
    assert result.found.startswith(f"{path}, a file")
    assert result.found.endswith(f", by the symbolic link {link}")


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    """Vault may not have started; so it is for a link that leads nowhere. Without the directory it will never be."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "audit.log")
    states = [
        file_result(str(path)).state for path in (tmp_path / "audit.log", link, tmp_path / "missing" / "audit.log")
    ]
    assert ["warning", "warning", "failed"] == states


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a socket"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """Anything else in its place fails, without being opened: a FIFO would let its writer in."""
    path = str(tmp_path / "x")
    listener = socket.socket(socket.AF_UNIX)
    make: dict[str, Callable[[str], None]] = {"a FIFO": os.mkfifo, "a directory": os.mkdir, "a socket": listener.bind}
    make[kind](path)
    result = file_result(path)
    listener.close()
    assert ("failed", f"{path} is {kind}, not a file") == (result.state, result.found)
    assert ("--fifo" in result.remedy) == (kind == "a FIFO")


def test_a_file_that_is_closed_to_us(tmp_path: Path) -> None:
    """Who we are is told, because that is what to mend."""
    path = tmp_path / "audit.log"
    path.touch()
    path.chmod(0o600)
    expected = ("failed", f"audit.log cannot be read: Permission denied; we are uid {NOBODY}, gid {NOBODY}")
    assert expected == as_nobody("file", path)


def test_a_fifo(tmp_path: Path) -> None:
    """It is right as it is; nobody who waits to open it for writing is let in."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path, 0o600)
    result = fifo_result(path)
    assert ("ok", f"{path}, a FIFO with mode 0600, uid {os.getuid()}, gid {os.getgid()}") == (
        result.state,
        result.found,
    )


def test_a_fifo_that_is_not_there_yet(tmp_path: Path) -> None:
    """Standpipe makes it, unless its directory is missing, or closed to us."""
    assert ["ok", "failed"] == [fifo_result(str(tmp_path / name)).state for name in ("pipe", "missing/pipe")]
    state, found = as_nobody("fifo", tmp_path / "pipe")
    assert state == "failed"
    assert f"uid {NOBODY} may not make it" in found


@pytest.mark.parametrize("kind", ["a regular file", "a directory", "a symbolic link"])
def test_what_is_no_fifo(tmp_path: Path, kind: str) -> None:
    """Vault makes a regular file when it starts first; links are refused by `run` as well."""
    path = tmp_path / "x"
    if kind == "a symbolic link":
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    else:
        path.touch() if kind == "a regular file" else path.mkdir()
    result = fifo_result(str(path))
    assert ("failed", f"{path} is {kind}, not a FIFO") == (result.state, result.found)
    assert ("--file" in result.remedy) == (kind == "a regular file")


def test_a_fifo_that_vault_refuses(tmp_path: Path) -> None:
    """Executable bits."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path.chmod(0o700)
    result = fifo_result(str(path))
    assert result.state == "failed"
    assert "executable bits" in result.found


def test_a_fifo_that_is_closed_to_us(tmp_path: Path) -> None:
    """We open it for reading and writing; one of them is not enough."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path.chmod(0o604)
    state, found = as_nobody("fifo", path)
    assert state == "failed"
    assert found.startswith(f"pipe is closed to us (uid {NOBODY}")


@pytest.mark.parametrize(
    ("fifo", "file", "expected"),
    [
        (None, None, []),
        ("/p", None, ["source"]),
        (None, "/f", ["source", "source-size", "reclaim", "writers", "shared-volume"]),
    ],
)
def test_a_fifo_gives_nothing_back(fifo: str | None, file: str | None, expected: list[str]) -> None:
    """Room and reclaim are asked of a file only; no source, no checks."""
    source = SourceConfig(fifo, file, "", DEFAULT_RECLAIM)
    assert expected == [check.name for check in source_checks(source, "/j")]
