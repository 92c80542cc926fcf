"""What the report asks: one SQL query for each figure, over the tables and views of analysis.rows. Pure.

The page prints each query as it was asked, with the command that asks it again; so every query stands for itself. What
"denied" or "root" means is decided by the view `requests`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.analysis.report_time import width_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

TOP_ROWS = 15  # of a ranking: what fits beside the next table on a page
LIST_ROWS = 50  # of a list of single events; the newest
BUCKETS_A_DECADE = 10  # of the latency histogram: each 26 % wider than the one before
SHORTEST_MS = 0.01  # a time in a record has nanoseconds, but two records of one request are no nearer than this


@dataclass(frozen=True, slots=True)
class Question:
    """A figure's name (an anchor of the page), its title, and the query that computes it."""

    name: str
    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the query returned."""

    question: Question
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class GapPlace:
    """A gap of a journal, by its addresses; they may lie on no record."""

    journal: str
    kind: str
    start: int
    end: int


REQUESTS_ONCE = """\
CREATE TEMP TABLE requests AS
SELECT time, response_time, duration_ms, operation, path, mount_point, namespace_path, client_id, display_name,
       remote_address, error, outcome, is_root
FROM requests"""
"""Puts the halves of all requests together once, instead of for each question.

A temporary table comes before a view of the same name, so the questions are those that `standpipe query` asks the view.
"""

OVERVIEW = Question(
    "overview",
    "The numbers at the top",
    """\
SELECT count(*) AS requests,
       count_if(outcome = 'denied') AS denied,
       count_if(outcome = 'error') AS errors,
       count_if(outcome = 'no-response') AS no_response,
       count_if(outcome = 'response-only') AS response_only,
       count_if(is_root) AS root,
       count(DISTINCT client_id) AS clients,
       count(DISTINCT remote_address) AS addresses,
       min(time) AS first_time,
       max(coalesce(response_time, time)) AS last_time
FROM requests""",
)

RECORDS = Question(
    "records",
    "Records of each node",
    """\
SELECT node, journal, count(*) AS records, sum("length") AS bytes, count_if(torn) AS torn,
       min(time) AS first_time, max(time) AS last_time
FROM records
GROUP BY node, journal
ORDER BY node, first_time, journal""",
)

SEALS = Question(
    "seals",
    "Sealed stretches of each node",
    """\
SELECT node, journal, base, "end", records, first_time, last_time, sealed_at, signed
FROM seals
ORDER BY node, journal, base, "end\"""",
)

LATENCY = Question(
    "latency",
    "Distribution of latency",
    f"""\
SELECT CAST(floor({BUCKETS_A_DECADE} * log10(greatest(duration_ms, {SHORTEST_MS}))) AS INTEGER) AS bucket,
       count(*) AS requests
FROM requests
WHERE duration_ms IS NOT NULL
GROUP BY bucket
ORDER BY bucket""",
)

_QUANTILES = """\
round(quantile_cont(duration_ms, 0.5), 3) AS p50_ms,
       round(quantile_cont(duration_ms, 0.9), 3) AS p90_ms,
       round(quantile_cont(duration_ms, 0.99), 3) AS p99_ms,
       round(quantile_cont(duration_ms, 0.999), 3) AS p999_ms,
       round(max(duration_ms), 3) AS max_ms"""

LATENCY_BY_MOUNT = Question(
    "latency-by-mount",
    "Latency of each mount",
    f"""\
SELECT CASE WHEN grouping(mount_point) = 1 THEN 'all mounts' ELSE coalesce(mount_point, 'no mount') END AS mount,
       count(*) AS requests,
       {_QUANTILES}
FROM requests
WHERE duration_ms IS NOT NULL
GROUP BY GROUPING SETS ((), (mount_point))
ORDER BY grouping(mount_point) DESC, requests DESC, mount
LIMIT {TOP_ROWS + 1}""",
)

ERRORS = Question(
    "errors",
    "Errors",
    rf"""
SELECT trim(regexp_replace(coalesce(error, 'no text'), '\s+', ' ', 'g')) AS error,
       count(*) AS requests, count(DISTINCT path) AS paths, min(path) AS a_path,
       min(time) AS first_time, max(time) AS last_time
FROM requests
WHERE outcome = 'error'
GROUP BY ALL
ORDER BY requests DESC, error
LIMIT {TOP_ROWS}""".removeprefix("\n"),
)

DENIED = Question(
    "denied",
    "Denied requests",
    f"""\
SELECT coalesce(nullif(display_name, ''), 'unknown token') AS client, remote_address AS address, operation,
       coalesce(namespace_path, '') || path AS path,
       count(*) AS requests, min(time) AS first_time, max(time) AS last_time
FROM requests
WHERE outcome = 'denied'
GROUP BY ALL
ORDER BY requests DESC, client, address, path, operation
LIMIT {TOP_ROWS}""",
)

TOP_PATHS = Question(
    "top-paths",
    "Busiest paths",
    f"""\
SELECT coalesce(namespace_path, '') || coalesce(path, '') AS path, count(*) AS requests,
       count_if(outcome <> 'ok') AS not_ok, round(median(duration_ms), 3) AS p50_ms
FROM requests
GROUP BY ALL
ORDER BY requests DESC, path
LIMIT {TOP_ROWS}""",
)

