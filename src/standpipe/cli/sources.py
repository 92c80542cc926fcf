"""Options by which query and export are told where the records are, and which of them are wanted."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from standpipe.archive.location import ArchiveOptions
from standpipe.delivery.edges import parse_time
from standpipe.journal.layout import DEFAULT_JOURNAL
from standpipe.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

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


def source_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def locations_of(journals: tuple[str, ...], archives: tuple[str, ...], others: tuple[str, ...] = ()) -> list[str]:
    """Return where to read journals and archives; the usual journal where nothing at all is named."""
    named = [*journals, *archives]
    return named if named or others else [DEFAULT_JOURNAL]


def archive_options(region: str | None, endpoint: str | None) -> ArchiveOptions:
    """Return how to reach an archive."""
    return ArchiveOptions(region=region, endpoint=endpoint)
