"""Secrets: read anew each time they are used, so that one that is rotated is taken up; never in a message."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from standpipe.errors import SinkError

if TYPE_CHECKING:
    from standpipe.config_sinks import Secret

MAX_SECRET_BYTES = 64 << 10  # a token or a key; a service account's JSON file has some 2 KiB


def read_secret(secret: Secret, what: str) -> str:
    """Return a secret without its one trailing newline, if it has one.

    what: what it is, for the message (``the token of sink web``). Raises SinkError where it cannot be read, is
    empty, too large or not UTF-8. The error names the file or the variable, and nothing of the content.
    """
    if secret.env is not None:
        return _from_environment(secret.env, what)
    if secret.file is not None:
        return _from_file(secret.file, what)
    raise SinkError(f"{what} is neither in a file nor in an environment variable", "Give `file` or `env`")


def _from_environment(name: str, what: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise SinkError(
            f"{what} cannot be read: the environment variable {name} is not set",
            "Set it for standpipe's own process; a variable of another container is not seen",
        )
    return _cleaned(text, what, f"the environment variable {name}")


def _from_file(path: str, what: str) -> str:
    remedy = "Put the secret there, readable by the user that standpipe runs as"
    try:
        content = _read_regular(path)
    except OSError as error:
        raise SinkError(f"{what} cannot be read: {error.strerror}: {path}", remedy) from error
    if content is None:
        raise SinkError(f"{what} cannot be read: {path} is not a regular file", remedy)
    if len(content) > MAX_SECRET_BYTES:
        raise SinkError(f"{what} is larger than {MAX_SECRET_BYTES} bytes: {path}", "Name the file of the secret alone")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:  # outside the handler: the decoder's error holds the bytes, and would be chained
        raise SinkError(f"{what} is not UTF-8 text: {path}", "Store it as text, in base64 say")
    return _cleaned(text, what, path)


def _read_regular(path: str) -> bytes | None:
    """Return the content, at most one byte more than a secret may have; None if it is no regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # O_NONBLOCK: a FIFO must not make us wait
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        pieces: list[bytes] = []
        left = MAX_SECRET_BYTES + 1
        while left and (piece := os.read(descriptor, left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _cleaned(text: str, what: str, where: str) -> str:
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SinkError(f"{what} is empty: {where}", "Put the secret there; a file that is being renewed may be empty")
    return text
