"""The report: one HTML page without script, without any request, out of answers and evidence. Pure.

The order is a reader's: can this be trusted, what happened, who did it, what is odd, and how do I check it myself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.analysis.report_html import Column, number_text, table, visible
from standpipe.analysis.report_time import time_text
from standpipe.analysis.report_verdict import gap_table, legend, limits, source_table, verdict_card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from standpipe.analysis.report_evidence import SourceEvidence, TimedGap
    from standpipe.analysis.report_questions import Answer

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # a browser enforces "no request"
TIMELINE_LEGEND = (
    ("ok", "ok"),
    ("denied", "denied"),
    ("error", "error"),
    ("no-response", "no response"),
    ("response-only", "response only"),
    ("sealed-and-signed", "sealed and signed"),
    ("sealed", "sealed"),
    ("not-yet-sealed", "not yet sealed"),
    ("gap", "gap"),
)

_COUNT = Column("requests", "requests", "bar")
_NOT_OK = Column("not_ok", "not ok", "number")
_FIRST = Column("first_time", "first", "time")
_LAST = Column("last_time", "last", "time")
_PATH = Column("path", "path", "long")
_OPERATION = Column("operation", "operation")
_ADDRESS = Column("address", "address", "code")
_CLIENT = Column("client", "client", "name")
_CHANGES = (Column("time", "time", "time"), _CLIENT, _ADDRESS, _OPERATION, _PATH, Column("outcome", "", "outcome"))

TABLES: dict[str, tuple[Column, ...]] = {
    "records": (
        Column("node", "node"),
        Column("journal", "journal", "code"),
        Column("records", "records", "number"),
        Column("bytes", "bytes", "number"),
        Column("torn", "torn", "number"),
        _FIRST,
        _LAST,
    ),
    "latency-by-mount": (
        Column("mount", "mount", "long"),
        Column("requests", "requests", "bar"),
        *(Column(f"p{p}_ms", label, "number") for p, label in (("50", "p50"), ("90", "p90"), ("99", "p99"))),
        Column("p999_ms", "p99.9", "number"),
        Column("max_ms", "max, ms", "number"),
    ),
    "errors": (Column("error", "error", "name"), Column("a_path", "a path", "long"), _COUNT, _FIRST, _LAST),
    "denied": (_CLIENT, _ADDRESS, _OPERATION, _PATH, _COUNT, _FIRST, _LAST),
    "top-paths": (_PATH, _COUNT, _NOT_OK, Column("p50_ms", "p50, ms", "number")),
    "top-clients": (
        _CLIENT,
        Column("client_id", "client id", "long"),
        _COUNT,
        _NOT_OK,
        Column("addresses", "addresses", "number"),
    ),
    "top-addresses": (_ADDRESS, _COUNT, _NOT_OK, Column("clients", "clients", "number")),
    "root": (_OPERATION, _PATH, _ADDRESS, _COUNT, _NOT_OK, _FIRST, _LAST),
    "audit-changes": _CHANGES,
    "access-changes": _CHANGES,
    "incident-kinds": (Column("kind", "kind", "code"), Column("incidents", "incidents", "bar"), _FIRST, _LAST),
    "incidents": (
        Column("time", "time", "time"),
        Column("node", "node"),
        Column("kind", "kind", "code"),
        Column("offset", "offset", "number"),
        Column("length", "length", "number"),
        Column("detail", "detail", "long"),
    ),
}
"""How the answer to each question is shown, by the question's name."""

NOTHING = {
    "errors": "No request ended in an error other than a denial.",
    "denied": "No request was denied.",
    "root": "No root token was used.",
    "audit-changes": "No audit device was enabled, disabled or changed.",
    "access-changes": "No policy, authentication method or mount was changed.",
    "incident-kinds": "No incident was recorded.",
    "latency-by-mount": "No request with its response, so no latency.",
}
"""What an empty answer means."""


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page shows. ``answers``: by the question's name. ``query_command``: up to the SQL, for a shell."""

    title: str
    generated: datetime
    version: str
    since: datetime | None
    until: datetime | None
    verdict: str
    sources: Sequence[SourceEvidence]
    answers: Mapping[str, Answer]
    charts: Mapping[str, str]
    gaps: Sequence[TimedGap]
    gaps_left_out: int
    nodes_left_out: int
    query_command: str


def render(page: Page, style: str) -> str:
    """Return the page. ``style``: the CSS."""
    title = visible(page.title)
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{_header(page, title)}
<main>
{verdict_card(page.verdict, page.sources)}
{_tiles(page)}
{_section("Evidence", "evidence", [source_table(page.sources), _shown(page, "records"), limits()])}
{_section("Time line", "time", [_timeline(page), gap_table(page.gaps, page.gaps_left_out, _link(page, "gap-times"))])}
{_section("Latency", "speed", [_latency(page)])}
{_section("Denied and failed", "trouble", [_shown(page, "denied"), _shown(page, "errors")])}
{_section("Who, what, from where", "top", [_shown(page, n) for n in ("top-paths", "top-clients", "top-addresses")])}
{_section("Privileged", "privileged", [_shown(page, n) for n in ("root", "audit-changes", "access-changes")])}
{_section("Incidents", "abnormal", [_incidents(page)])}
{_queries(page)}
</main>
<footer>
Made by standpipe {visible(page.version)}. All times are UTC. This page holds no script and loads nothing.
</footer>
</body>
</html>
"""


def _header(page: Page, title: str) -> str:
    row = _first_row(page, "overview")
    start, end = page.since or row.get("first_time"), page.until or row.get("last_time")
    span = " to ".join(time_text(moment) if hasattr(moment, "strftime") else "–" for moment in (start, end))  # type: ignore[arg-type] # the tables' times
    places = ", ".join(visible(source.location) for source in page.sources)
    return f"""\
