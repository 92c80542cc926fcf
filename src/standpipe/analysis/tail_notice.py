"""What is no request, in words and as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.analysis.tail_stream import GAP, NO_ENTRY

if TYPE_CHECKING:
    from standpipe.analysis.tail_stream import Notice


def notice_as_text(notice: Notice) -> str:
    """Return one line for a person."""
    place = "" if notice.offset is None else f" at offset {notice.offset}"
    if notice.kind == GAP:
        return f"-- gap: {notice.length:,} addresses from offset {notice.offset} on hold nothing"
    if notice.kind == NO_ENTRY:
        return f"-- not an audit entry: {notice.length:,} bytes{place}"
    return f"-- torn record: {notice.length:,} bytes{place}"


def notice_as_object(notice: Notice) -> dict[str, object]:
    """Return the same as JSON: ``outcome`` is the kind, and none of a request's members is there."""
    return {
        "journal": notice.journal or None,
        "offset": notice.offset,
        "length": notice.length,
        "outcome": notice.kind,
    }
