"""What a report is about, and the command lines that ask and verify the same again. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from standpipe.analysis.database import Room
    from standpipe.archive.location import ArchiveOptions
    from standpipe.evidence.signatures import Keys


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the records are, which of them are wanted, and how to get at them. Times are in UTC."""

    journals: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    prefix: str | None = None
    archive: ArchiveOptions | None = None
    room: Room | None = None
    keys: Keys | None = None
    key_files: tuple[str, ...] = ()
    accept_recorded: bool = False


def verify_command(path: str, sources: Sources) -> str:
    """Return the command line that verifies a journal as the report did."""
    return shlex.join(["standpipe", "verify", "--journal", path, *_how(sources)])


def verify_archive_command(location: str, sources: Sources) -> str:
    """Return the command line that verifies an archive as the report did."""
    archive = sources.archive
    words = ["standpipe", "verify", location, *_how(sources)]
    for option, value in (
        ("--endpoint", archive.endpoint if archive else None),
        ("--region", archive.region if archive else None),
    ):
        words += [option, value] if value else []
    return shlex.join(words)


def _how(sources: Sources) -> list[str]:
    words = [word for file in sources.key_files for word in ("--public-key", file)]
    words += ["--prefix", sources.prefix] if sources.prefix is not None else []
    return [*words, "--accept-recorded"] if sources.accept_recorded else words


def query_command(sources: Sources) -> str:
    """Return the command line, up to the SQL, that asks what the report asked."""
    words = ["standpipe", "query"]
    for option, values in (
        ("--journal", sources.journals),
        ("--archive", sources.archives),
        ("--parquet", sources.exports),
    ):
        words += [word for value in values for word in (option, value)]
    archive = sources.archive
    for option, value in (
        ("--endpoint", archive.endpoint if archive else None),
        ("--region", archive.region if archive else None),
        ("--prefix", sources.prefix),
        ("--since", sources.since.isoformat() if sources.since else None),
        ("--until", sources.until.isoformat() if sources.until else None),
    ):
        words += [option, value] if value else []
    return shlex.join(words)
