"""`standpipe verify`: tells whether every byte of a journal is there, and as it was sealed."""

from __future__ import annotations

import os

import click

from standpipe.cli.endings import cleans_up
from standpipe.cli.verify_answer import answer
from standpipe.cli.verify_copies import CopyOptions, copy_options, verify_copied_files
from standpipe.cli.verify_fleet import FleetOptions, fleet_options, verify_fleet
from standpipe.cli.verify_inputs import sort_inputs
from standpipe.cli.verify_options import VerifyOptions
from standpipe.errors import EXIT_OK, UsageError
from standpipe.evidence.checks import CHECKS, PAIRING
from standpipe.evidence.trusted_keys import trusted_keys
from standpipe.evidence.verdict_text import as_json, as_lines
from standpipe.evidence.verify import verify_journal
from standpipe.evidence.verify_schema import verify_schema
from standpipe.journal.layout import DEFAULT_JOURNAL, Layout

KEY_HELP = "Every seal must be signed by this Ed25519 key (PEM), or by one that it endorsed. May be repeated."
PAIRS_HELP = "Requests and responses that are alone, and that no rule explains, make the exit status 1."
CHECKS_HELP = "Which checks to make, separated by commas."
PREFIX_HELP = "The audit device's prefix option; by default what the journal's config says."

EPILOG = """\b
Examples:
  standpipe verify                                              the journal at /var/lib/standpipe
  standpipe verify --journal /srv/audit --json | jq .verdict    for a script
  standpipe verify --accept-recorded                            known gaps do not count
  standpipe verify s3://audit-archive/vault                     an archive, all nodes in it
  standpipe verify export.jsonl.gz                              copies from downstream
  standpipe verify --require-pairs                              each request must have its response
  standpipe verify --checks integrity                           digests and seals alone: the fastest
  standpipe verify --schema                                     the JSON schema of --json

\b
Exit status: 0 complete and intact (what retention removed and the unsealed
tail do not count against it); 1 damage, a hole, or a recorded gap that lost
bytes or may have, with --require-pairs also a request or response that is
alone; 2 it could not be told; 64 the command line is wrong.
Every word of the output: docs/verify.md; docs/verify-archive.md for archives
and several nodes, docs/verify-copies.md for copies from downstream.
"""


def _checks(_context: click.Context, _parameter: click.Parameter, value: str) -> frozenset[str]:
    """Read a list of checks; a callback of click. Raises BadParameter."""
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if name not in CHECKS:
            raise click.BadParameter(f"{name!r} is no check: {', '.join(CHECKS)}")
    return frozenset(names)


@click.command(epilog=EPILOG)
@click.argument("copies", nargs=-1, metavar="[PLACE…|FILE…|-]")
@click.option(
    "--journal",
    metavar="DIR",
    multiple=True,
    help=f"A journal's directory; may be given several times.  [default: {DEFAULT_JOURNAL}]",
)
@click.option("--public-key", "public_keys", metavar="FILE", multiple=True, help=KEY_HELP)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object instead of words.")
@click.option("--accept-recorded", is_flag=True, help="Do not count gaps that were recorded when they came to be.")
@click.option("--require-pairs", is_flag=True, help=PAIRS_HELP)
@click.option(
    "--checks", metavar="LIST", default=",".join(CHECKS), show_default=True, callback=_checks, help=CHECKS_HELP
)
@click.option("--prefix", metavar="TEXT", help=PREFIX_HELP)
@click.option("--schema", "schema_wanted", is_flag=True, help="Print the JSON schema of what --json prints, and end.")
@copy_options
@fleet_options
@cleans_up
def command(  # noqa: PLR0913 — one for each option
    *,
    copies: tuple[str, ...],
    journal: tuple[str, ...],
    public_keys: tuple[str, ...],
    json_wanted: bool,
    accept_recorded: bool,
    require_pairs: bool,
    checks: frozenset[str],
    prefix: str | None,
    schema_wanted: bool,
    copy_options: CopyOptions,
    fleet: FleetOptions,
) -> int:
    """Prove that nothing is missing from a journal, or altered.

    Every sealed byte is read and compared with its seal, every seal with the one before it, and every address from the
    first to the last must be there; every request is looked for its response. Works on a live journal; takes no lock
    and writes nothing.
    """
    if schema_wanted:
        click.echo(verify_schema(), nl=False)
        return EXIT_OK
    if require_pairs and PAIRING not in checks:
        raise UsageError("--require-pairs needs the check `pairing`", "Add pairing to --checks, or leave it out")
    options = VerifyOptions(
        json_wanted=json_wanted,
        accept_recorded=accept_recorded,
        require_pairs=require_pairs,
        checks=checks,
        public_keys=public_keys,
        prefix=None if prefix is None else prefix.encode(),
    )
    inputs = sort_inputs(copies)
    if inputs.copies and journal:
        raise UsageError(
            f"cannot verify files ({inputs.copies[0]!r}) and a journal ({journal[0]!r}) in one go",
            "Verify them one after the other; --seals names a journal by whose seals copies are judged",
        )
    if inputs.copies:
        return verify_copied_files(inputs.copies, options, copy_options)
    journals = (*journal, *inputs.journals) or (() if inputs.archives else (DEFAULT_JOURNAL,))
    if inputs.archives or len(journals) > 1 or fleet.now:
        return verify_fleet(journals, inputs.archives, options, fleet)
    return _verify_journal(journals[0], options)


def _verify_journal(journal: str, options: VerifyOptions) -> int:
    return answer(
        lambda progress: verify_journal(
            Layout(os.path.abspath(journal)),
            accept_recorded=options.accept_recorded,
            keys=trusted_keys(options.public_keys),
            require_pairs=options.require_pairs,
            checks=options.checks,
            prefix=options.prefix,
            progress=progress,
        ),
        as_json,
        lambda found: as_lines(found, accept_recorded=options.accept_recorded, require_pairs=options.require_pairs),
        json_wanted=options.json_wanted,
    )
