"""What `standpipe verify` says of archives and of several journals: members of JSON, and lines for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.evidence.journal_check import COMPLETE
from standpipe.evidence.verdict_text import HEADLINES, as_json, as_lines
from standpipe.evidence.wording import LINES_MAX, count_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from standpipe.evidence.fleet import Fleet, Member, SilentNode

Json = dict[str, object]

NAMES_MAX = 5  # in the first line

UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


# JSON.


def fleet_as_json(fleet: Fleet) -> Json:
    """Return the members of `verify --json` for archives and several journals; docs/verify-archive.md has them all.

    First the keys that one journal has, in total: counts are added up, lists are put one after the other.
    """
    counted = set(map(id, fleet.counted()))
    parts = [as_json(member.findings) for member in fleet.members]
    owners: list[Json] = [{"node": name(member), "journal": member.journal_id} for member in fleet.members]
    total = _total(parts, owners, [id(member) in counted for member in fleet.members])
    return {
        **total,
        "verdict": fleet.verdict,
        "nodes": [_member_json(member, part) for member, part in zip(fleet.members, parts, strict=True)],
        "silent": [_silent_json(node) for node in fleet.silent],
        "foreign": list(fleet.foreign),
        "unfinished": list(fleet.unfinished),
    }


def _member_json(member: Member, part: Json) -> Json:
    return {
        "cluster": member.cluster or None,
        "node": member.node or None,
        "journal": member.journal_id or None,
        "location": member.location,
        "archived": member.archived,
        "follows": member.follows,
        "last_seen": member.findings.last_seen,
        **part,
    }


def _silent_json(node: SilentNode) -> Json:
    seconds = None if node.silent_seconds is None else round(node.silent_seconds, 3)
    return {
        "cluster": node.cluster or None,
        "node": node.node or None,
        "last_seen": node.last_seen,
        "silent_seconds": seconds,
    }


def _total(parts: Sequence[Mapping[str, object]], owners: Sequence[Json], counted: Sequence[bool]) -> Json:
    keys = list(dict.fromkeys(key for part in parts for key in part))
    total = {key: _sum([part.get(key) for part in parts], owners, counted) for key in keys}
    if len(parts) == 1:
        total["ranges"], total["times"] = parts[0]["ranges"], parts[0]["times"]
    else:
        total["ranges"] = {"base": None, "end": None}  # each journal has its own
        total["times"] = _span([part["times"] for part in parts])
    total["checks"] = max((part["checks"] for part in parts), key=_length)  # the same for all that could be read
    return total


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _sum(values: Sequence[object], owners: Sequence[Json], counted: Sequence[bool]) -> object:
    """Add up what the parts say under one key, by its type. A list's objects are told whose they are."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if all(isinstance(value, list) for value in known):
        return [
            {**owner, **entry} if isinstance(entry, dict) else entry
            for value, owner in zip(values, owners, strict=True)
            for entry in (value if isinstance(value, list) else ())
        ]
    if all(isinstance(value, dict) for value in known):
        inner = [value if isinstance(value, dict) else {} for value in values]
        keys = list(dict.fromkeys(key for value in inner for key in value))
        return {key: _sum([value.get(key) for value in inner], owners, counted) for key in keys}
    if all(isinstance(value, int) and not isinstance(value, bool) for value in known):
        return sum(value for value, counts in zip(values, counted, strict=True) if counts and isinstance(value, int))
    return known[0] if all(value == known[0] for value in known) else None


def _span(times: Sequence[object]) -> Json:
    """Return the first and the last of all times; those of Vault are in UTC, so that texts sort as they do."""
    entries = [entry for entry in times if isinstance(entry, dict)]
    first = [entry["first"] for entry in entries if isinstance(entry["first"], str)]
    last = [entry["last"] for entry in entries if isinstance(entry["last"], str)]
    return {"first": min(first, default=None), "last": max(last, default=None)}


# Lines.


def name(member: Member) -> str:
    """Return ``cluster/node``, or what is known of it."""
    return "/".join(part for part in (member.cluster, member.node) if part) or member.location


def fleet_as_lines(fleet: Fleet, *, accept_recorded: bool = False, require_pairs: bool = False) -> list[str]:
    """Return what a person reads: the verdict, who is silent, what is foreign, then each journal."""
    if len(fleet.members) == 1:
        (member,) = fleet.members
        first, *others = as_lines(member.findings, accept_recorded=accept_recorded, require_pairs=require_pairs)
        return [first, *_notices(fleet), *others, *_member_lines(member)]
    return [
        _summary(fleet),
        *_notices(fleet),
        *_members(fleet, accept_recorded=accept_recorded, require_pairs=require_pairs),
    ]


def _summary(fleet: Fleet) -> str:
    journals, places = len(fleet.counted()), len(fleet.members)
    every = f"{count_text(journals, 'journal')} of {count_text(fleet.nodes, 'node')}"
    if journals != places:
        every += f" in {count_text(places, 'place')}"
    if fleet.verdict == COMPLETE:
        records = sum(member.findings.records for member in fleet.counted())
        return f"{HEADLINES[fleet.verdict]}: {every}, {count_text(records, 'record')}: every byte is there"
    bad = list(dict.fromkeys(name(member) for member in fleet.members if member.findings.verdict == fleet.verdict))
    more = f" and {len(bad) - NAMES_MAX:,} more" if len(bad) > NAMES_MAX else ""
    return f"{HEADLINES[fleet.verdict]}: {', '.join(bad[:NAMES_MAX])}{more}; of {every}"


def _duration_text(seconds: float) -> str:
    """Return the two largest units of a time: ``2 days 3 hours``."""
    left, words = int(seconds), []
    for unit_seconds, unit in UNITS:
        count, left = divmod(left, unit_seconds)
        if count:
            words.append(count_text(count, unit))
    return " ".join(words[:2]) or "less than a second"


def _notices(fleet: Fleet) -> Iterator[str]:
    for node in fleet.silent[:LINES_MAX]:
        who = "/".join(part for part in (node.cluster, node.node) if part) or "a node without a name"
        if node.silent_seconds is None:
            yield f"silent: {who}: no sign of life at all"
        else:
            yield f"silent: {who}: for {_duration_text(node.silent_seconds)}, since {node.last_seen}"
    yield from _more(len(fleet.silent))
    for what, keys in (("foreign", fleet.foreign), ("unfinished", fleet.unfinished)):
        yield from (f"{what}: {key}" for key in keys[:LINES_MAX])
        yield from _more(len(keys))


def _more(count: int) -> Iterator[str]:
    if count > LINES_MAX:
        yield f"… and {count - LINES_MAX:,} more like this; --json lists them all"


def _member_lines(member: Member) -> Iterator[str]:
    after = f", which follows journal {member.follows}" if member.follows else ""
    if member.journal_id:
        yield f"journal {member.journal_id}{after}, of {name(member)}, in {member.location}"


def _members(fleet: Fleet, *, accept_recorded: bool, require_pairs: bool) -> Iterator[str]:
    for member in fleet.members:
        first, *others = as_lines(member.findings, accept_recorded=accept_recorded, require_pairs=require_pairs)
        yield f"{name(member)}: {first}"
        yield from (f"  {line}" for line in (*others, *_member_lines(member)))
