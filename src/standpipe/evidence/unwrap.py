"""Takes a record out of what a log system put around it. Pure.

Each known system keeps the line under a name of its own, as text or as an object (docs/verify-copies.md lists them).
These are opened one after the other, so a Kafka message that holds a log entry that holds the line is opened as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from standpipe.evidence.text_frames import unframe

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_MAX = 8  # of systems inside each other: more is nobody's log
BARE = b'{"standpipe":{'
LINES = "lines"  # the form of a record with nothing around it


class Carrier(NamedTuple):
    """A line, as it was before it came into a log system.

    reencoded: another JSON writer made the text. piece: only the beginning of the line, or a further part of it; the
    rest follows on the same stream. data: id, offset, length and after, where they stood beside the line.
    """

    form: str
    text: bytes
    reencoded: bool = False
    stream: str = ""
    piece: bool = False
    data: dict[str, str] | None = None


_NONE = msgspec.Raw()


class _Wrapper(msgspec.Struct, gc=False):
    """The members under which log systems keep lines; what is not there is empty."""

    standpipe: msgspec.Raw = _NONE
    jsonPayload: msgspec.Raw = _NONE  # noqa: N815 - Cloud Logging's LogEntry
    textPayload: msgspec.Raw = _NONE  # noqa: N815
    source: msgspec.Raw = msgspec.field(default=_NONE, name="_source")  # Elasticsearch, OpenSearch
    hits: msgspec.Raw = _NONE  # their answer to a search
    resourceLogs: msgspec.Raw = _NONE  # noqa: N815 - OTLP's JSON
    scopeLogs: msgspec.Raw = _NONE  # noqa: N815
    logRecords: msgspec.Raw = _NONE  # noqa: N815
    body: msgspec.Raw = _NONE
    stringValue: msgspec.Raw = _NONE  # noqa: N815
    kvlistValue: msgspec.Raw = _NONE  # noqa: N815
    payload: msgspec.Raw = _NONE  # kcat -J
    line: msgspec.Raw = _NONE  # logcli -o jsonl
    data: msgspec.Raw = _NONE  # Loki's query_range
    result: msgspec.Raw = _NONE
    values: msgspec.Raw = _NONE
    log: msgspec.Raw = _NONE  # Docker's json-file, Fluent Bit
    stream: msgspec.Raw = _NONE
    partial: msgspec.Raw = msgspec.field(default=_NONE, name="_p")  # Fluent Bit's parser of CRI
    message: msgspec.Raw = _NONE  # Filebeat, Vector, Fluentd
    event: msgspec.Raw = _NONE  # Elastic Common Schema, Splunk
    original: msgspec.Raw = _NONE
    raw: msgspec.Raw = msgspec.field(default=_NONE, name="_raw")  # Splunk's exports
    MESSAGE: msgspec.Raw = _NONE  # journald


_ONE = (  # member, form, whether an object in it went through another JSON writer
    ("jsonPayload", "cloud-logging", True),
    ("textPayload", "cloud-logging", False),
    ("source", "elasticsearch", False),
    ("payload", "kafka", False),
    ("line", "loki", False),
    ("body", "otlp", False),
    ("stringValue", "otlp", False),
    ("event", "event", False),
    ("original", "event", False),
    ("message", "message", False),
    ("raw", "splunk", False),
    ("MESSAGE", "journald", False),
)
_MANY = (
    ("hits", "elasticsearch"),
    ("resourceLogs", "otlp"),
    ("scopeLogs", "otlp"),
    ("logRecords", "otlp"),
    ("result", "loki"),
    ("values", "loki"),
)
_INNER = ("stringValue", "event", "original", "message")  # inside of others, which say what it is
_OBJECTS = ("jsonPayload", "source", "body")  # members that are a record's object where they have no envelope
_NAME = b"standpipe"
_wrapper = msgspec.json.Decoder(_Wrapper).decode
_texts = msgspec.json.Decoder(str).decode
_lists = msgspec.json.Decoder(list[msgspec.Raw]).decode


def unwrap(line: bytes) -> Iterator[Carrier]:
    """Yield every line that is inside; the line itself where nothing is around it. Raises nothing."""
    if line.startswith(BARE):
        yield Carrier(LINES, line)
    else:
        yield from _open(line, LINES, 0, reencoded=False)


def _open(text: bytes, form: str, depth: int, *, reencoded: bool) -> Iterator[Carrier]:
    stripped = text.strip()
    start = stripped[:1]
    if depth < DEPTH_MAX and start == b"{":
        yield from _open_object(stripped, form, depth, reencoded=reencoded)
    elif depth < DEPTH_MAX and start == b"[" and stripped[-1:] == b"]" and (members := _list(stripped)) is not None:
        for member in members:
            yield from _open(member, form, depth + 1, reencoded=reencoded)
    elif depth < DEPTH_MAX and (framed := unframe(text)) is not None:
        if framed.piece or framed.form == "cri":
            yield Carrier(framed.form, framed.text, reencoded, framed.stream, framed.piece)
            return
        for carrier in _open(framed.text, framed.form, depth + 1, reencoded=reencoded):
            yield carrier._replace(data=framed.data) if framed.data else carrier
    else:
        yield Carrier(form, text, reencoded)


def _open_object(text: bytes, form: str, depth: int, *, reencoded: bool) -> Iterator[Carrier]:
    try:
        wrapper = _wrapper(text)
    except (msgspec.MsgspecError, RecursionError):
        yield Carrier(form, text, reencoded)
        return
    if wrapper.standpipe is not _NONE:
        yield Carrier(form, text, reencoded)
        return
    if bytes(wrapper.log)[:1] == b'"':  # Filebeat has an object of that name, about the file
        yield _open_log(wrapper)
        return
    inner = _open_member(wrapper, form, depth, reencoded=reencoded)
    if inner is None:
        yield Carrier(form, text, reencoded)
    else:
        yield from inner


def _open_member(wrapper: _Wrapper, form: str, depth: int, *, reencoded: bool) -> Iterator[Carrier] | None:
    """Open the member that holds lines; None where none does."""
    for name, found_form in _MANY:
        value = getattr(wrapper, name)
        if value is not _NONE:
            return _open_many(bytes(value), found_form, depth, reencoded=reencoded)
    if wrapper.kvlistValue is not _NONE:
        return _open(_plain(bytes(wrapper.kvlistValue)), "otlp", depth + 1, reencoded=True)
    if bytes(wrapper.data)[:1] == b"{":
        return _open(bytes(wrapper.data), "loki", depth + 1, reencoded=reencoded)
    member = _line_member(wrapper)
    if member is None:
        return None
    name, found_form, anew = member
    own_form = form if name in _INNER and form != LINES else found_form
    return _open_value(bytes(getattr(wrapper, name)), own_form, depth, reencoded=reencoded or anew)


def _line_member(wrapper: _Wrapper) -> tuple[str, str, bool] | None:
    """Return which member holds the line: the first one with our envelope, or else the first one that may be a line."""
    present = [(member, bytes(value)) for member in _ONE if (value := getattr(wrapper, member[0])) is not _NONE]
    for member, value in present:
        if _NAME in value:
            return member
    for member, value in present:
        if value[:1] == b'"' or (value[:1] == b"{" and member[0] in _OBJECTS) or b'"original"' in value:
            return member
    return None


def _open_value(value: bytes, form: str, depth: int, *, reencoded: bool) -> Iterator[Carrier]:
    """Open a member: an object, or a text, which no JSON writer changes."""
    if value[:1] != b'"':
        yield from _open(value, form, depth + 1, reencoded=reencoded)
        return
    yield from _open(_texts(value).encode(), form, depth + 1, reencoded=False)


def _open_many(value: bytes, form: str, depth: int, *, reencoded: bool) -> Iterator[Carrier]:
    """Open a list; a pair of texts in it is one of Loki's: a time and a line."""
    if value[:1] == b"{":
        yield from _open(value, form, depth + 1, reencoded=reencoded)
        return
    for member in _list(value) or []:
        pair = _list(member) if member[:1] == b"[" else None
        if pair is not None and len(pair) >= 2 and pair[1][:1] == b'"':  # noqa: PLR2004
            yield from _open_value(pair[1], form, depth + 1, reencoded=reencoded)
        else:
            yield from _open(member, form, depth + 1, reencoded=reencoded)