<header>
<h1>{title}</h1>
<dl>
<div><dt>Period</dt><dd>{span} UTC</dd></div>
<div><dt>Read from</dt><dd>{places}</dd></div>
<div><dt>Made</dt><dd>{time_text(page.generated)} UTC</dd></div>
</dl>
</header>"""


def _first_row(page: Page, name: str) -> dict[str, object]:
    answer = page.answers[name]
    return dict(zip(answer.columns, answer.rows[0], strict=True)) if answer.rows else {}


def _tiles(page: Page) -> str:
    overview = _first_row(page, "overview")
    records = page.answers["records"]
    place = records.columns.index("records")
    total = sum(count for row in records.rows if isinstance(count := row[place], int))
    kinds = page.answers["incident-kinds"]
    incidents = sum(n for row in kinds.rows if isinstance(n := row[kinds.columns.index("incidents")], int))
    tiles = [
        ("records", total, "records", "records"),
        ("requests", overview.get("requests"), "overview", ""),
        ("denied", overview.get("denied"), "denied", "denied"),
        ("errors", overview.get("errors"), "errors", "error"),
        ("without response", overview.get("no_response"), "overview", "no-response"),
        ("without request", overview.get("response_only"), "overview", "response-only"),
        ("by root tokens", overview.get("root"), "root", "root"),
        ("clients", overview.get("clients"), "overview", ""),
        ("addresses", overview.get("addresses"), "overview", ""),
        ("incidents", incidents, "incident-kinds", "error"),
    ]
    cells = "\n".join(
        f'<div class="tile{f" tell-{mark}" if mark and count else ""}"><dt>{name}{_link(page, query)}</dt>'
        f"<dd>{number_text(count)}</dd></div>"
        for name, count, query, mark in tiles
    )
    return f'<dl class="tiles">\n{cells}\n</dl>'


def _section(title: str, anchor: str, parts: Sequence[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return f'<section id="{anchor}">\n<h2>{title}</h2>\n{body}\n</section>'


def _number(page: Page, name: str) -> int:
    return list(page.answers).index(name) + 1


def _link(page: Page, name: str) -> str:
    """Return a link to the query of a figure."""
    if name not in page.answers:
        return ""
    number = _number(page, name)
    return f' <a class="query" href="#q-{name}" title="The query behind this figure">Q{number}</a>'


def _heading(page: Page, name: str) -> str:
    return f'<h3 id="f-{name}">{visible(page.answers[name].question.title)}{_link(page, name)}</h3>'


def _shown(page: Page, name: str) -> str:
    answer = page.answers[name]
    if answer.rows:
        body = table(TABLES[name], answer.columns, answer.rows, answer.question.title)
    else:
        body = f'<p class="nothing">{NOTHING.get(name, "Nothing.")}</p>'
    return f'<div class="figure">\n{_heading(page, name)}\n{_count_note(answer)}{body}\n</div>'


def _count_note(answer: Answer) -> str:
    """Say so where a list shows the newest only."""
    if "changes" not in answer.columns or not answer.rows:
        return ""
    total = answer.rows[0][answer.columns.index("changes")]
    shown = len(answer.rows)
    return f"<p>The newest {shown:,} of {number_text(total)}.</p>\n" if isinstance(total, int) and total > shown else ""


def _chart(page: Page, name: str, label: str) -> str:
    svg = page.charts.get(name, "")
    return f'<div class="chart" role="img" aria-label="{label}">\n{svg}\n</div>' if svg else ""


def _timeline(page: Page) -> str:
    if "timeline" not in page.charts:
        return '<p class="nothing">No record has a time, so there is no time line.</p>'
    more = f"<p>{page.nodes_left_out:,} further nodes have no lane here.</p>" if page.nodes_left_out else ""
    links = f'<p class="note">Bars{_link(page, "traffic")}, lanes of the nodes{_link(page, "seals")}.</p>'
    drawing = _chart(page, "timeline", "Requests over time by outcome, and when each node was sealed")
    heading = _heading(page, "traffic")
    return f'<div class="figure">\n{heading}\n{legend(TIMELINE_LEGEND)}\n{drawing}\n{links}{more}\n</div>'


def _latency(page: Page) -> str:
    drawing = _chart(page, "latency", "Histogram of the time from request to response")
    first = f'<div class="figure">\n{_heading(page, "latency")}\n{drawing}\n</div>\n' if drawing else ""
    return first + _shown(page, "latency-by-mount")


def _incidents(page: Page) -> str:
    first = _shown(page, "incident-kinds")
    return first + "\n" + _shown(page, "incidents") if page.answers["incidents"].rows else first


def _queries(page: Page) -> str:
    entries = "\n".join(_query(page, name) for name in page.answers)
    verify = "\n".join(dict.fromkeys(visible(source.command) for source in page.sources if source.command))
    proof = f"<p>The verdict and the evidence:</p>\n<pre><code>{verify}</code></pre>\n" if verify else ""
    return f"""\
<section id="queries">
<h2>Check it yourself</h2>
<p>Each figure is the answer to one query. Run these commands where the records are, and compare.</p>
{proof}{entries}
</section>"""


def _query(page: Page, name: str) -> str:
    question = page.answers[name].question
    sql = "\n".join(visible(line) for line in question.sql.split("\n"))
    command = visible(page.query_command)
    return f"""\
<div class="figure" id="q-{name}">
<h3>Q{_number(page, name)}. {visible(question.title)}</h3>
<pre><code>{command} "$(cat &lt;&lt;'SQL'
{sql}
SQL
)"</code></pre>
</div>"""
