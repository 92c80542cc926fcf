"""The views that people ask: SQL text, made from the names of the tables below them. Pure.

`requests` is made in two steps, so that ten million records need neither much memory nor long. First halves are
grouped, by numbers only: times, and which record speaks for the request. Then that record is read again for its texts.
To group the texts themselves took three times as long, and more memory than most machines would give.
"""

from __future__ import annotations

from standpipe.analysis.rows import COLUMNS

RECORDS_TABLE = "loaded_records"  # what was read from journals
NUMBERED = "numbered_records"  # that and Parquet files, with ROW_NUMBER; `records` is it without
ROW_NUMBER = "row_number"
FILE_ROW_BITS = 40  # of ROW_NUMBER: a row's number in its file; the file's number stands above
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


def records_statements(export: str | None) -> list[str]:
    """Return the statements that create the view `records`. export: the SELECT of Parquet files, from read_sql."""
    also = f" UNION ALL {export}" if export else ""
    return [
        f"CREATE VIEW {NUMBERED} AS SELECT {names_sql()}, rowid AS {ROW_NUMBER} FROM {RECORDS_TABLE}{also}",
        f"CREATE VIEW records AS SELECT {names_sql()} FROM {NUMBERED}",
    ]


def file_row_number() -> str:
    """Return the expression for ROW_NUMBER where Parquet files are read; a row of the table is in no file, so in 0."""
    return f"((file_index + 1) << {FILE_ROW_BITS}) + file_row_number AS {ROW_NUMBER}"


def requests_statements() -> list[str]:
    """Return the statements that create the view `requests` and its macros."""
    macros = [f"CREATE MACRO {head} AS TABLE {_requests(*terms)}" for head, terms in REQUESTS_MACROS.items()]
    return [f"CREATE VIEW requests AS {_requests('true', 'false')}", *macros, BELOW_MOUNT]


def _requests(wanted: str, unsaid: str) -> str:
    """Return the SELECT: one row for each request. Halves belong together by node and request.id, or _WITHOUT_ID.

    wanted: the condition, of one half at least; unsaid: when a half does not say.

    The response repeats all that the request said, so it speaks for both; a request without a response for itself.
    Where several devices or a stored request that Vault replayed gave the same half more than once, the first counts.
    """
    shared, response = ",\n  ".join(_SHARED), ",\n  ".join(_RESPONSE_ONLY)
    return f"""SELECT
  node,
  journal,
  first_offset AS "offset",
  request_id,
  coalesce(asked, answered) AS time,
  answered AS response_time,
  (epoch_us(answered) - epoch_us(asked)) / 1000.0 AS duration_ms,
  {shared},
  coalesce(auth_accessor, client_token_accessor) AS accessor,
  first_error AS error,
  CASE
    WHEN denied THEN 'denied'
    WHEN first_error IS NOT NULL OR coalesce(response_data_keys = ['error'], false) THEN 'error'
    WHEN NOT has_response THEN 'no-response'
    WHEN NOT has_request THEN 'response-only'
    ELSE 'ok'
  END AS outcome,
  coalesce(list_contains(policies, 'root'), false) AS is_root,
  {response}
FROM {NUMBERED} JOIN (
  SELECT
    arg_min({ROW_NUMBER}, "offset" + CASE WHEN is_request THEN {_AFTER_ALL_RESPONSES} ELSE 0 END) AS {ROW_NUMBER},
    min("offset") AS first_offset,
    min(time) FILTER (is_request) AS asked,
    min(time) FILTER (NOT is_request) AS answered,
    bool_or(is_request) AS has_request,
    bool_or(NOT is_request) AS has_response,
    bool_or(contains(error, 'permission denied')) AS denied,
    arg_min(error, "offset") AS first_error
  FROM (
    {_halves("md5_number(request_id)", "request_id IS NOT NULL", wanted, unsaid)}
    UNION ALL
    {_halves(f"md5_number({_WITHOUT_ID})", "request_id IS NULL", wanted, unsaid)}
  )
  GROUP BY node, half_id
  HAVING bool_or(is_wanted)
) USING ({ROW_NUMBER})
WHERE {wanted} OR {unsaid}"""


_AFTER_ALL_RESPONSES = 1 << 62  # no journal is as long

_WITHOUT_ID = f"""concat_ws(chr(10), journal, namespace_path, operation, path, count_if({IS_REQUEST}) OVER (
      PARTITION BY node, journal, namespace_path, operation, path ORDER BY "offset"))"""
"""What holds the halves of a request without an id together: its response is the next of that operation and path."""


def _halves(half_id: str, condition: str, wanted: str, unsaid: str) -> str:
    """Return the SELECT of halves. half_id: of 16 bytes, that takes a third of the memory of the id as text."""
    return f"""SELECT node, "offset", time, error, {ROW_NUMBER}, {half_id} AS half_id, {IS_REQUEST} AS is_request,
      {wanted} AS is_wanted
    FROM {NUMBERED}
    WHERE ({IS_REQUEST} OR {IS_RESPONSE}) AND {condition} AND ({wanted} OR {unsaid})"""
