"""Which names beside the live file are older generations of it, by the habits of rotators. Pure.

``audit.log.1``, ``audit.log-20261123``, ``audit.log.old`` (logrotate, people), ``audit.1.log`` (logrotate's
``extension``), ``audit-1764000000000000000.log`` (a proposal for Vault itself: hashicorp/vault#31213). A name only
makes a file a candidate; what it is, its content says.
"""

COMPRESSED = (".gz", ".zst", ".xz", ".bz2", ".lz4", ".lzma", ".Z", ".zip")
NOT_LOGS = (".tmp", ".swp", ".lock", ".pid", ".pos", ".offset", ".state", ".json", ".db", ".db-wal", ".db-shm")
GZIP = ".gz"  # what logrotate's `compress` makes
SEPARATORS = (".", "-", "_", "~")
DATE_DIGITS = 8  # of `audit-20261123.log`; `audit-2.log` may be the live file of a second device
OURS = ".standpipe-"  # `<live name>.standpipe-<journal offset, 20 digits>`: renamed by our own reclaim


def is_generation(live: str, name: str) -> bool:
    """Tell whether a name may be an older generation of the live file's, uncompressed."""
    if name == live or name.startswith(".") or name.endswith(COMPRESSED) or name.endswith(NOT_LOGS):
        return False
    if name.startswith(live) and name[len(live) :].startswith(SEPARATORS):
        return True
    stem, dot, extension = live.rpartition(".")
    if not dot or not name.startswith(stem) or not name.endswith(dot + extension):
        return False
    between = name[len(stem) : -len(dot + extension)]
    separator, number = between[:1], between[1:].replace("-", "")
    least = 1 if separator == "." else DATE_DIGITS
    return separator in SEPARATORS and len(between) > 1 and number.isdigit() and len(number) >= least


def is_gzipped_generation(live: str, name: str) -> bool:
    """Tell whether a name may be an older generation that logrotate has compressed."""
    return name.endswith(GZIP) and is_generation(live, name[: -len(GZIP)])


def reclaimed_name(live: str, journal_offset: int) -> str:
    """Return the name to which our own reclaim renames the live file."""
    return f"{live}{OURS}{journal_offset:020d}"


def is_ours(live: str, name: str) -> bool:
    """Tell whether our own reclaim gave a file this name."""
    start = live + OURS
    return name.startswith(start) and len(name) == len(start) + 20 and name[len(start) :].isdigit()
