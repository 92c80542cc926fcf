"""`standpipe keygen`: makes the key pair with which keep signs seals."""

from __future__ import annotations

import json
import os

import click

from standpipe.journal.key_files import PUBLIC_SUFFIX, make_key

EPILOG = """\b
Examples:
  standpipe keygen /keys/ed25519.pem
  standpipe keygen /keys/2027.pem --replaces /keys/ed25519.pem    a new key, endorsed by the old one

\b
Exit status: 0 done; 2 the file cannot be written, the old key cannot be read,
or the library is missing (pip install 'standpipe[sign]'); 64 usage, or the
file is there already. What to do with the two files: docs/signing.md.
"""


@click.command("keygen", epilog=EPILOG)
@click.argument("path", metavar="FILE")
@click.option("--replaces", metavar="OLD.pem", help="The private key in use until now: it endorses the new one.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object instead of words.")
def command(*, path: str, replaces: str | None, json_wanted: bool) -> int:
    """Make an Ed25519 key pair that signs seals.

    FILE gets the private key, mode 0600, for `journal.sign_key`; FILE.pub the public one, for `verify --public-key`.
    Keep the public key where nobody can write who can write to the journal. Nothing is ever overwritten.
    """
    private = os.path.abspath(path)
    signer = make_key(private, replaces)
    if json_wanted:
        members = {
            "key_id": signer.key_id,
            "private": private,
            "public": private + PUBLIC_SUFFIX,
            "endorsement": signer.endorsement,
        }
        click.echo(json.dumps(members))
        return 0
    click.echo(f"private key: {private} (for journal.sign_key; no copy of it is needed to verify)")
    click.echo(f"public key: {private}{PUBLIC_SUFFIX} (for verify --public-key)")
    click.echo(f"key id: {signer.key_id}")
    if signer.endorsement is not None:
        click.echo(f"endorsed by: {signer.endorsement.split(':')[1]}")
    return 0
