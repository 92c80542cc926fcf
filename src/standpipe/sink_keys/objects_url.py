"""Where an archive of objects is, as a URL. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMES = ("s3", "gs", "az", "file")
PREFIX_BYTES_MAX = 400  # with two names, the date and the offsets, a key stays below 1,024 bytes, S3's limit


@dataclass(frozen=True, slots=True)
class Place:
    """A URL taken apart. bucket: a container with Azure, "" for a directory; prefix: a directory's absolute path."""

    scheme: str
    bucket: str
    prefix: str


def parse_url(url: str) -> Place:
    """Take ``s3://bucket/prefix``, ``gs://…``, ``az://container/prefix`` or ``file:///directory`` apart.

    Raises ValueError with a sentence for the person who wrote it.
    """
    if any(character in url for character in "@?#"):  # not shown: what is behind or before them may be a secret
        raise ValueError("the URL holds '@', '?' or '#', as if a user, a password or a token were in it")
    scheme, colon, rest = url.partition("://")
    if not colon or scheme not in SCHEMES:
        raise ValueError(f"{url!r} is not one of s3://BUCKET/PREFIX, gs://…, az://CONTAINER/PREFIX, file:///DIRECTORY")
    bucket, _, path = rest.partition("/")
    parts = path.strip("/").split("/") if path.strip("/") else []
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{url!r} has an empty, '.' or '..' part in its path")
    if not url.isprintable():
        raise ValueError(f"{url!r} holds control characters")
    if scheme == "file":
        if bucket:
            raise ValueError(f"{url!r} names a host; a directory has three slashes: file:///DIRECTORY")
        if not parts:
            raise ValueError(f"{url!r} names no directory")
        return Place(scheme, "", "/" + "/".join(parts))
    if not bucket or ":" in bucket:
        raise ValueError(f"{url!r} names no bucket: expected {scheme}://BUCKET or {scheme}://BUCKET/PREFIX")
    if len("/".join(parts).encode()) > PREFIX_BYTES_MAX:
        raise ValueError(f"the prefix of {url!r} is longer than {PREFIX_BYTES_MAX} bytes")
    return Place(scheme, bucket, "/".join(parts))
