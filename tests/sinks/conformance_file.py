"""The file sink's row in the conformance suite."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_json

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileAdapter(Destination):
    """A file in a directory that can be moved away."""

    def __init__(self, wish: Wish) -> None:
        self._directory = os.path.join(wish.directory, "mounted")
        self._path = os.path.join(self._directory, "audit.log")
        os.mkdir(self._directory)

    def config(self) -> dict[str, object]:
        """See Destination."""
        return {"type": "file", "path": self._path}

    def received(self) -> list[Received]:
        """See Destination; a line that a kill cut off is a fragment, which the sink ended with a newline."""
        try:
            with open(self._path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return []
        found = []
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            try:
                found.append(received_json(line))
            except json.JSONDecodeError:
                continue
        return found

    def go_away(self) -> None:
        """See Destination."""
        os.rename(self._directory, f"{self._directory}.away")

    def come_back(self) -> None:
        """See Destination."""
        os.rename(f"{self._directory}.away", self._directory)


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    yield FileAdapter(wish)


KIND = Kind("file", "a file", frozenset({able.RECORDS, able.ORDER, able.GOES_AWAY}), _open)
