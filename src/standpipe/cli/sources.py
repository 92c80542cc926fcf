"""Options by which query and export are told where the records are, and which of them are wanted."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from standpipe.analysis.database import Room
from standpipe.archive.location import ArchiveOptions
from standpipe.delivery.edges import parse_time
from standpipe.journal.layout import DEFAULT_JOURNAL
from standpipe.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

MEMORY = "1GiB"  # analysis.database.MEMORY_BYTES


def moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read a time, or how long ago; a callback of click. Raises BadParameter."""
    if value is None:
        return None
    found = parse_time(value)
    if found is not None:
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(time.time() - parse_duration(value), UTC)
    except (ValueError, OverflowError):
        message = f"{value!r} is neither a time, as 2026-01-31T12:00:00Z, nor how long ago, as 15m, 2h or 7d."
        raise click.BadParameter(message) from None


def size(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """Read a size such as 512MiB; a callback of click. Raises BadParameter."""
    try:
        return parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


OPTIONS = (
    click.option(
        "--journal",
        "journals",
        metavar="DIR",
        multiple=True,
        help=f"A journal's directory; may be repeated.  [default: {DEFAULT_JOURNAL}, where nothing is named]",
    ),
    click.option(
        "--archive",
        "archives",
        metavar="LOCATION",
        multiple=True,
        help="An archive that the objects sink filled: a directory or URL; may be repeated.",
    ),
    click.option("--endpoint", metavar="URL", help="The archive's store, where it is not the cloud's own."),
    click.option("--region", metavar="NAME", help="The archive's region.  [default: AWS_REGION]"),
    click.option("--prefix", metavar="TEXT", help="Vault's `prefix`.  [default: that of the journal's config]"),
    click.option("--since", metavar="TIME", callback=moment, help="From this time on: RFC 3339, or 15m, 2h, 7d ago."),
    click.option("--until", metavar="TIME", callback=moment, help="Before this time."),
    click.option(
        "--memory",
        "memory_bytes",
        metavar="SIZE",
        default=MEMORY,
        show_default=True,
        callback=size,
        help="What the database may hold in memory; the rest is on disk.",
    ),
    click.option("--spill-dir", metavar="DIR", help="Where it is on disk.  [default: TMPDIR, else /tmp]"),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the options say. Times are in UTC."""

    journals: tuple[str, ...]
    archives: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    prefix: str | None
    archive: ArchiveOptions
    room: Room

    def journals_beside(self, exports: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the journals; the usual one where nothing at all is named."""
        return self.journals if self.journals or self.archives or exports else (DEFAULT_JOURNAL,)

    def locations(self, exports: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return where to read journals and archives."""
        return self.journals_beside(exports) + self.archives


def source_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command the options; it gets them as one argument, `chosen`."""

    @functools.wraps(command)
    def with_chosen(  # noqa: PLR0913 - each is an option of its own
        *,
        journals: tuple[str, ...],
        archives: tuple[str, ...],
        endpoint: str | None,
        region: str | None,
        prefix: str | None,
        since: datetime | None,
        until: datetime | None,
        memory_bytes: int,
        spill_dir: str | None,
        **others: object,
    ) -> Result:
        archive, room = ArchiveOptions(region=region, endpoint=endpoint), Room(memory_bytes, spill_dir)
        return command(chosen=Chosen(journals, archives, since, until, prefix, archive, room), **others)

    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(OPTIONS), with_chosen)
