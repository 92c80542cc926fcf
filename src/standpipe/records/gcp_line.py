"""Records as structured log lines for Google's logging agent, which reads a container's stdout.

Three members stand before the envelope: ``severity``, ``logging.googleapis.com/insertId`` and
``logging.googleapis.com/labels``. The agent moves them into the LogEntry ("Structured logging",
https://cloud.google.com/logging/docs/structured-logging#special-payload-fields; the same names in
https://docs.fluentbit.io/manual/data-pipeline/outputs/stackdriver_special_fields).

``severity`` is ERROR where the record has an ``error``, WARNING where it is torn, INFO otherwise. The insert id is the
record's id, so that a record sent again is one entry in query results (Logging removes entries with the same time stamp
and insert id there). The record's own ``time`` is the time stamp; a torn record has none, and the agent takes the time
of reading. The journal and the record's type, operation, mount type and namespace become labels, without the empty
ones; a label of the config under the same name takes precedence. An entry holds 64 labels.
"""

import json
from collections.abc import Mapping

from standpipe.records.envelope import Envelope, entry_id
from standpipe.records.fields import Fields, parse_fields
from standpipe.records.framing import Record

SEVERITY_KEY = "severity"
INSERT_ID_KEY = "logging.googleapis.com/insertId"
LABELS_KEY = "logging.googleapis.com/labels"

JOURNAL_LABEL = "standpipe/journal"
TYPE_LABEL = "vault/type"
OPERATION_LABEL = "vault/operation"
MOUNT_TYPE_LABEL = "vault/mount_type"
NAMESPACE_LABEL = "vault/namespace"

LABELS_KEPT = 1024  # encoded sets of labels that are remembered; a Vault with more kinds of requests only works longer

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_NO_FIELDS = Fields()


class GcpLine:
    """Renders the records of one journal."""

    __slots__ = ("_envelope", "_journal", "_kept", "_labels")

    def __init__(self, journal_id: str, labels: Mapping[str, str]) -> None:
        """Take what is the same for every record. labels: those of the config."""
        self._journal = journal_id
        self._labels = dict(labels)
        self._envelope = Envelope(journal_id)
        self._kept: dict[tuple[str, str, str, str], str] = {}

    def line(self, record: Record, after: int) -> bytes:
        """Return a record with its newline; ``after`` as in Envelope."""
        fields = _NO_FIELDS if record.torn or record.is_seal else parse_fields(record.body)
        severity = "WARNING" if record.torn else "ERROR" if fields.has_error else "INFO"
        special = (
            f'{{"{SEVERITY_KEY}":"{severity}"'
            f',"{INSERT_ID_KEY}":{_encode(entry_id(record, self._journal))}'
            f',"{LABELS_KEY}":{self._encoded_labels(fields)},'
        )
        line = self._envelope.line(record, after)
        return b"".join((special.encode(), memoryview(line)[1:]))

    def _encoded_labels(self, fields: Fields) -> str:
        key = (fields.type, fields.operation, fields.mount_type, fields.namespace_path)
        encoded = self._kept.get(key)
        if encoded is None:
            names = (TYPE_LABEL, OPERATION_LABEL, MOUNT_TYPE_LABEL, NAMESPACE_LABEL)
            own = {JOURNAL_LABEL: self._journal} | dict(zip(names, key, strict=True))
            encoded = _encode({name: value for name, value in own.items() if value} | self._labels)
            if len(self._kept) >= LABELS_KEPT:
                self._kept.clear()
            self._kept[key] = encoded
        return encoded
