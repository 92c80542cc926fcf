"""What is asked of a store of objects: create an object that is not there yet, read one, list, look around.

Apart from sinks.objects_store, so that a directory needs no library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from standpipe.sinks.base import Retry


class StoreError(Exception):
    """A store did not do it; `retry` says what to tell the pump, or the person."""

    def __init__(self, retry: Retry) -> None:
        super().__init__(retry.why)
        self.retry = retry


class GoneError(StoreError):
    """There is no object of that name."""


class ObjectStore(Protocol):
    """Where objects go. where: how a person knows it."""

    where: str

    def create(self, key: str, pieces: Sequence[bytes]) -> bool:
        """Store an object; False where there is one of that name. Raises StoreError."""

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield an object's content in pieces. Raises GoneError, StoreError."""

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield every object's key and size in bytes, in no order. Raises StoreError."""

    def look(self) -> None:
        """Find out whether the place is there and may be listed. Raises StoreError."""
