"""One journal that is filled from a file: the rig of the FIFO (tests.faults.rig) with another source."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from standpipe.capture.volume import first_data
from tests.faults.file_writer import FileWriter
from tests.faults.rig import Rig, Role, open_files, wait_until
from tests.faults.test_volume_ways import OVERLAY, TMPFS, overlay
from tests.faults.volumes import MIB, disk, tmpfs
from tests.faults.writer import records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.faults.volumes import Volume

SIZES = (300, 2048, 900, 5000)
RATE = 4 * MIB  # bytes a second
RECLAIM_AT = MIB
VOLUME_BYTES = 128 * MIB


@contextmanager
def volume_of(kind: str, directory: Path, name: str = "disk", size_bytes: int = VOLUME_BYTES) -> Iterator[Volume]:
    """Mount a new volume of any of the five kinds in a directory."""
    with ExitStack() as stack:
        if kind == TMPFS:
            yield stack.enter_context(tmpfs(directory / name, size_bytes))
        elif kind == OVERLAY:
            (directory / f"{name}-layers").mkdir()
            yield stack.enter_context(overlay(directory / f"{name}-layers"))
        else:
            yield stack.enter_context(disk(directory, kind, size_bytes, name))


class FileRig(Rig):
    """A file, a journal, and everything that was started. The logs and the oracle are in a directory of their own."""

    def __init__(self, directory: Path, source: Path, journal: Path) -> None:
        """Name the places; source and journal may be on any volume."""
        super().__init__(directory, journal)
        self.source = source
        self.oracle = directory / "oracle"

    def __enter__(self) -> Self:
        """Begin; nothing has to be held."""
        return self

    def capture_words(self, **options: str) -> list[str]:
        """Return capture's command line: defaults for tests, and options by name with _ for -."""
        chosen = {
            "file": str(self.source),
            "journal": str(self.journal),
            "segment_size": "1MiB",
            "fsync": "100ms",
            "reclaim": "punch",
            "reclaim_at": str(RECLAIM_AT),
        }
        chosen |= options
        return ["capture", *(word for key, value in chosen.items() for word in (f"--{key.replace('_', '-')}", value))]

    def capture(self, before: Sequence[str] = (), **options: str) -> Role:
        """Start capture, and wait until it has recovered the journal."""
        role = self.start(*self.capture_words(**options), before=before)
        self.wait_ready(role)
        return role

    def works(self, role: Role) -> bool:
        """Tell whether it has the segment open that comes after recovery: then boot.json names it as unclean."""
        prefix = str(self.journal / "segments")
        return any(name.startswith(prefix) for name in open_files(role.pid)) and (self.journal / "source.json").exists()

    def captured(self) -> int:
        """Return the journal's end; 0 where it is not there yet."""
        segments = self.journal / "segments"
        return super().captured() if segments.exists() and os.listdir(segments) else 0

    def write_file(self, *, first: int = 0, sizes: Sequence[int] = SIZES, rate: int = RATE) -> FileWriter:
        """Start a writer; what it writes is added to the oracle."""
        writer = FileWriter(self.source, self.oracle, first=first, sizes=sizes, rate=rate)
        self._ends.callback(writer.kill)
        return writer

    def wait_for(self, writer: FileWriter, more_bytes: int) -> None:
        """Wait until a writer has written so many bytes more."""
        wanted = writer.written_bytes + more_bytes
        wait_until(lambda: writer.written_bytes >= wanted or writer.process.poll() is not None, "the writer goes on")
        assert writer.process.poll() is None

    def append(self, data: bytes) -> None:
        """Append bytes as a writer would that is not there otherwise."""
        with open(self.source, "ab", buffering=0) as file:
            assert len(data) == file.write(data)

    def generations(self) -> list[Path]:
        """Return the files that our reclaim has renamed and not yet unlinked."""
        return sorted(self.source.parent.glob(f"{self.source.name}.standpipe-*"))

    def ours(self) -> list[str]:
        """Return the kinds of all incidents."""
        return [str(incident["kind"]) for incident in self.incidents()]

    def detail(self, kind: str) -> dict[str, object]:
        """Return the detail of the only incident of a kind."""
        (incident,) = self.incidents(kind)
        detail = incident["detail"]
        assert isinstance(detail, dict)
        return detail


def content(first: int, count: int, size: int = 500) -> bytes:
    """Return some records; two calls with other numbers of as many digits differ in the serials alone."""
    return b"".join(records(first, count, [size]))


def data_start(path: Path) -> int:
    """Return the first offset of a file that is in no hole; its size where there is none."""
    with open(path, "rb") as file:
        found = first_data(file.fileno(), 0)
        return os.fstat(file.fileno()).st_size if found is None else found