def _open_log(wrapper: _Wrapper) -> Carrier:
    """Open Docker's or Fluent Bit's form: a line that is too long comes in pieces, all but the last without newline."""
    text = _texts(wrapper.log)
    stream = _text_or_nothing(wrapper.stream)
    if wrapper.partial is not _NONE:
        piece = _text_or_nothing(wrapper.partial) == "P"
    else:
        piece = bool(stream) and not text.endswith("\n")
    form = "docker" if stream else "log"
    return Carrier(form, text.removesuffix("\n").encode(), stream=stream or form, piece=piece)


def _text_or_nothing(value: msgspec.Raw) -> str:
    return _texts(value) if bytes(value)[:1] == b'"' else ""


def _list(text: bytes) -> list[bytes] | None:
    try:
        return [bytes(member) for member in _lists(text)]
    except (msgspec.MsgspecError, RecursionError):
        return None


def _plain(value: bytes) -> bytes:
    """Return an OTLP key-value list as an ordinary JSON object."""
    try:
        return msgspec.json.encode(_plain_value({"kvlistValue": json.loads(value)}))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return value


def _plain_value(value: dict[str, object]) -> object:
    """Return an AnyValue (opentelemetry/proto/common/v1) in OTLP's JSON form as what it stands for."""
    for kind, content in value.items():
        if kind == "kvlistValue" and isinstance(content, dict):
            return {member["key"]: _plain_value(member.get("value", {})) for member in content.get("values", [])}
        if kind == "arrayValue" and isinstance(content, dict):
            return [_plain_value(member) for member in content.get("values", [])]
        if kind == "intValue":
            return int(str(content))
        return content
    return None
