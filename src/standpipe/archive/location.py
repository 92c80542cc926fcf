"""Where an archive is: a directory, or the URL that the objects sink has. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from standpipe.errors import UsageError
from standpipe.sink_keys.objects_url import SCHEMES, Place, parse_url

FILE = "file"
DEFAULT_TIMEOUT_SECONDS = 120.0  # of one request; the objects sink's default


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How to reach a store; names and meanings are those of the objects sink. Credentials come from the environment."""

    region: str | None = None
    endpoint: str | None = None
    account_name: str | None = None
    ca: str | None = None  # a PEM file
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


def is_url(location: str) -> bool:
    """Return whether this is the URL of an archive, s3:// gs:// az:// file://, and no path."""
    scheme, colon, _ = location.partition("://")
    return bool(colon) and scheme in SCHEMES


def place_of(location: str, working_directory: str) -> Place:
    """Return where a location is: a URL of the objects sink, or a directory's path. Raises UsageError."""
    if "://" not in location:
        path = location if location.startswith("/") else f"{working_directory}/{location}"
        return Place(FILE, "", path.rstrip("/") or "/")
    try:
        return parse_url(location)
    except ValueError as error:
        raise UsageError(f"no archive can be at that place: {error}", "Give a directory, or the sink's url") from error
