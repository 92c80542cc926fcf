"""The report's parts that speak of evidence: verdict, sources, gaps, and what the proof cannot see. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.analysis.report_evidence import UNPROVEN, count_in
from standpipe.analysis.report_html import Column, cut, table, visible
from standpipe.analysis.report_time import time_text
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.wording import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.analysis.report_evidence import SourceEvidence, TimedGap

WORDS = {
    COMPLETE: ("✓", "Complete", "Every byte that was captured is there, as it was captured."),
    INCOMPLETE: ("✕", "Incomplete", "Something is missing or altered. What and where is told below."),
    UNKNOWN: ("?", "Unknown", "Whether anything is missing could not be told."),
    UNPROVEN: ("?", "Not proven", "A source holds no seals, so nothing can be told of what is missing from it."),
}
LOST_WORDS = {"yes": "lost", "no": "nothing lost", "maybe": "perhaps lost"}
CARD_LINES_MAX = 12  # what is wrong stands first; a card that fills the page is read by nobody
LINES_MAX = 20  # of what verify says of one source; the command at the page's end says all
NOT_IN_THE_CARD = ("unpaired:", "explained:", "notice:", "  ")
"""How the lines begin that are about single records, or no fault: they stand in the evidence below."""

_SOURCE_COLUMNS = (
    Column("location", "source", "long"),
    Column("verdict", "verdict"),
    Column("records", "records", "number"),
    Column("seals", "seals", "number"),
    Column("signed", "signed", "number"),
    Column("damaged", "damaged", "number"),
    Column("holes", "holes", "number"),
    Column("gaps", "recorded gaps", "number"),
    Column("requests", "requests unpaired", "number"),
    Column("responses", "responses unpaired", "number"),
)
_FACT_PATHS = (
    ("records",),
    ("chain", "seals"),
    ("chain", "signed"),
    ("damaged",),
    ("holes",),
    ("recorded_gaps",),
    ("unpaired", "requests"),
    ("unpaired", "responses"),
)
_GAP_COLUMNS = (
    Column("node", "node or source", "name"),
    Column("kind", "kind", "code"),
    Column("start", "from offset", "number"),
    Column("end", "to offset", "number"),
    Column("lost", "bytes"),
    Column("before", "last record before", "time"),
    Column("after", "first record after", "time"),
    Column("detail", "detail", "name"),
)


def verdict_card(verdict: str, sources: Sequence[SourceEvidence]) -> str:
    """Return the first thing that a reader sees: the verdict, and what verify said of each source."""
    sign, word, meaning = WORDS[verdict]
    several = len(sources) > 1
    told = "\n".join(
        f"<li>{f'<code>{visible(source.location)}</code>: ' if several else ''}{cut(line)}</li>"
        for source in sources
        for line in (source.lines[:1] if several else _card_lines(source))
    )
    return f"""\
<section class="verdict verdict-{verdict}" id="verdict">
<p class="sign" aria-hidden="true">{sign}</p>
<div>
<p class="word">{word}</p>
<p>{meaning}</p>
<ul>
{told}
</ul>
</div>
</section>"""


def _card_lines(source: SourceEvidence) -> list[str]:
    lines = [line for line in source.lines if not line.startswith(NOT_IN_THE_CARD)][:CARD_LINES_MAX]
    requests, responses = (count_in(source.facts, "unpaired", key) or 0 for key in ("requests", "responses"))
    if requests or responses:
        lines.append(
            f"not explained: {count_text(requests, 'request')} without a response, "
            f"{count_text(responses, 'response')} without a request"
        )
    return lines


def source_table(sources: Sequence[SourceEvidence]) -> str:
    """Return a row of numbers for each source, and what was said of it in words."""
    rows = [
        (source.location, WORDS[source.verdict][1], *(count_in(source.facts, *path) for path in _FACT_PATHS))
        for source in sources
    ]
    names = [column.name for column in _SOURCE_COLUMNS]
    numbers = table(_SOURCE_COLUMNS, names, rows, "What verifying each source said")
    words = "\n".join(_words(source) for source in sources if len(source.lines) > 1)
    return f'<div class="figure">\n<h3>Sources, verified</h3>\n{numbers}\n{words}</div>'


def _words(source: SourceEvidence) -> str:
    lines = "\n".join(f"<li>{cut(line.strip())}</li>" for line in source.lines[:LINES_MAX])
    left_out = len(source.lines) - LINES_MAX
    lines += f"\n<li>… and {count_text(left_out, 'more line')}</li>" if left_out > 0 else ""
    return f'<p class="note"><code>{visible(source.location)}</code></p>\n<ul class="note">\n{lines}\n</ul>\n'


def gap_table(gaps: Sequence[TimedGap], left_out: int, link: str) -> str:
    """Return where and when something is missing. ``link``: to the query of the times."""
    if not gaps:
        return '<div class="figure">\n<h3>Gaps</h3>\n<p class="nothing">No gap is known.</p>\n</div>'
    rows = [
        (
            timed.gap.node or timed.gap.location,
            timed.gap.kind,
            timed.gap.start,
            timed.gap.end,
            LOST_WORDS.get(timed.gap.lost, timed.gap.lost),
            time_text(timed.before),
            time_text(timed.after),
            timed.gap.detail,
        )
        for timed in gaps
    ]
    names = [column.name for column in _GAP_COLUMNS]
    more = f"<p>{left_out:,} further gaps are not shown; verify lists them all.</p>\n" if left_out else ""
    body = table(_GAP_COLUMNS, names, rows, "Gaps")
    return f'<div class="figure">\n<h3 id="f-gap-times">Gaps{link}</h3>\n{body}\n{more}</div>'


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return the colours of a chart: (variable of the CSS, meaning)."""
    items = "".join(f'<li><span style="background:var(--{name})"></span>{word}</li>' for name, word in entries)
    return f'<ul class="legend">{items}</ul>'


def limits() -> str:
    """Return what a reader must know to weigh the verdict."""
    return """\
<div class="figure limits">
<h3>What this proves, and what it does not</h3>
<ul>
<li>A seal names its segment’s address range, record count and SHA-256 digest, and the seal before it. A byte that is
altered or missing inside the sealed range is found.</li>
<li>Whoever can rewrite every file of a source can rewrite unsigned seals with it. Signed seals, checked with the public
key, rule that out for everybody without the private key.</li>
<li>The verdict is on all that a source holds, not on the period alone. What was written after the newest seal is
present and not yet provable.</li>
<li>The proof begins where the audit device handed the bytes over. What the server never audited is in no record.</li>
</ul>
</div>"""
