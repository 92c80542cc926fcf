"""What was seen of the inputs, and what all copies together prove. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from standpipe.evidence.checks import ALL_CHECKS
from standpipe.evidence.copy_order import Order
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.records.raw_values import raw_fields

if TYPE_CHECKING:
    from standpipe.evidence.copies_check import CopiesFindings
    from standpipe.evidence.pairing import PairingFindings

EXAMPLES_MAX = 20  # of odd lines of one input
CLEAR_EXAMPLES_MAX = 1000  # of records with values in clear text


@dataclass(slots=True)
class OddLine:
    """A line that begins like one of ours and is none."""

    what: str
    line: int
    offset: int | None
    detail: str


@dataclass(slots=True)
class InputFacts:
    """One input. Counts are of lines, or of objects where it is one JSON text; `forms`: what stood around records."""

    name: str
    lines: int = 0
    records: int = 0
    seals: int = 0
    raw: int = 0
    other: int = 0
    odd: dict[str, int] = field(default_factory=dict)
    odd_examples: list[OddLine] = field(default_factory=list)
    forms: dict[str, int] = field(default_factory=dict)
    compression: str = ""
    order: Order = field(default_factory=Order)
    error: str = ""

    def note_odd(self, odd: OddLine) -> None:
        """Count an odd line; keep the first ones."""
        self.odd[odd.what] = self.odd.get(odd.what, 0) + 1
        if len(self.odd_examples) < EXAMPLES_MAX:
            self.odd_examples.append(odd)


@dataclass(frozen=True, slots=True)
class ClearRecord:
    """A record with values in clear text: where it is, and the dotted names of the members, never the values."""

    journal: str
    start: int
    end: int
    fields: tuple[str, ...]


@dataclass(slots=True)
class ClearText:
    """Records with values in clear text: how many, and the first ones. Of raw copies no address is known."""

    records: int = 0
    examples: list[ClearRecord] = field(default_factory=list)

    def look(self, body: bytes, journal: str = "", start: int = 0, end: int = 0) -> None:
        """Look at a record; journal: "" where it is a raw copy."""
        names = raw_fields(body)
        if not names:
            return
        self.records += 1
        if journal and len(self.examples) < CLEAR_EXAMPLES_MAX:
            self.examples.append(ClearRecord(journal, start, end, names))


@dataclass(slots=True)
class CopiesResult:
    """All of it. pairing: None where it was not asked for."""

    inputs: list[InputFacts]
    journals: list[CopiesFindings]
    pairing: PairingFindings | None = None
    require_pairs: bool = False
    silent: list[str] = field(default_factory=list)
    """Journals of which seals were given, and no record is here."""
    spilled: bool = False
    checks: frozenset[str] = ALL_CHECKS
    clear: ClearText | None = None
    """None where records were not looked at."""
    raw: int = 0
    """Records without an envelope."""
    raw_unproven: int = 0
    """How many of them are in no sealed segment that was found."""
    raw_repeated: int = 0

    @property
    def unreadable(self) -> list[str]:
        """Return which inputs could not be read to their end, and why."""
        return [f"{facts.name}: {facts.error}" for facts in self.inputs if facts.error]

    @property
    def verdict(self) -> str:
        """Return the worst: proven faults outweigh what could not be told."""
        verdicts = {findings.verdict for findings in self.journals}
        unpaired = self.pairing.unexplained if self.pairing is not None and self.require_pairs else 0
        if (
            INCOMPLETE in verdicts
            or unpaired
            or self.silent
            or any("envelope-wrong" in facts.odd for facts in self.inputs)
        ):
            return INCOMPLETE
        if self.unreadable or UNKNOWN in verdicts or not self.journals:
            return UNKNOWN
        return COMPLETE
