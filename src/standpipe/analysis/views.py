"""The views that people ask: SQL text, made from the names of the tables below them. Pure."""

from __future__ import annotations

from standpipe.analysis.rows import COLUMNS

RECORDS_TABLE = "loaded_records"  # what was read from journals; `records` is it, or it and Parquet files
INCIDENT_COLUMNS = (
    ("node", "VARCHAR"),
    ("journal", "VARCHAR"),
    ("time", "TIMESTAMP"),
    ("kind", "VARCHAR"),
    ("offset", "BIGINT"),
    ("length", "BIGINT"),
    ("detail", "VARCHAR"),
)
SEAL_COLUMNS = (
    ("node", "VARCHAR"),
    ("journal", "VARCHAR"),
    ("base", "BIGINT"),
    ("end", "BIGINT"),
    ("records", "BIGINT"),
    ("first_time", "TIMESTAMP"),
    ("last_time", "TIMESTAMP"),
    ("sealed_at", "TIMESTAMP"),
    ("signed", "BOOLEAN"),
)

IS_REQUEST = "(type = 'request' OR ends_with(type, '-request'))"
"""Plugins' own records have types such as ``kmip-request`` (OpenBao audit.go)."""
IS_RESPONSE = "(type = 'response' OR ends_with(type, '-response'))"

_SHARED = (
    "operation",
    "path",
    "mount_point",
    "mount_type",
    "namespace_path",
    "client_id",
    "display_name",
    "entity_id",
    "policies",
    "token_type",
    "mount_class",
    "client_token",
    "forwarded_from",
    "remote_address",
    "wrap_ttl",
    "request_data_keys",
)
_RESPONSE_ONLY = (
    "response_auth_accessor",
    "response_auth_display_name",
    "response_auth_entity_id",
    "response_auth_policies",
    "response_auth_token_type",
    "response_auth_token_ttl",
    "entity_created",
    "response_lease_id",
    "response_keys",
    "wrap_creation_path",
    "response_data_keys",
)


def table_sql(name: str, columns: tuple[tuple[str, str], ...]) -> str:
    """Return the statement that creates an empty table."""
    return f"CREATE TABLE {name} ({', '.join(f'{quoted(column)} {type_}' for column, type_ in columns)})"


def quoted(name: str) -> str:
    """Return a name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def columns_sql(columns: tuple[tuple[str, str], ...]) -> str:
    """Return columns and types as the readers of files want them: ``{'name': 'TYPE', …}``."""
    return "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns) + "}"


def names_sql(columns: tuple[tuple[str, str], ...] = COLUMNS) -> str:
    """Return the names of columns, for a SELECT."""
    return ", ".join(quoted(name) for name, _ in columns)


REQUESTS_MACROS = {
    "requests_on(pattern)": ("path GLOB pattern", "false"),
    "requests_by(who)": (
        "(display_name GLOB who OR entity_id GLOB who OR client_id GLOB who)",
        "(display_name IS NULL AND entity_id IS NULL AND client_id IS NULL)",
    ),
    "requests_with_policy(policy)": ("list_contains(policies, policy)", "coalesce(len(policies), 0) = 0"),
}
"""Table macros: the requests whose records meet a condition, many times faster than `requests` with a WHERE, because
only those are put together. Each has the condition, and when a half does not say: who logs in is in the response alone,
so such halves are taken along, and only requests of which one half meets the condition are shown."""


BELOW_MOUNT = """CREATE MACRO secret_of(mount_point, namespace_path, path) AS regexp_replace(
  path[length(mount_point) + 1
    - CASE WHEN starts_with(mount_point, namespace_path) THEN length(namespace_path) ELSE 0 END:],
  '^(data|metadata|delete|undelete|destroy|subkeys)/', '')"""
"""The secret of a KV request: its path below the mount. A mount has its namespace in front, a path has not."""


def requests_statements() -> list[str]:
    """Return the statements that create the view `requests` and its macros."""
    macros = [
        f"CREATE MACRO {head} AS TABLE {_requests(f'({wanted} OR {unsaid})')} HAVING bool_or({wanted})"
        for head, (wanted, unsaid) in REQUESTS_MACROS.items()
    ]
    return [f"CREATE VIEW requests AS {_requests('true')}", *macros, BELOW_MOUNT]


def _requests(where: str) -> str:
    """Return the SELECT: one row for each request. Halves belong together by node and request.id, or _WITHOUT_ID.

    One pass that groups, not a join: a query that asks for few columns then costs little, whatever the others are. What
    both halves say is taken from the first half that says it. Where several devices or a stored request that Vault
    replayed gave the same half more than once, the first times count.
    """
    shared = ",\n  ".join(f"{_first(name)} AS {name}" for name in _SHARED)
    response = ",\n  ".join(f"any_value({name}) AS {name}" for name in _RESPONSE_ONLY)
    return f"""SELECT
  node,
  min(journal) AS journal,
  min("offset") AS "offset",
  any_value(request_id) AS request_id,
  coalesce(min(asked), min(answered)) AS time,
  min(answered) AS response_time,
  (epoch_us(min(answered)) - epoch_us(min(asked))) / 1000.0 AS duration_ms,
  {shared},
  {_first("coalesce(auth_accessor, client_token_accessor)")} AS accessor,
  {_first("error")} AS error,
  CASE
    WHEN bool_or(contains(error, 'permission denied')) THEN 'denied'
    WHEN count(error) > 0 OR bool_or(response_data_keys = ['error']) THEN 'error'
    WHEN bool_and(is_request) THEN 'no-response'
    WHEN NOT bool_or(is_request) THEN 'response-only'
    ELSE 'ok'
  END AS outcome,
  coalesce(bool_or(list_contains(policies, 'root')), false) AS is_root,
  {response}
FROM (
  {_halves("request_id", "request_id IS NOT NULL", where)}
  UNION ALL
  {_halves(_WITHOUT_ID, "request_id IS NULL", where)}
)
GROUP BY node, half_id"""


_WITHOUT_ID = f"""concat_ws(chr(10), journal, namespace_path, operation, path, count_if({IS_REQUEST}) OVER (
    PARTITION BY node, journal, namespace_path, operation, path ORDER BY "offset"))"""
"""What holds the halves of a request without an id together: its response is the next of that operation and path."""


def _halves(half_id: str, condition: str, where: str) -> str:
    return f"""SELECT *,
    {half_id} AS half_id,
    {IS_REQUEST} AS is_request,
    CASE WHEN {IS_REQUEST} THEN time END AS asked,
    CASE WHEN {IS_RESPONSE} THEN time END AS answered
  FROM records
  WHERE ({IS_REQUEST} OR {IS_RESPONSE}) AND {condition} AND {where}"""


def _first(column: str) -> str:
    """Return what the first half that says it says; arg_min passes over NULLs."""
    return f'arg_min({column}, "offset")'
