"""A record that holds the value, as one line or one JSON object. Pure; see tail_line for `paint`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from standpipe.analysis.tail_line import DIM, name_of, utc_of
from standpipe.analysis.whois_match import CLEAR

if TYPE_CHECKING:
    from standpipe.analysis.tail_line import Paint
    from standpipe.analysis.whois import Found

TYPE_WIDTH: Final = 8
OPERATION_WIDTH: Final = 6
PATH_WIDTH: Final = 36
NAME_WIDTH: Final = 16
ADDRESS_WIDTH: Final = 15


def as_line(found: Found, paint: Paint) -> str:
    """Return time, type, operation, path, who, address, in which members the value is, and the place."""
    half = found.half
    places = ", ".join(f"{name} in clear" if how == CLEAR else name for name, how in found.places.items())
    if half is None:
        return "  ".join([paint(places, fg="yellow"), paint(_place(found), **DIM)])
    return "  ".join(
        [
            paint(utc_of(half.time) or "-", **DIM),
            paint((half.kind or "-").ljust(TYPE_WIDTH)),
            paint((half.operation or "-").ljust(OPERATION_WIDTH)),
            paint((half.namespace_path + half.path or "-").ljust(PATH_WIDTH)),
            paint(name_of(half).ljust(NAME_WIDTH), bold=True),
            paint((half.remote_address or "-").ljust(ADDRESS_WIDTH)),
            paint(places, fg="yellow"),
            paint(_place(found), **DIM),
        ]
    )


def _place(found: Found) -> str:
    return f"{found.node} {found.offset}"


def as_object(found: Found) -> dict[str, object]:
    """Return the same as JSON. ``places``: by dotted member name, ``hashed`` or ``clear``."""
    half = found.half
    return {
        "node": found.node,
        "journal": found.journal,
        "offset": found.offset,
        "length": found.length,
        "places": found.places,
        "audit_hash": found.is_question,
        "time": (half and half.time) or None,
        "type": (half and half.kind) or None,
        "request_id": (half and half.request_id) or None,
        "operation": (half and half.operation) or None,
        "path": (half and half.path) or None,
        "namespace_path": half.namespace_path if half else "",
        "display_name": (half and half.display_name) or None,
        "entity_id": (half and half.entity_id) or None,
        "remote_address": (half and half.remote_address) or None,
        "error": (half and half.error) or None,
    }
