"""The read lease that tells whether anybody has a file open for writing: real files, real processes."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from standpipe.capture.lease import is_unused, nobody_writes
from standpipe.capture.regular_file import open_regular

if TYPE_CHECKING:
    from pathlib import Path

IN_ANOTHER_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")


def opened(path: Path) -> int:
    """Open a file for reading."""
    return os.open(path, os.O_RDONLY)


def test_a_file_that_nobody_has_open_is_unused(tmp_path: Path) -> None:
    """Nobody writes, and other readers do not matter."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"x\n")
    first, second = opened(path), opened(path)
    assert nobody_writes(first) is True
    os.close(first)
    os.close(second)


def test_a_writer_is_seen_until_it_closes(tmp_path: Path) -> None:
    """Also one that has written nothing."""
    path = tmp_path / "audit.log"
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    descriptor = opened(path)
    assert nobody_writes(descriptor) is False
    os.close(writer)
    assert nobody_writes(descriptor) is True
    os.close(descriptor)


def test_a_writer_in_another_pid_namespace_is_seen(tmp_path: Path) -> None:
    """There /proc does not show it; the lease does not ask /proc."""
    path = tmp_path / "audit.log"
    path.touch()
    command = [*IN_ANOTHER_NAMESPACE, 'exec 9>>"$0"; echo open; read end', str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"open\n" == process.stdout.readline()
        file = open_regular(str(path), follow_symlink=True)
        assert file is not None
        assert is_unused(file) is False
        process.communicate()
        assert is_unused(file) is True
        file.close()


def test_who_opens_for_writing_while_we_ask_is_not_kept_waiting_and_we_live(tmp_path: Path) -> None:
    """The lease is given back at once, and the signal that breaking it sends is ignored."""
    path = tmp_path / "audit.log"
    path.touch()
    descriptor = opened(path)
    script = 'while [ -e "$1" ]; do exec 9>>"$0"; exec 9>&-; done'
    go = tmp_path / "go"
    go.touch()
    with subprocess.Popen(["sh", "-c", script, str(path), str(go)]) as process:
        answers = {nobody_writes(descriptor) for _ in range(3000)}
        go.unlink()
        assert 0 == process.wait(30)
    assert answers <= {True, False}
    assert nobody_writes(descriptor) is True
    os.close(descriptor)
