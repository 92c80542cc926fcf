"""Records as lines for stdout, with the envelope put in front of the original object by splicing bytes.

``json``::

    {"standpipe":{"id":"…","journal":"…","offset":n,"length":n,"after":n}, …the record's own members…}
    {"standpipe":{…,"torn":true},"raw":"…"}             a torn record whose bytes are UTF-8
    {"standpipe":{…,"torn":true},"raw_base64":"…"}      any other torn record

``gcp`` puts three members before the envelope: ``severity``, ``logging.googleapis.com/insertId`` and
``logging.googleapis.com/labels``. An original object is never parsed and encoded again: from its first byte after ``{``
it appears verbatim, so numbers, escapes, order and repeated keys stay as they are. A record that has a ``standpipe``
member of its own keeps it, as the later one of two.
"""

import json
from base64 import b64encode
from collections.abc import Mapping

from standpipe.journal.layout import record_id
from standpipe.records.fields import Fields, parse_fields
from standpipe.records.framing import Record
from standpipe.records.objects import JSON_WHITESPACE

SEVERITY_KEY = "severity"
INSERT_ID_KEY = "logging.googleapis.com/insertId"
LABELS_KEY = "logging.googleapis.com/labels"

JOURNAL_LABEL = "standpipe/journal"
TYPE_LABEL = "vault/type"
OPERATION_LABEL = "vault/operation"
MOUNT_TYPE_LABEL = "vault/mount_type"
NAMESPACE_LABEL = "vault/namespace"

# All but ASCII is escaped, and so is every control character: no line separator of Unicode can cut a line in two for
# a reader that splits on those, and nothing can drive a terminal.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def json_line(record: Record, journal_id: str, after: int) -> bytes:
    """Return the record with its envelope, as one line with its newline.

    ``after`` is the journal offset of the end of the previous record that was sent to the same sink.
    """
    return _splice(f'{{"standpipe":{_envelope(record, journal_id, after)}', record)


def gcp_line(record: Record, journal_id: str, after: int, labels: Mapping[str, str]) -> bytes:
    """Return the record as a structured log line for Google's logging agent on stdout, with its newline.

    The agent moves the special fields into the LogEntry ("Structured logging",
    https://cloud.google.com/logging/docs/structured-logging#special-payload-fields; the same names in
    https://docs.fluentbit.io/manual/data-pipeline/outputs/stackdriver_special_fields): ``severity`` is ERROR where the
    record has an ``error``, WARNING where it is torn, INFO otherwise; the insert id is the record id, so that a record
    sent again is one entry in query results (Logging removes entries with the same time stamp and insert id there);
    the record's own ``time`` is the time stamp. A torn record has no time: the agent takes the time of reading.

    The journal and the record's type, operation, mount type and namespace become labels, without the empty ones; a
    label given under the same name takes precedence. An entry holds 64 labels.
    """
    fields = Fields() if record.torn else parse_fields(record.body)
    severity = "WARNING" if record.torn else "ERROR" if fields.has_error else "INFO"
    own = {
        JOURNAL_LABEL: journal_id,
        TYPE_LABEL: fields.type,
        OPERATION_LABEL: fields.operation,
        MOUNT_TYPE_LABEL: fields.mount_type,
        NAMESPACE_LABEL: fields.namespace_path,
    }
    merged = {key: value for key, value in own.items() if value} | dict(labels)
    head = (
        f'{{"{SEVERITY_KEY}":"{severity}"'
        f',"{INSERT_ID_KEY}":{_encode(record_id(journal_id, record.offset))}'
        f',"{LABELS_KEY}":{_encode(merged)}'
        f',"standpipe":{_envelope(record, journal_id, after)}'
    )
    return _splice(head, record)


def _envelope(record: Record, journal_id: str, after: int) -> str:
    torn = ',"torn":true' if record.torn else ""
    return (
        f'{{"id":{_encode(record_id(journal_id, record.offset))},"journal":{_encode(journal_id)}'
        f',"offset":{record.offset},"length":{record.length},"after":{after}{torn}}}'
    )


def _splice(head: str, record: Record) -> bytes:
    """Put an object's members, or a torn record's bytes, behind an object that is still open."""
    if record.torn:
        return f"{head},{_raw_member(record.body)}}}\n".encode()
    body = record.body
    has_members = body[1:2] == b'"' or body[1:].lstrip(JSON_WHITESPACE) != b"}"
    return b"".join((head.encode(), b"," if has_members else b"", memoryview(body)[1:], b"\n"))


def _raw_member(body: bytes) -> str:
    try:
        return f'"raw":{_encode(body.decode())}'
    except UnicodeDecodeError:
        return f'"raw_base64":"{b64encode(body).decode("ascii")}"'
