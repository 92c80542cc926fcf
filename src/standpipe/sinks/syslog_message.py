"""RFC 5424 messages, and the octet counting of RFC 6587 and RFC 5425 that frames them. Pure.

``<PRI>1 TIMESTAMP HOSTNAME APP-NAME - MSGID STRUCTURED-DATA MSG``, framed as ``<octets of all that> SP <all that>``.

PROCID is nil. MSGID is the record's type (``request``, ``response``), ``torn`` or ``seal``. Severity is 3 (err) where
the record has an ``error``, 4 (warning) where it is torn, else 6 (info). TIMESTAMP is the record's own time; RFC 5424
section 6.2.3 allows six digits of a second's fraction, so the rest is cut off, never rounded: a rounded time can be
in the next second. The text of the record keeps all nine.

No byte order mark stands before MSG, although section 6.4 asks for one before UTF-8: rsyslog leaves it in the message,
where JSON parsers stumble over it. Without it MSG is what the RFC calls MSG-ANY, which may hold any octets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from standpipe.records.envelope import entry_id
from standpipe.records.fields import Fields, parse_fields
from standpipe.sink_keys.syslog import APP_NAME_CHARACTERS_MAX, FACILITIES, HOSTNAME_CHARACTERS_MAX
from standpipe.sinks.timestamp import record_time

if TYPE_CHECKING:
    from standpipe.records.framing import Record

ERROR, WARNING, INFO = 3, 4, 6  # RFC 5424 section 6.2.1, table 2
MSGID_CHARACTERS_MAX = 32  # section 6
NIL = "-"

# An RFC 3339 time as section 6.2.3 narrows it: capital T and Z, and no leap second.
_TIME = re.compile(
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)"
    r"(?:(\.\d{1,6})\d*)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def frame(message: bytes) -> bytes:
    """Return a message with its octet count in front."""
    return b"%d %b" % (len(message), message)


def timestamp(time: str) -> str:
    """Return the TIMESTAMP for a record's time: cut to microseconds; nil where it is no time that may stand there."""
    found = _TIME.fullmatch(time)
    return f"{found[1]}{found[2] or ''}{found[3]}" if found else NIL


def header_field(text: str, characters_max: int) -> str:
    """Return a text as a header field: PRINTUSASCII, what is not becomes ``_``, cut; nil where nothing is left."""
    return re.sub(r"[^!-~]", "_", text[:characters_max]) or NIL


def _facts(record: Record) -> tuple[int, str, str]:
    """Return severity, time and message id of a record."""
    if record.is_seal:
        return INFO, record_time(record, ""), "seal"
    if record.torn:
        return WARNING, record_time(record, ""), "torn"
    fields: Fields = parse_fields(record.body)
    return (ERROR if fields.has_error else INFO), fields.time, fields.type


class Header:
    """Makes the part of a message before MSG; all that is the same for each record is made once."""

    __slots__ = ("_fixed", "_journal_id", "_priority", "_sd_id")

    def __init__(
        self, facility: str, hostname: str, app_name: str, journal_id: str, enterprise_number: int | None
    ) -> None:
        """Prepare. enterprise_number: None for no structured data."""
        self._priority = 8 * FACILITIES.index(facility)
        host = header_field(hostname, HOSTNAME_CHARACTERS_MAX)
        self._fixed = f"{host} {header_field(app_name, APP_NAME_CHARACTERS_MAX)} -"
        self._journal_id = journal_id
        self._sd_id = f"standpipe@{enterprise_number}" if enterprise_number else ""

    def of(self, record: Record, after: int) -> bytes:
        """Return a record's header, with the space behind it."""
        severity, time, kind = _facts(record)
        msgid = header_field(kind, MSGID_CHARACTERS_MAX)
        data = self._structured_data(record, after)
        return f"<{self._priority + severity}>1 {timestamp(time)} {self._fixed} {msgid} {data} ".encode("ascii")

    def _structured_data(self, record: Record, after: int) -> str:
        if not self._sd_id:
            return NIL
        # A journal's id is a UUID: nothing in it that section 6.3.3 wants escaped.
        return (
            f'[{self._sd_id} id="{entry_id(record, self._journal_id)}" offset="{record.offset}"'
            f' length="{record.length}" after="{after}"]'
        )
