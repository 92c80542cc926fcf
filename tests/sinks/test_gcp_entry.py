from __future__ import annotations

import json
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from standpipe.sinks.gcp_entry import ENTRY_BYTES, EntryEncoder, cut_text, label_problem, timestamp
from tests.sinks.gcp_peer import ENTRY_BYTES as GOOGLES_BYTES
from tests.sinks.gcp_readback import payload, rebuilt, value
from tests.sinks.odd_records import ODD_BODIES, SEAL, TORN_BODIES, entry, record

JOURNAL = "0b0e5b9e-3c1f-4c57-9f0e-1c2d3e4f5a6b"
ID = f"{JOURNAL}-00000000000000000040"


def encoded(found: Any, labels: dict[str, str] | None = None) -> list[bytes]:  # noqa: ANN401 - a record
    """Return the entries of a record as they are sent."""
    made = EntryEncoder(JOURNAL, labels or {}, 1000).encode(found, 7)
    return [made] if isinstance(made, bytes) else list(made)


def parsed(entries: list[bytes]) -> list[LogEntry]:
    """Return entries as google-cloud-logging's type, after a journey through the binary form."""
    kind = type(LogEntry.pb(LogEntry()))
    found = [json_format.Parse(text.decode(), kind()) for text in entries]
    return [LogEntry.wrap(kind.FromString(message.SerializeToString())) for message in found]


def test_an_entry() -> None:
    """An entry has the record's time and severity, the id, its labels, and the envelope before the record's bytes."""
    found = entry(5, 40)
    (text,) = encoded(found)
    assert text.endswith(b"," + found.body[1:] + b"}")
    (made,) = parsed([text])
    assert "2026-01-02T03:04:05.000000005Z" == LogEntry.pb(made).timestamp.ToJsonString()
    assert (ID, 200) == (made.insert_id, made.severity)
    assert {
        "vault/type": "response",
        "vault/operation": "read",
        "vault/mount_type": "kv",
        "vault/namespace": "team/",
    } == dict(made.labels)
    envelope = {"id": ID, "journal": JOURNAL, "offset": 40, "length": found.length, "after": 7}
    assert envelope == payload(made)["standpipe"]
    assert {"standpipe", "time", "type", "request"} == set(payload(made))


@pytest.mark.parametrize(("extra", "severity"), [(',"error":"denied"', 500), (',"error":""', 200), ("", 200)])
def test_severity(extra: str, severity: int) -> None:
    """A record with an error is an ERROR, any other one INFO."""
    (made,) = parsed(encoded(entry(5, 40, extra)))
    assert severity == made.severity


@pytest.mark.parametrize("name", ODD_BODIES)
def test_odd_records_come_back(name: str) -> None:
    """Every value of an odd record comes back out of Google's own types: to the byte where it goes as text."""
    body = ODD_BODIES[name]
    found = rebuilt(parsed(encoded(record(body, 40))))
    assert [ID] == list(found)
    if isinstance(found[ID], bytes):
        assert body == found[ID]
    else:
        assert value(body) == found[ID]


@pytest.mark.parametrize("name", TORN_BODIES)
def test_torn_records_come_back(name: str) -> None:
    """A torn record is a WARNING, and all its bytes come back."""
    (made,) = parsed(encoded(record(TORN_BODIES[name], 40, torn=True)))
    assert 400 == made.severity
    assert {ID: TORN_BODIES[name]} == rebuilt([made])
    assert (name == "fragment") == LogEntry.pb(made).HasField("timestamp")


def test_withheld_torn_record() -> None:
    """A torn record whose bytes were withheld has none here either."""
    (made,) = parsed(encoded(replace(record(b"", 40, torn=True), dropped=("*",))))
    assert {"standpipe"} == set(payload(made))


def test_a_seal() -> None:
    """A seal is an entry of its own kind at the time of sealing, with the seal file's object."""
    (made,) = parsed(encoded(SEAL))
    assert f"{JOURNAL}-{SEAL.offset:020d}-seal" == made.insert_id
    assert ("2026-01-02T04:00:00.250Z", 200) == (LogEntry.pb(made).timestamp.ToJsonString(), made.severity)
    assert value(SEAL.body) == payload(made)["seal"]
    assert "seal" == payload(made)["standpipe"]["kind"]


@pytest.mark.parametrize("body", [b'{"x":9007199254740993}', b'{"n":1e400}'])
def test_seal_that_a_struct_would_change(body: bytes) -> None:
    """A seal with numbers that a double cannot hold goes as text."""
    (made,) = parsed(encoded(replace(SEAL, body=body)))
    assert body == payload(made)["raw"].encode()
    assert "seal" == payload(made)["standpipe"]["kind"]


def parts_of(body: bytes, *, torn: bool = False) -> list[LogEntry]:
    """Return the parts of a large record, none of which is too large."""
    texts = encoded(record(body, 40, torn=torn))
    made = parsed(texts)
    assert max(type(entry).pb(entry).ByteSize() for entry in made) <= ENTRY_BYTES < GOOGLES_BYTES - 10_000
    return made


