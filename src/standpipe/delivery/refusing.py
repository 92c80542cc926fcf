"""Which records a sink gets, where those with values in clear text are refused (``refuse_raw``).

What is refused is passed over, as what ``select`` leaves out is: it stays in the journal, and counts as filtered. Each
stretch of refused records is told once, by an incident and in the log. A torn record is refused as well: the name that
would tell of a secret may be in the part that is missing. Seals pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.journal import kinds
from standpipe.records.raw_values import raw_fields
from standpipe.records.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.config_sinks import SinkConfig
    from standpipe.delivery.ledger import Ledger
    from standpipe.observe.log import Log
    from standpipe.records.framing import Record

CLEAN_RECORDS = 1000  # so many in a row end a stretch: some records of a device with log_raw have no token either
REFUSE_RAW = "refuse_raw"  # the sink's option


class Refusing:
    """A Selection that refuses; tell: is told of the first refused record of a stretch, and its members' names."""

    def __init__(self, selection: Selection | None, tell: Callable[[Record, tuple[str, ...]], None]) -> None:
        self._selection = selection
        self._tell = tell
        self._clean = CLEAN_RECORDS

    def wants(self, record: Record) -> bool:
        """Tell whether a record passes."""
        if self._selection is not None and not self._selection.wants(record):
            return False
        if record.is_seal:
            return True
        names = raw_fields(record.body)
        if not names and not record.torn:
            self._clean += 1
            return True
        if names:
            if self._clean >= CLEAN_RECORDS:
                self._tell(record, names)
            self._clean = 0
        return False


def selection_of(
    config: SinkConfig, tell: Callable[[Record, tuple[str, ...]], None] = lambda _record, _names: None
) -> Selection | Refusing | None:
    """Return what a sink's config asks for; None: all records."""
    selection = None if config.select is None else Selection(config.select)
    return Refusing(selection, tell) if config.options.get(REFUSE_RAW) is True else selection


def teller(sink: str, ledger: Ledger, log: Log) -> Callable[[Record, tuple[str, ...]], None]:
    """Return what tells of a stretch that one sink refuses."""

    def tell(record: Record, names: tuple[str, ...]) -> None:
        ledger.add(kinds.RAW_VALUES, record.offset, record.length, {"sink": sink, "members": list(names)})
        log.error(
            "records with values in clear text are withheld from this sink",
            sink=sink,
            offset=record.offset,
            members=", ".join(names),
        )

    return tell
