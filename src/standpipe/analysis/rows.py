"""One record's bytes into one flat row: the one place that names the columns of `records`, and their types. Pure.

Entries differ between versions: every member is ``omitempty`` in Vault and OpenBao, old versions wrote null and "",
Enterprise's ``exclude`` can remove any member, and ``elide_list_responses`` puts a number where a list's keys were
(OpenBao internal/audit/format.go, Vault audit/types.go). What is absent, null, empty or of another type than
expected is NULL in its column; the other columns stand. Nothing here raises, whatever the bytes.

Values of request and response data are not taken, only the names of their keys: they are HMACs or, where a mount
exempts a key from hashing, perhaps secrets.
"""

from itertools import islice

import msgspec

from standpipe.analysis.entry import (
    UNREADABLE,
    Auth,
    Entry,
    Namespace,
    PolicyResults,
    Request,
    Response,
    Secret,
    WrapInfo,
    read_entry,
)
from standpipe.records.framing import Record

TEXT, TEXTS, WHOLE, TRUTH = "VARCHAR", "VARCHAR[]", "BIGINT", "BOOLEAN"

PLACE_COLUMNS = (("node", TEXT), ("journal", TEXT))
"""Where the record comes from: the same for a whole stretch of a journal, so the caller adds them."""

ROW_COLUMNS: tuple[tuple[str, str], ...] = (
    ("offset", WHOLE),
    ("length", WHOLE),
    ("torn", TRUTH),
    ("time_text", TEXT),
    ("type", TEXT),
    ("error", TEXT),
    ("request_id", TEXT),
    ("operation", TEXT),
    ("path", TEXT),
    ("namespace_id", TEXT),
    ("namespace_path", TEXT),
    ("mount_point", TEXT),
    ("mount_type", TEXT),
    ("mount_class", TEXT),
    ("mount_accessor", TEXT),
    ("client_id", TEXT),
    ("client_token", TEXT),
    ("client_token_accessor", TEXT),
    ("display_name", TEXT),
    ("entity_id", TEXT),
    ("policies", TEXTS),
    ("token_type", TEXT),
    ("token_issue_time", TEXT),
    ("token_ttl", WHOLE),
    ("remote_address", TEXT),
    ("remote_port", "INTEGER"),
    ("wrap_ttl", WHOLE),
    ("policy_allowed", TRUTH),
    ("auth_accessor", TEXT),
    ("forwarded_from", TEXT),
    ("response_auth_accessor", TEXT),
    ("response_auth_display_name", TEXT),
    ("response_auth_entity_id", TEXT),
    ("response_auth_policies", TEXTS),
    ("response_auth_token_type", TEXT),
    ("response_auth_token_ttl", WHOLE),
    ("entity_created", TRUTH),
    ("response_lease_id", TEXT),
    ("response_keys", WHOLE),
    ("wrap_creation_path", TEXT),
    ("request_data_keys", TEXTS),
    ("response_data_keys", TEXTS),
)
"""The columns that a Row has, in its order. Strings are as Vault wrote them; ttl columns are seconds."""

TIME_COLUMN = ("time", "TIMESTAMP")
"""Made of time_text by the database: UTC, cut to the microsecond; NULL where time_text is none."""

COLUMNS = (*PLACE_COLUMNS, *ROW_COLUMNS[:3], TIME_COLUMN, *ROW_COLUMNS[3:])
"""All columns of `records`, in order."""

WHOLE_MAX = 2**63 - 1  # of a BIGINT
PORT_MAX = 2**31 - 1  # of an INTEGER
DATA_KEYS_MAX = 1000  # names of one record's data that are taken; more are not looked at by people
TEXT_CHARACTERS_MAX = 64 << 10  # of one column, in a row that is too large for the database (cut_row)


class Row(msgspec.Struct, omit_defaults=True, gc=False):
    """One row of `records`, without node, journal and time; the members are ROW_COLUMNS, in order."""

    offset: int
    length: int
    torn: bool
    time_text: str | None = None
    type: str | None = None
    error: str | None = None
    request_id: str | None = None
    operation: str | None = None
    path: str | None = None
    namespace_id: str | None = None
    namespace_path: str | None = None
    mount_point: str | None = None
    mount_type: str | None = None
    mount_class: str | None = None
    mount_accessor: str | None = None
    client_id: str | None = None
    client_token: str | None = None
    client_token_accessor: str | None = None
    display_name: str | None = None
    entity_id: str | None = None
    policies: list[str] | None = None
    token_type: str | None = None
    token_issue_time: str | None = None
    token_ttl: int | None = None
    remote_address: str | None = None
    remote_port: int | None = None
    wrap_ttl: int | None = None
    policy_allowed: bool | None = None
    auth_accessor: str | None = None
    forwarded_from: str | None = None
    response_auth_accessor: str | None = None
    response_auth_display_name: str | None = None
    response_auth_entity_id: str | None = None
    response_auth_policies: list[str] | None = None
    response_auth_token_type: str | None = None
    response_auth_token_ttl: int | None = None
    entity_created: bool | None = None
    response_lease_id: str | None = None
    response_keys: int | None = None
    wrap_creation_path: str | None = None
    request_data_keys: list[str] | None = None
    response_data_keys: list[str] | None = None


