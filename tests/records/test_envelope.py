from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.records.envelope import gcp_line, json_line
from standpipe.records.framing import Record
from tests.records.strategies import ENTRY, entries, texts

JOURNAL = "0f8fad5b-d9cb-469f-a165-70867728950e"
ID = f"{JOURNAL}-00000000000000000042"


def whole(body: bytes) -> Record:
    """Return an object at offset 42."""
    return Record(42, len(body) + 1, body, torn=False)


def torn(body: bytes) -> Record:
    """Return a torn line at offset 42."""
    return Record(42, len(body) + 1, body, torn=True)


def envelope(record: Record, after: int) -> dict[str, object]:
    """Return the envelope that docs/json.md promises."""
    members: dict[str, object] = {"id": ID, "journal": JOURNAL, "offset": 42, "length": record.length, "after": after}
    return members | ({"torn": True} if record.torn else {})


@given(entries, st.integers(0, 10**19))
def test_json_line_is_the_envelope_and_the_original(body: bytes, after: int) -> None:
    """The line parses; without the envelope it is the original object; all bytes after the first brace are verbatim."""
    line = json_line(whole(body), JOURNAL, after)
    parsed = json.loads(line)
    assert ["standpipe", *json.loads(body)] == list(parsed)
    assert envelope(whole(body), after) == parsed.pop("standpipe")
    assert json.loads(body) == parsed
    assert line.endswith(body[1:] + b"\n")
    assert 1 == line.count(b"\n")


def test_json_line_byte_by_byte() -> None:
    """The envelope's members have the promised names and order."""
    expected = (
        f'{{"standpipe":{{"id":"{ID}","journal":"{JOURNAL}","offset":42,"length":11,"after":40}},"a":1.0 }}\n'
    ).encode()
    assert expected == json_line(Record(42, 11, b'{"a":1.0 }', torn=False), JOURNAL, 40)


@pytest.mark.parametrize("body", [b"{}", b"{ \t\r}", b'{ "a":1}', b'{"a":1}'])
def test_comma_only_before_members(body: bytes) -> None:
    """An object without members gets no comma, one with whitespace before its first member does."""
    record = whole(body)
    assert {"standpipe": envelope(record, 0)} | json.loads(body) == json.loads(json_line(record, JOURNAL, 0))
    assert json.loads(body).items() <= json.loads(gcp_line(record, JOURNAL, 0, {})).items()


def test_own_standpipe_member_stays() -> None:
    """A record with a member of the envelope's name keeps it, behind the envelope."""
    assert json_line(whole(b'{"standpipe":1}'), JOURNAL, 0).endswith(b'"after":0},"standpipe":1}\n')


@given(st.binary(max_size=30) | texts.map(str.encode))
def test_torn_record_keeps_every_byte(body: bytes) -> None:
    """A torn record's bytes come back from raw where they are UTF-8, else from raw_base64; the line is plain ASCII."""
    record = torn(body)
    line = json_line(record, JOURNAL, 7)
    parsed = json.loads(line)
    assert envelope(record, 7) == parsed.pop("standpipe")
    try:
        expected = {"raw": body.decode()}
    except UnicodeDecodeError:
        expected = {"raw_base64": base64.b64encode(body).decode()}
    assert expected == parsed
    assert line[:-1].decode("ascii").isprintable()
    assert line.endswith(b"}\n")


def test_gcp_line_of_a_real_entry() -> None:
    """Severity, insert id and labels come first, then the envelope, then the original bytes with their time."""
    line = gcp_line(whole(ENTRY), JOURNAL, 40, {"cluster": "blue"})
    assert line.endswith(b"}," + ENTRY[1:] + b"\n")
    parsed = json.loads(line)
    expected = {
        "severity": "ERROR",
        "logging.googleapis.com/insertId": ID,
        "logging.googleapis.com/labels": {
            "standpipe/journal": JOURNAL,
            "vault/type": "response",
            "vault/operation": "update",
            "vault/mount_type": "kv",
            "vault/namespace": "team/",
            "cluster": "blue",
        },
        "standpipe": envelope(whole(ENTRY), 40),
    }
    assert list((expected | json.loads(ENTRY)).items()) == list(parsed.items())


@pytest.mark.parametrize(
    ("record", "severity"),
    [
        (whole(b'{"type":"request"}'), "INFO"),
        (whole(b'{"error":""}'), "INFO"),
        (whole(b'{"error":"permission denied"}'), "ERROR"),
        (torn(b'{"error":"permission denied"'), "WARNING"),
        (torn(b"\xff"), "WARNING"),
    ],
)
def test_gcp_severity(record: Record, severity: str) -> None:
    """ERROR where the record has an error, WARNING where it is torn, INFO otherwise."""
    assert severity == json.loads(gcp_line(record, JOURNAL, 0, {}))["severity"]


def test_gcp_line_of_a_torn_record() -> None:
    """A torn record has the insert id of its offset, the labels that were given, and its bytes."""
    record = torn(b"half\x1b[2J")
    expected = {
        "severity": "WARNING",
        "logging.googleapis.com/insertId": ID,
        "logging.googleapis.com/labels": {"standpipe/journal": JOURNAL, "cluster": "blue"},
        "standpipe": envelope(record, 1),
        "raw": "half\x1b[2J",
    }
    line = gcp_line(record, JOURNAL, 1, {"cluster": "blue"})
    assert expected == json.loads(line)
    assert line[:-1].decode("ascii").isprintable()


@given(entries, st.dictionaries(texts, texts, max_size=3))
def test_gcp_line_keeps_any_object(body: bytes, labels: dict[str, str]) -> None:
    """Whatever the record and the labels hold, the line parses, the labels are in it and the record is untouched."""
    line = gcp_line(whole(body), JOURNAL, 0, labels)
    parsed = json.loads(line)
    assert 1 == line.count(b"\n")
    assert labels.items() <= parsed["logging.googleapis.com/labels"].items()
    assert all(isinstance(value, str) for value in parsed["logging.googleapis.com/labels"].values())
    assert json.loads(body).items() <= parsed.items()
    assert line.endswith(body[1:] + b"\n")


def test_given_label_takes_precedence() -> None:
    """Who names one of our labels means it."""
    line = gcp_line(whole(ENTRY), JOURNAL, 0, {"vault/type": "mine"})
    assert "mine" == json.loads(line)["logging.googleapis.com/labels"]["vault/type"]
