"""The keys of a sink of type objects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind
from standpipe.sink_keys.objects_url import parse_url
from standpipe.sink_keys.pairs import pair_problems
from standpipe.sink_keys.tls import TLS_KEYS
from standpipe.sink_keys.url import parse_url as parse_http_url

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: tuple[Key, ...] = (
    Key(
        "url",
        Kind.TEXT,
        "Where the archive is: `s3://BUCKET/PREFIX`, `gs://…`, `az://CONTAINER/PREFIX` or `file:///DIRECTORY`.",
        required=True,
    ),
    Key("cluster", Kind.TEXT, "The first part of every object's name: tells this cluster from others.", required=True),
    Key(
        "node",
        Kind.TEXT,
        "The second part: tells this journal from others of the cluster.",
        default_text="the journal's node, the machine's or pod's name",
    ),
    Key("region", Kind.TEXT, "S3: the bucket's region.", default_text="AWS_REGION, else us-east-1"),
    Key(
        "endpoint",
        Kind.TEXT,
        "The store's address where it is not the cloud's own; plain HTTP only where it says `http://`.",
        default_text="the cloud's own",
    ),
    Key("timeout", Kind.DURATION, "How long one request may take.", default="2m", minimum="1s", maximum="1h"),
    Key("access_key_id", Kind.SECRET, "S3: the access key's id.", default_text="environment or role"),
    Key("secret_access_key", Kind.SECRET, "S3: the secret access key.", default_text="environment or role"),
    Key("session_token", Kind.SECRET, "S3: the token of temporary credentials.", default_text="none"),
    Key(
        "service_account",
        Kind.SECRET,
        "Google: the JSON key of a service account.",
        default_text="environment or workload identity",
    ),
    Key("account_name", Kind.TEXT, "Azure: the storage account's name.", default_text="AZURE_STORAGE_ACCOUNT_NAME"),
    Key("account_key", Kind.SECRET, "Azure: the storage account's key.", default_text="environment or identity"),
    Key(
        "tls.ca",
        Kind.PATH,
        "PEM file with the certificates that sign the server's; besides the system's.",
        default_text="none; the system's",
    ),
    *(key for key in TLS_KEYS if key.path == "tls.verify"),
)
"""No tls.cert, tls.key, tls.server_name: obstore has no such options."""

DELIVER_SEALS = True
"""Each segment's seal is an object of its own; without it the archive proves nothing."""

EXTRA = "objects"

OPTIONS_OF = {
    "s3": frozenset({"region", "endpoint", "access_key_id", "secret_access_key", "session_token"}),
    "gs": frozenset({"endpoint", "service_account"}),
    "az": frozenset({"endpoint", "account_name", "account_key"}),
    "file": frozenset[str](),
}
"""Which options a scheme has, besides those that all have."""


def problems(options: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Return what only the options together show: (option name, message, remedy)."""
    try:
        scheme = parse_url(str(options.get("url") or "")).scheme
    except ValueError as error:
        return [("url", str(error), "Write it as one of these")]
    found = []
    others = frozenset().union(*OPTIONS_OF.values()) - OPTIONS_OF[scheme]
    for name in sorted(others):
        if options.get(name):
            kinds = " and ".join(f"{other}://" for other, names in OPTIONS_OF.items() if name in names)
            found.append((name, f"is of no use with {scheme}://", f"Remove it; it belongs to {kinds}"))
    found += pair_problems(options, "access_key_id", "secret_access_key")
    if options.get("session_token") and not options.get("access_key_id"):
        found.append(("session_token", "is given without access_key_id", "Give the key that it belongs to"))
    endpoint = parse_http_url(str(options.get("endpoint") or "https://host"))
    if isinstance(endpoint, str):
        found.append(("endpoint", f"cannot be used: {endpoint}", "Write https://HOST or http://HOST:PORT"))
    if "cluster" in options and not options["cluster"]:
        found.append(("cluster", "is empty", "Name the cluster"))
    return found
