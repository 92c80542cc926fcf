"""One request as one line for a person, or as one JSON object. Pure.

Every text of a record goes through `paint`, which makes control characters visible (a path is chosen by whoever
asks) and adds colours where they are wanted: it is given a text and the keywords of click.style.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from standpipe.analysis.tail_pairs import DENIED, ERROR, NO_RESPONSE, OK, RESPONSE_ONLY, WAITING

if TYPE_CHECKING:
    from standpipe.analysis.tail_half import Half
    from standpipe.analysis.tail_pairs import Exchange

ROOT_POLICY: Final = "root"
SLOW_MS: Final = 1000.0  # a person notices; a healthy server answers within a few
DATE_LENGTH: Final = 10  # of an RFC 3339 time
CLOCK_END: Final = 23  # milliseconds
OPERATION_WIDTH: Final = 6
OUTCOME_WIDTH: Final = 13
DURATION_WIDTH: Final = 8
ADDRESS_WIDTH: Final = 15
WIDE_COLUMNS: Final = 150  # of a terminal: from here on the columns below have room
WHO_WIDTH, WHO_WIDTH_NARROW = 30, 16
PATH_WIDTH, PATH_WIDTH_NARROW = 36, 24
POLICIES_SHOWN: Final = 3
HASHED_ERROR: Final = "(its text is in the response's data, hashed)"
ENTITY_SHOWN: Final = 8  # hex digits: enough to tell those of one screen apart

Paint = Callable[..., str]

OUTCOME_STYLES: Final[dict[str, dict[str, object]]] = {
    OK: {"fg": "green"},
    DENIED: {"fg": "red", "bold": True},
    ERROR: {"fg": "red"},
    NO_RESPONSE: {"fg": "magenta", "bold": True},
    RESPONSE_ONLY: {"fg": "magenta"},
    WAITING: {"fg": "yellow"},
}
OPERATION_STYLES: Final[dict[str, dict[str, object]]] = {
    "create": {"fg": "yellow"},
    "update": {"fg": "yellow"},
    "patch": {"fg": "yellow"},
    "delete": {"fg": "red"},
    "read": {"fg": "cyan"},
    "list": {"fg": "blue"},
    "scan": {"fg": "blue"},
}
DIM: Final[dict[str, object]] = {"dim": True}
ROOT_STYLE: Final[dict[str, object]] = {"fg": "magenta", "bold": True}
SLOW_STYLE: Final[dict[str, object]] = {"fg": "yellow", "bold": True}


def date_of(exchange: Exchange) -> str:
    """Return the day of a request in UTC, ``2026-11-23``; empty where it has no time."""
    return utc_of(exchange.first.time)[:DATE_LENGTH]


def as_line(exchange: Exchange, paint: Paint, *, with_date: bool, narrow: bool = False) -> str:
    """Return a request as one line: time, outcome, duration, operation, path, who, address, error.

    with_date: the whole time, as a file wants it; else the clock alone. narrow: columns with less room; nothing is cut.
    """
    half, outcome = exchange.half, exchange.outcome
    time = utc_of(exchange.first.time)
    clock = (time if with_date else time[DATE_LENGTH + 1 :]) or "-"
    columns = [
        paint(clock.ljust(CLOCK_END if with_date else CLOCK_END - DATE_LENGTH - 1), **DIM),
        paint(outcome.ljust(OUTCOME_WIDTH), **OUTCOME_STYLES[outcome]),
        _duration(exchange, paint),
        paint((half.operation or "-").ljust(OPERATION_WIDTH), **OPERATION_STYLES.get(half.operation, {})),
        paint((half.namespace_path + half.path or "-").ljust(PATH_WIDTH_NARROW if narrow else PATH_WIDTH)),
        who_of(half, paint, WHO_WIDTH_NARROW if narrow else WHO_WIDTH),
    ]
    address = half.remote_address or "-"
    error = short_error(exchange.error) or (HASHED_ERROR if outcome == ERROR else "")
    columns += [paint(address.ljust(ADDRESS_WIDTH)), paint(error, fg="red")] if error else [paint(address)]
    return "  ".join(columns)


def utc_of(time: str) -> str:
    """Return a record's time as ``2026-11-23 18:17:37.053`` in UTC; what is no time as it is."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    if moment.tzinfo is not None:
        moment = (moment - (moment.utcoffset() or moment - moment)).replace(tzinfo=None)
    return moment.isoformat(" ", "milliseconds")


def _duration(exchange: Exchange, paint: Paint) -> str:
    milliseconds = exchange.duration_ms
    text = "-" if milliseconds is None else duration_text(milliseconds)
    style = SLOW_STYLE if milliseconds is not None and milliseconds >= SLOW_MS else DIM
    return paint(text.rjust(DURATION_WIDTH), **style)


def duration_text(milliseconds: float) -> str:
    """Return a duration in at most eight columns: ``0.42 ms``, ``12.3 ms``, ``1.50 s``."""
    if abs(milliseconds) >= SLOW_MS:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.2f} ms" if abs(milliseconds) < 10 else f"{milliseconds:.1f} ms"  # noqa: PLR2004 - 3 digits


def who_of(half: Half, paint: Paint, width: int) -> str:
    """Return display name, the entity's first digits, and policies, in one column."""
    name = name_of(half)
    more = []
    if half.entity_id:
        more.append(half.entity_id[:ENTITY_SHOWN])
    if half.policies:
        hidden = len(half.policies) - POLICIES_SHOWN
        shown = ",".join(half.policies[:POLICIES_SHOWN]) + (f",+{hidden}" if hidden > 0 else "")
        more.append(f"[{shown}]")
    rest = "".join(f" {word}" for word in more)
    blanks = " " * (width - len(name) - len(rest))
    is_root = ROOT_POLICY in half.policies
    return paint(name, **(ROOT_STYLE if is_root else {"bold": True})) + paint(rest, **DIM) + blanks


def name_of(half: Half) -> str:
    """Return who it is: a login has no name before its response, which is about the token that it gave out."""
    return half.display_name or half.login_name or "-"


def short_error(error: str) -> str:
    """Return an error as one line: Vault's lists (go-multierror) are a head line and points behind ``* ``."""
    points = [part.strip() for part in error.split("\n\t* ")[1:]]
    return " ".join("; ".join(points).split()) if points else " ".join(error.split())


def as_object(exchange: Exchange) -> dict[str, object]:
    """Return a request as JSON; the members are those of the view ``requests`` of ``standpipe query``.

    ``offset`` is that of the first half in its journal; null on a raw stream.
    """
    first, half = exchange.first, exchange.half
    return {
        "journal": first.journal or None,
        "offset": first.offset,
        "request_id": half.request_id or None,
        "time": first.time or None,
        "response_time": (exchange.response.time or None) if exchange.response else None,
        "duration_ms": exchange.duration_ms,
        "outcome": exchange.outcome,
        "error": exchange.error or None,
        "operation": half.operation or None,
        "path": half.path or None,
        "namespace_path": half.namespace_path,
        "mount_point": half.mount_point or None,
        "mount_type": half.mount_type or None,
        "client_id": half.client_id or None,
        "display_name": name_of(half) if name_of(half) != "-" else None,
        "entity_id": half.entity_id or None,
        "policies": list(half.policies),
        "is_root": ROOT_POLICY in half.policies,
        "token_type": half.token_type or None,
        "accessor": half.accessor or None,
        "remote_address": half.remote_address or None,
        "remote_port": half.remote_port,
    }
