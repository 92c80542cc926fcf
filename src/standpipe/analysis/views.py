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


def requests_sql() -> str:
    """Return the view `requests`: one row for each request.id of a node, and one for each half without an id.

    The first half of each kind counts, where several devices or a repeated id brought more (Vault replays a stored
    request with its id). What both halves say is taken from the request's.
    """
    shared = ",\n    ".join(f"coalesce(q.{name}, r.{name}) AS {name}" for name in _SHARED)
    response = ",\n    ".join(f"r.{name}" for name in _RESPONSE_ONLY)
    return f"""CREATE VIEW requests AS
WITH halves AS (
  SELECT *, coalesce(request_id, journal || '-' || "offset") AS half_id FROM records WHERE NOT torn
), q AS (
  SELECT * FROM halves WHERE {IS_REQUEST}
  QUALIFY row_number() OVER (PARTITION BY node, half_id ORDER BY journal, "offset") = 1
), r AS (
  SELECT * FROM halves WHERE {IS_RESPONSE}
  QUALIFY row_number() OVER (PARTITION BY node, half_id ORDER BY journal, "offset") = 1
)
SELECT
    coalesce(q.node, r.node) AS node,
    coalesce(q.journal, r.journal) AS journal,
    coalesce(q."offset", r."offset") AS "offset",
    coalesce(q.request_id, r.request_id) AS request_id,
    coalesce(q.time, r.time) AS time,
    r.time AS response_time,
    (epoch_us(r.time) - epoch_us(q.time)) / 1000.0 AS duration_ms,
    {shared},
    coalesce(q.auth_accessor, q.client_token_accessor, r.auth_accessor, r.client_token_accessor) AS accessor,
    coalesce(q.remote_address, r.remote_address) AS remote_address,
    coalesce(r.error, q.error) AS error,
    CASE
      WHEN contains(coalesce(r.error, q.error), 'permission denied') THEN 'denied'
      WHEN coalesce(r.error, q.error) IS NOT NULL THEN 'error'
      WHEN r."offset" IS NULL THEN 'no-response'
      WHEN q."offset" IS NULL THEN 'response-only'
      ELSE 'ok'
    END AS outcome,
    coalesce(list_contains(coalesce(q.policies, r.policies), 'root'), false) AS is_root,
    coalesce(q.forwarded_from, r.forwarded_from) AS forwarded_from,
    coalesce(q.wrap_ttl, r.wrap_ttl) AS wrap_ttl,
    coalesce(q.request_data_keys, r.request_data_keys) AS request_data_keys,
    {response}
FROM q FULL OUTER JOIN r ON q.node = r.node AND q.half_id = r.half_id"""