TOP_CLIENTS = Question(
    "top-clients",
    "Busiest clients",
    f"""\
SELECT coalesce(nullif(display_name, ''), 'no token') AS client, client_id, count(*) AS requests,
       count_if(outcome <> 'ok') AS not_ok, count(DISTINCT remote_address) AS addresses
FROM requests
GROUP BY ALL
ORDER BY requests DESC, client, client_id
LIMIT {TOP_ROWS}""",
)

TOP_ADDRESSES = Question(
    "top-addresses",
    "Busiest addresses",
    f"""\
SELECT coalesce(remote_address, 'none') AS address, count(*) AS requests,
       count_if(outcome <> 'ok') AS not_ok, count(DISTINCT client_id) AS clients
FROM requests
GROUP BY ALL
ORDER BY requests DESC, address
LIMIT {TOP_ROWS}""",
)

ROOT = Question(
    "root",
    "Use of root tokens",
    f"""\
SELECT operation, coalesce(namespace_path, '') || path AS path, remote_address AS address, count(*) AS requests,
       count_if(outcome <> 'ok') AS not_ok, min(time) AS first_time, max(time) AS last_time
FROM requests
WHERE is_root
GROUP BY ALL
ORDER BY last_time DESC, path, operation, address
LIMIT {LIST_ROWS}""",
)


def _changes(name: str, title: str, pattern: str) -> Question:
    return Question(
        name,
        title,
        f"""\
SELECT time, coalesce(nullif(display_name, ''), 'unknown token') AS client, remote_address AS address, operation,
       coalesce(namespace_path, '') || path AS path, outcome, count(*) OVER () AS changes
FROM requests
WHERE operation IN ('create', 'update', 'patch', 'delete')
  AND regexp_matches(path, '{pattern}')
ORDER BY time DESC, path
LIMIT {LIST_ROWS}""",
    )


AUDIT_CHANGES = _changes("audit-changes", "Changes to audit devices", "^sys/(audit/|config/auditing/)")
ACCESS_CHANGES = _changes(
    "access-changes",
    "Changes to policies, authentication and mounts",
    "^sys/(policy/|policies/|auth/|mounts/|remount|namespaces/|generate-root|rekey|rotate)",
)

INCIDENT_KINDS = Question(
    "incident-kinds",
    "Incidents",
    """\
SELECT kind, count(*) AS incidents, min(time) AS first_time, max(time) AS last_time
FROM incidents
GROUP BY kind
ORDER BY incidents DESC, kind""",
)

INCIDENTS = Question(
    "incidents",
    "Newest incidents",
    f"""\
SELECT time, node, kind, "offset", "length", detail
FROM incidents
ORDER BY time DESC, node, kind, "offset"
LIMIT {LIST_ROWS}""",
)

FIXED = (
    OVERVIEW,
    RECORDS,
    SEALS,
    LATENCY,
    LATENCY_BY_MOUNT,
    ERRORS,
    DENIED,
    TOP_PATHS,
    TOP_CLIENTS,
    TOP_ADDRESSES,
    ROOT,
    AUDIT_CHANGES,
    ACCESS_CHANGES,
    INCIDENT_KINDS,
    INCIDENTS,
)
"""The questions that need no other one's answer, in the order of the page."""


def traffic(width: timedelta) -> Question:
    """Ask for the requests of each bin of time, by outcome."""
    return Question(
        "traffic",
        "Traffic over time",
        f"""\
SELECT time_bucket(INTERVAL '{width_text(width)}', time) AS bin, outcome, count(*) AS requests
FROM requests
WHERE time IS NOT NULL
GROUP BY ALL
ORDER BY bin, outcome""",
    )


def gap_times(gaps: Iterable[GapPlace]) -> Question:
    """Ask when the records on both sides of each gap were written. There must be one gap at least."""
    values = ",\n           ".join(
        f"({sql_text(gap.journal)}, {sql_text(gap.kind)}, {gap.start}, {gap.end})" for gap in gaps
    )
    return Question(
        "gap-times",
        "Gaps on the time line",
        f"""\
WITH gaps (journal, kind, gap_start, gap_end) AS (
    VALUES {values}
), timed AS (
    SELECT journal, "offset", time FROM records WHERE time IS NOT NULL
)
SELECT gaps.journal, gaps.kind, gaps.gap_start, gaps.gap_end, before.time AS time_before, after.time AS time_after
FROM gaps
ASOF LEFT JOIN timed AS before ON before.journal = gaps.journal AND before."offset" < gaps.gap_start
ASOF LEFT JOIN timed AS after ON after.journal = gaps.journal AND after."offset" >= gaps.gap_end
ORDER BY gaps.journal, gaps.gap_start, gaps.gap_end, gaps.kind""",
    )


def sql_text(text: str) -> str:
    """Return a literal of SQL on one line; characters that cannot be printed, which no name has, are left out."""
    printable = "".join(c for c in text if c.isprintable())
    return "'" + printable.replace("'", "''") + "'"
