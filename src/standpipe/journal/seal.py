"""The seal of a closed segment: its range, its digest, and a link to the seal before it. Pure.

A seal file is one line: a JSON object with these keys in this order, without spaces, ASCII only, and a newline::

    format       FORMAT_VERSION
    journal      the journal's id
    base, end    the addresses covered, [base, end)
    records      newlines in [base, end)
    sha256       hex, of the raw bytes in [base, end)
    previous     hex sha256 of the exact bytes of the seal file before this one; for the first seal
                 journal.json's predecessor, which is null for a journal that follows no other
    first_time   the `time` member of the first and
    last_time      last complete record as Vault wrote it, or null (journal.digest)
    sealed_at    RFC 3339, UTC, milliseconds
    gaps         [{"kind":…,"offset":…,"length":…,"time":…}, …]: incidents that may have lost bytes
    idle         only in the seal of an interval in which nothing came: its number at this base, from 1
    signing_key  only in the first seal by a key: {"public":…,"endorsement":…} (journal.signature)
    signature    null: unsigned; else that of these bytes with null in its place (journal.signature)

**Idle seals.** While nothing comes, the journal's end is sealed as well: base = end, no records, the digest of no
bytes. So silence is evidence, and a chain that ends early is told from one that was quiet.

**Which gaps a seal names.** Those whose offset lies in [base, end], the end included: a power-loss gap begins exactly
at the end of the tail that it follows, and a failed fsync's range exactly where the failed file stops to count. Also
every ``dropped`` range that no earlier seal has named: the dropped segments took their own seals with them. Each gap is
named once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from standpipe.errors import JournalError
from standpipe.journal.layout import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

DROPPED = "dropped"
SEAL_BYTES_MAX = 16 << 20  # a seal is 500 bytes plus 100 a gap; more is not ours
SHA256_HEX_DIGITS = 64
OPTIONAL_KEYS = ("idle", "signing_key")

REMEDY = "Restore the file from a copy; `standpipe verify` says what it covered"


@dataclass(frozen=True, slots=True)
class Gap:
    """A range that an incident spoke of. ``time`` is the incident's."""

    kind: str
    offset: int
    length: int | None
    time: str | None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs from this seal on: the raw public key in base64, and the endorsement by another key or null."""

    public: str
    endorsement: str | None


@dataclass(frozen=True, slots=True)
class Seal:
    """What a seal file says; see the module's docstring."""

    journal: str
    base: int
    end: int
    records: int
    sha256: str
    previous: str | None
    first_time: str | None
    last_time: str | None
    sealed_at: str
    gaps: tuple[Gap, ...] = ()
    signature: str | None = None
    idle: int | None = None
    signing_key: SigningKey | None = None

    @property
    def sealed_at_seconds(self) -> float:
        """Return the time of sealing in seconds since 1970."""
        return datetime.fromisoformat(self.sealed_at).timestamp()


def encode_seal(seal: Seal) -> bytes:
    """Return the canonical bytes of a seal file."""
    members = asdict(seal)
    optional = {name: value for name in OPTIONAL_KEYS if (value := members.pop(name)) is not None}
    signature = members.pop("signature")
    return _as_line({"format": FORMAT_VERSION, **members, **optional, "signature": signature})


