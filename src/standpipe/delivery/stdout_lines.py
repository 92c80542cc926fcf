"""A record as stdout gets it: the line that Vault wrote, or one with an envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.records.envelope import Envelope
from standpipe.records.gcp_line import GcpLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from standpipe.records.framing import Record

RAW, JSON = "raw", "json"


def stdout_encoder(form: str, journal_id: str, labels: Mapping[str, str]) -> Callable[[Record, int], bytes]:
    """Return what renders a record, with its newline: for format raw, json or gcp."""
    if form == RAW:
        return lambda record, _after: record.body + b"\n"
    if form == JSON:
        return Envelope(journal_id, labels).line
    return GcpLine(journal_id, labels).line