_NO_AUTH = Auth()
_NO_REQUEST = Request()
_NO_RESPONSE = Response()
_NO_NAMESPACE = Namespace()
_NO_POLICY_RESULTS = PolicyResults()
_NO_SECRET = Secret()
_NO_WRAP_INFO = WrapInfo()

_decode_keys = msgspec.json.Decoder(list[msgspec.Raw] | int).decode


def row_of(record: Record) -> Row:
    """Return a record's row. A torn one has its place and length, and nothing else. Raises nothing."""
    if record.torn:
        return Row(record.offset, record.length, torn=True)
    return parse_row(record.body, record.offset, record.length)


def parse_row(body: bytes, offset: int, length: int) -> Row:
    """Return the row of a record's JSON object; where body is none, a torn one. Raises nothing."""
    entry = read_entry(body)
    return Row(offset, length, torn=True) if entry is None else _row(entry, offset, length)


def cut_row(row: Row) -> Row:
    """Return a huge row with its long texts cut to TEXT_CHARACTERS_MAX, and without its lists of names."""
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, str):
            setattr(row, name, value[:TEXT_CHARACTERS_MAX])
        elif isinstance(value, list):
            setattr(row, name, None)
    return row


def _row(entry: Entry, offset: int, length: int) -> Row:
    auth = entry.auth or _NO_AUTH
    request = entry.request or _NO_REQUEST
    namespace = request.namespace or _NO_NAMESPACE
    row = Row(  # in order: by keyword takes half as long again, and every record comes through here
        offset,
        length,
        False,  # noqa: FBT003
        entry.time or None,
        entry.type or None,
        entry.error or None,
        request.id or None,
        request.operation or None,
        request.path or None,
        namespace.id or None,
        namespace.path or None,
        request.mount_point or None,
        request.mount_type or None,
        request.mount_class or None,
        request.mount_accessor or None,
        request.client_id or None,
        request.client_token or auth.client_token or None,
        request.client_token_accessor or None,
        auth.display_name or None,
        auth.entity_id or None,
        auth.policies,
        auth.token_type or None,
        auth.token_issue_time or None,
        _within(auth.token_ttl, WHOLE_MAX),
        request.remote_address or None,
        _within(request.remote_port, PORT_MAX),
        _within(request.wrap_ttl, WHOLE_MAX),
        (auth.policy_results or _NO_POLICY_RESULTS).allowed,
        auth.accessor or None,
        entry.forwarded_from or None,
    )
    if request.data is not None:
        row.request_data_keys = _names(request.data)
    row.entity_created = auth.entity_created  # a login's response has it here, in Vault and in OpenBao
    if entry.response is not None:
        _add_response(row, entry.response)
    return row


def _add_response(row: Row, response: Response) -> None:
    """Fill in what only a response has; some versions name the mount only here."""
    row.mount_point = row.mount_point or response.mount_point or None
    row.mount_type = row.mount_type or response.mount_type or None
    row.mount_class = row.mount_class or response.mount_class or None
    row.mount_accessor = row.mount_accessor or response.mount_accessor or None
    auth = response.auth
    if auth is not None:
        row.response_auth_accessor = auth.accessor or None
        row.response_auth_display_name = auth.display_name or None
        row.response_auth_entity_id = auth.entity_id or None
        row.response_auth_policies = auth.policies
        row.response_auth_token_type = auth.token_type or None
        row.response_auth_token_ttl = _within(auth.token_ttl, WHOLE_MAX)
        row.entity_created = row.entity_created or auth.entity_created
    row.response_lease_id = (response.secret or _NO_SECRET).lease_id or None
    row.wrap_creation_path = (response.wrap_info or _NO_WRAP_INFO).creation_path or None
    if response.data is not None:
        row.response_data_keys = _names(response.data)
        row.response_keys = _count_of(response.data.get("keys"))


def _names(data: dict[str, msgspec.Raw]) -> list[str]:
    return list(data) if len(data) <= DATA_KEYS_MAX else list(islice(data, DATA_KEYS_MAX))


def _count_of(keys: msgspec.Raw | None) -> int | None:
    """Return how many keys a LIST gave: the length of the list, or the number that stands in its place."""
    if not keys:
        return None
    try:
        found = _decode_keys(keys)
    except UNREADABLE:
        return None
    return _within(found, WHOLE_MAX) if isinstance(found, int) else len(found)


def _within(number: int | None, largest: int) -> int | None:
    return number if number is not None and -largest <= number <= largest else None