@pytest.mark.parametrize(
    ("body", "torn"),
    [
        (json.dumps({"time": "2026-01-02T03:04:05Z", "x": 'é\U0001f600"\\' * 100_000}, ensure_ascii=False), False),
        (json.dumps({"a": 1, "x": ["q" * 100] * 5_000}), False),
        ("torn " * 100_000, True),
    ],
)
def test_a_large_record_is_split(body: str, torn: bool) -> None:  # noqa: FBT001 - a parameter
    """A record beyond an entry's size goes as several with LogSplit, own ids that sort, and joins to the byte."""
    made = parts_of(body.encode(), torn=torn)
    assert len(made) > 1
    assert [(ID, index, len(made)) for index in range(len(made))] == [
        (entry.split.uid, entry.split.index, entry.split.total_splits) for entry in made
    ]
    ids = [entry.insert_id for entry in made]
    assert sorted(set(ids)) == ids
    assert {ID: body.encode()} == rebuilt(made)


@pytest.mark.parametrize("size", [ENTRY_BYTES // 2, ENTRY_BYTES - 3000, ENTRY_BYTES - 1000, ENTRY_BYTES + 5000])
@pytest.mark.parametrize("filling", ["x", '"', "é", "1,"])
def test_no_size_is_too_large(size: int, filling: str) -> None:
    """Whatever the size and what it is made of, entries stay below the limit and the record comes back."""
    if filling == "1,":
        body = b'{"n":[' + b"1," * (size // 2) + b"1]}"
    else:
        body = json.dumps(
            {"x": filling * (size // len(json.dumps(filling, ensure_ascii=False)[1:-1].encode()))}
        ).encode()
    found = rebuilt(parts_of(body))[ID]
    assert (body if isinstance(found, bytes) else value(body)) == found


def test_text_that_is_longer_than_its_object() -> None:
    """A record that must go as text, whose object would fit and whose text does not, is cut and comes back."""
    body = b'{"a":1,"a":2,"x":"' + b'\\"' * 90_000 + b'"}'
    made = parts_of(body)
    assert len(made) > 1
    assert {ID: body} == rebuilt(made)


def test_labels_of_the_config_win() -> None:
    """A label that the config adds under one of our names is not made from the record."""
    (made,) = parsed(encoded(entry(5, 40), {"vault/type": "mine"}))
    assert "vault/type" not in made.labels


def test_long_label_is_cut() -> None:
    """A label made from an endless value is cut at a character; the payload has all of it."""
    body = json.dumps({"type": "é" * 5000}, ensure_ascii=False).encode()
    (made,) = parsed(encoded(record(body, 40)))
    assert "é" * 512 == made.labels["vault/type"]
    assert "é" * 5000 == payload(made)["type"]


@given(st.text(), st.integers(0, 40))
def test_cut_text(text: str, size: int) -> None:
    """A cut text is a beginning of it, within the size, and as long as whole characters allow."""
    cut = cut_text(text, size)
    assert text.startswith(cut)
    assert len(cut.encode()) <= max(size, 0) or cut == text == ""
    assert cut == text or len(text[: len(cut) + 1].encode("utf-8", "surrogatepass")) > size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"),
        ("2026-01-02T03:04:05.1+02:00", "2026-01-02T01:04:05.100000000Z"),
        ("2026-01-02T03:04:60Z", ""),
        ("2026-13-02T03:04:05Z", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_timestamps(text: str, expected: str) -> None:
    """A time is the entry's in the form that protobuf takes; otherwise one bad record would refuse the request."""
    assert expected == timestamp(record(b"{}", 0), text)


@given(st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", fullmatch=True))
def test_timestamps_pass_protobuf(time: str) -> None:
    """Protobuf's own parser takes every time that is passed on."""
    if made := timestamp(record(b"{}", 0), time):
        LogEntry.pb(LogEntry()).timestamp.FromJsonString(made)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({str(number): "" for number in range(60)}, "too many"),
        ({"": "x"}, "without a name"),
        ({"k" * 513: "x"}, "longer than 512"),
        ({"k": "x" * 20_000}, "20001 bytes"),
        ({"env": "prod"}, ""),
    ],
)
def test_labels_that_cannot_be_added(labels: dict[str, str], words: str) -> None:
    """Labels beyond Logging's limits are a fault of the config, found at the start."""
    problem = label_problem(labels)
    assert bool(words) == bool(problem)
    assert words in problem


def test_encoding_is_stable() -> None:
    """The same record gives the same bytes, from another encoder as well."""
    assert encoded(entry(5, 40)) == encoded(entry(5, 40))


def test_many_exact_numbers() -> None:
    """A record with more inexact numbers than an entry has room for goes as text, and none is lost."""
    body = b'{"n":[' + b",".join(b"%d" % (2**53 + 1 + 2 * n) for n in range(6000)) + b"]}"
    found = rebuilt(parts_of(body))[ID]
    assert body == found
