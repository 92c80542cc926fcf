"""`standpipe verify` over archives, and over several journals: reads them all, says one verdict."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from standpipe.archive.location import ArchiveOptions
from standpipe.archive.reading import open_archive
from standpipe.cli.values import seconds
from standpipe.cli.verify_answer import answer
from standpipe.errors import ArchiveError, JournalError
from standpipe.evidence.fleet import Fleet, Member, judge_fleet
from standpipe.evidence.fleet_text import fleet_as_json, fleet_as_lines
from standpipe.evidence.trusted_keys import trusted_keys
from standpipe.evidence.verify import verify_journal
from standpipe.evidence.verify_archive import ArchiveChecks, ArchiveVerdict, unknown_member, verify_archive
from standpipe.journal import identity
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from standpipe.cli.progress import TerminalProgress
    from standpipe.cli.verify_options import VerifyOptions

DEFAULT_SILENT_AFTER = "2h"  # evidence.fleet.SILENT_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What archives and several nodes are asked for besides. now: silence is measured from this moment."""

    archive: ArchiveOptions
    silent_after_seconds: float
    now: bool


OPTIONS = (
    click.option("--region", metavar="NAME", help="For an archive in S3: the bucket's region."),
    click.option(
        "--endpoint", metavar="URL", help="For an archive: the store's address where it is not the cloud's own."
    ),
    click.option("--account-name", metavar="NAME", help="For an archive in Azure: the storage account's name."),
    click.option("--ca", metavar="FILE", help="For an archive: PEM file with the certificates that sign the store's."),
    click.option(
        "--silent-after",
        metavar="TIME",
        default=DEFAULT_SILENT_AFTER,
        show_default=True,
        callback=seconds,
        help="Of several nodes, name those without a sign of life for so long.",
    ),
    click.option("--now", is_flag=True, help="Measure silence from now, not from the newest node."),
)


def fleet_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of archives and fleets; it gets them as one argument, `fleet`."""

    @functools.wraps(command)
    def with_fleet(
        *,
        region: str | None,
        endpoint: str | None,
        account_name: str | None,
        ca: str | None,
        silent_after: float,
        now: bool,
        **others: object,
    ) -> int:
        archive = ArchiveOptions(region=region, endpoint=endpoint, account_name=account_name, ca=ca)
        return command(fleet=FleetOptions(archive, silent_after, now), **others)

    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(OPTIONS), with_fleet)


def verify_fleet(journals: Sequence[str], archives: Sequence[str], options: VerifyOptions, fleet: FleetOptions) -> int:
    """Verify them all, print what was found and return the exit status.

    Raises UsageError for what is no location. Where there is one place only, and it cannot be read, raises that, too.
    """
    alone = len(journals) + len(archives) == 1

    def work(progress: TerminalProgress) -> Fleet:
        return _judge(_Reading(options, fleet, progress, alone=alone), journals, archives, fleet)

    return answer(
        work,
        fleet_as_json,
        lambda found: fleet_as_lines(
            found, accept_recorded=options.accept_recorded, require_pairs=options.require_pairs
        ),
        json_wanted=options.json_wanted,
    )


class _Reading:
    """Reads places one after the other; one that cannot be read is told, and the others are read all the same."""

    def __init__(self, options: VerifyOptions, fleet: FleetOptions, progress: TerminalProgress, *, alone: bool) -> None:
        self._options = options
        self._fleet = fleet
        self._progress = progress
        self._alone = alone
        self._keys = trusted_keys(options.public_keys)

    def archive(self, location: str) -> ArchiveVerdict:
        """Read an archive. Raises ArchiveError where it is the only place, and cannot be read."""
        options = self._options
        try:
            return verify_archive(
                open_archive(location, self._fleet.archive),
                ArchiveChecks(
                    accept_recorded=options.accept_recorded,
                    keys=self._keys,
                    require_pairs=options.require_pairs,
                    checks=options.checks,
                    prefix=options.prefix or b"",
                ),
                progress=self._progress,
            )
        except ArchiveError as error:
            if self._alone:
                raise
            return ArchiveVerdict((unknown_member(location, error, archived=True),), (), ())

    def journal(self, path: str) -> Member:
        """Read a journal. Raises JournalError where it is the only place, and cannot be read."""
        layout, options = Layout(os.path.abspath(path)), self._options
        try:
            known = identity.read(layout)
            findings = verify_journal(
                layout,
                accept_recorded=options.accept_recorded,
                keys=self._keys,
                require_pairs=options.require_pairs,
                checks=options.checks,
                prefix=options.prefix,
                progress=self._progress,
            )
        except JournalError as error:
            if self._alone:
                raise
            return unknown_member(layout.root, error, archived=False)
        return Member("", known.node, known.journal_id, layout.root, findings)


def _judge(reading: _Reading, journals: Sequence[str], archives: Sequence[str], fleet: FleetOptions) -> Fleet:
    """Read the archives first: what they have of a journal, the journal must have had before."""
    found = [reading.archive(location) for location in archives]
    members = [reading.journal(path) for path in journals]
    return judge_fleet(
        [*(member for verdict in found for member in verdict.members), *members],
        silent_after_seconds=fleet.silent_after_seconds,
        now_seconds=time.time() if fleet.now else None,
        foreign=[key for verdict in found for key in verdict.foreign],
        unfinished=[key for verdict in found for key in verdict.unfinished],
    )