def _as_line(entry: Mapping[str, object]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n"


def is_canonical(data: bytes) -> bool:
    """Is this JSON as the sealer writes it: no spaces, ASCII, one newline? Keys that we do not know may be there."""
    return _as_line(json.loads(data)) == data


def signed_bytes(data: bytes) -> bytes:
    """Return what is signed: a seal file's bytes, in canonical form, with null in the place of the signature."""
    return _as_line({**json.loads(data), "signature": None})


def seal_digest(data: bytes) -> str:
    """Return the link to a seal: the hex sha256 of the exact bytes of its file."""
    return hashlib.sha256(data).hexdigest()


def _need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == SHA256_HEX_DIGITS and all(c in "0123456789abcdef" for c in value)


def _is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _parse_gap(entry: Any) -> Gap:  # noqa: ANN401 -- it comes from JSON
    _need(isinstance(entry, dict), "a gap is not an object")
    gap = Gap(entry.get("kind"), entry.get("offset"), entry.get("length"), entry.get("time"))
    _need(isinstance(gap.kind, str), "a gap has no kind")
    _need(_is_count(gap.offset), "a gap has no offset")
    _need(gap.length is None or _is_count(gap.length), "a gap's length is no number")
    _need(_is_text_or_null(gap.time), "a gap's time is no text")
    return gap


def _parse_signing_key(entry: Any) -> SigningKey | None:  # noqa: ANN401 -- it comes from JSON
    if entry is None:
        return None
    _need(isinstance(entry, dict), "signing_key is not an object")
    key = SigningKey(entry.get("public"), entry.get("endorsement"))
    _need(isinstance(key.public, str), "signing_key.public is no text")
    _need(_is_text_or_null(key.endorsement), "signing_key.endorsement is no text")
    return key


def _checked(entry: Mapping[str, Any]) -> Seal:
    _need(isinstance(entry.get("gaps"), list), "gaps is no list")
    fields = {name: entry[name] for name in Seal.__dataclass_fields__ if name not in ("gaps", *OPTIONAL_KEYS)}
    seal = Seal(
        **fields,
        gaps=tuple(_parse_gap(gap) for gap in entry["gaps"]),
        idle=entry.get("idle"),
        signing_key=_parse_signing_key(entry.get("signing_key")),
    )
    _need(isinstance(seal.journal, str), "journal is no text")
    for name in ("base", "end", "records"):
        _need(_is_count(getattr(seal, name)), f"{name} is no count of bytes")
    _need(seal.end >= seal.base, f"end {seal.end} is before base {seal.base}")
    _need(seal.idle is None or (_is_count(seal.idle) and seal.idle), "idle is no number from 1")
    _need(seal.idle is None or seal.end == seal.base, "an idle seal's end is not its base")
    _need(_is_digest(seal.sha256), "sha256 is no digest")
    _need(seal.previous is None or _is_digest(seal.previous), "previous is no digest")
    for name in ("first_time", "last_time", "signature"):
        _need(_is_text_or_null(getattr(seal, name)), f"{name} is no text")
    _need(isinstance(seal.sealed_at, str), "sealed_at is no text")
    try:
        _ = seal.sealed_at_seconds  # a time near the year 1 or 10000 may be none in UTC
    except OverflowError as error:
        raise ValueError(f"sealed_at is no time: {error}") from error
    return seal


def parse_seal(data: bytes, name: str = "seal") -> Seal:
    """Read a seal file's bytes; name is for the message. Raises JournalError."""
    try:
        _need(len(data) <= SEAL_BYTES_MAX, f"it is larger than {SEAL_BYTES_MAX} bytes")
        entry = json.loads(data)
        _need(isinstance(entry, dict), "it is not a JSON object")
        version = entry.get("format")
    except (ValueError, RecursionError) as error:
        raise JournalError(f"{name} is damaged: {error}", REMEDY) from error
    if version != FORMAT_VERSION:
        raise JournalError(
            f"{name} has format {version!r}; this program understands {FORMAT_VERSION}",
            "Use the version of standpipe that wrote it, or a newer one",
        )
    try:
        return _checked(entry)
    except KeyError as error:
        raise JournalError(f"{name} is damaged: the key {error} is missing", REMEDY) from error
    except ValueError as error:
        raise JournalError(f"{name} is damaged: {error}", REMEDY) from error


def _as_gap(incident: Mapping[str, object]) -> Gap | None:
    kind, offset, length, time = (incident.get(key) for key in ("kind", "offset", "length", "time"))
    if not isinstance(kind, str) or not isinstance(offset, int):
        return None
    return Gap(kind, offset, length if isinstance(length, int) else None, time if isinstance(time, str) else None)


def collect_gaps(
    incidents: Iterable[Mapping[str, object]],
    kinds: Collection[str],
    base: int,
    end: int,
    earlier: Sequence[Seal],
) -> tuple[Gap, ...]:
    """Return the gaps that the seal of [base, end) names, sorted; earlier: the seals that are still there, in order.

    A drop that is older than the oldest seal that is still there was named by a seal that retention has deleted since.
    """
    named = {(gap.kind, gap.offset, gap.length) for seal in earlier for gap in seal.gaps}
    oldest = earlier[0].sealed_at if earlier else ""
    found: dict[tuple[str, int, int | None], Gap] = {}
    for gap in filter(None, map(_as_gap, incidents)):
        key = (gap.kind, gap.offset, gap.length)
        if gap.kind not in kinds or key in named:
            continue
        if base <= gap.offset <= end or (gap.kind == DROPPED and gap.offset < base and (gap.time or oldest) >= oldest):
            found.setdefault(key, gap)
    return tuple(sorted(found.values(), key=lambda gap: (gap.offset, gap.kind, gap.length or 0)))
