from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.errors import UsageError
from standpipe.journal.layout import record_id
from standpipe.records.envelope import COPY_BYTES_MAX, Envelope
from standpipe.records.framing import Record
from standpipe.records.gcp_line import GcpLine
from tests.records.strategies import ENTRY, entries, texts

JOURNAL = "0f8fad5b-d9cb-469f-a165-70867728950e"
ID = f"{JOURNAL}-00000000000000000042"
LINES = Envelope(JOURNAL)
SEAL = b'{"format":1,"journal":"x","base":42,"end":1066,"gaps":[]}'

bodies = st.binary(max_size=40) | st.text(max_size=40).map(str.encode) | entries


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
def test_line_is_the_envelope_and_the_original(body: bytes, after: int) -> None:
    """The line parses; without the envelope it is the original object; all bytes after the first brace are verbatim."""
    line = LINES.line(whole(body), after)
    parsed = json.loads(line)
    assert ["standpipe", *json.loads(body)] == list(parsed)
    assert envelope(whole(body), after) == parsed.pop("standpipe")
    assert json.loads(body) == parsed
    assert line.endswith(body[1:] + b"\n")
    assert 1 == line.count(b"\n")


def test_line_byte_by_byte() -> None:
    """The envelope's members have the promised names and order."""
    expected = (
        f'{{"standpipe":{{"id":"{ID}","journal":"{JOURNAL}","offset":42,"length":11,"after":40}},"a":1.0 }}\n'
    ).encode()
    assert expected == LINES.line(Record(42, 11, b'{"a":1.0 }', torn=False), 40)


@pytest.mark.parametrize("body", [b"{}", b"{ \t\r}", b'{ "a":1}', b'{"a":1}'])
def test_comma_only_before_members(body: bytes) -> None:
    """An object without members gets no comma, one with whitespace before its first member does."""
    record = whole(body)
    assert {"standpipe": envelope(record, 0)} | json.loads(body) == json.loads(LINES.line(record, 0))
    assert json.loads(body).items() <= json.loads(GcpLine(JOURNAL, {}).line(record, 0)).items()


def test_own_standpipe_member_stays() -> None:
    """A record with a member of the envelope's name keeps it, behind the envelope."""
    assert LINES.line(whole(b'{"standpipe":1}'), 0).endswith(b'"after":0},"standpipe":1}\n')


@given(st.binary(max_size=30) | texts.map(str.encode))
def test_torn_record_keeps_every_byte(body: bytes) -> None:
    """A torn record's bytes come back from raw where they are UTF-8, else from raw_base64; the line is plain ASCII."""
    record = torn(body)
    line = LINES.line(record, 7)
    parsed = json.loads(line)
    assert envelope(record, 7) == parsed.pop("standpipe")
    try:
        expected = {"raw": body.decode()}
    except UnicodeDecodeError:
        expected = {"raw_base64": base64.b64encode(body).decode()}
    assert expected == parsed
    assert line[:-1].decode("ascii").isprintable()
    assert line.endswith(b"}\n")


@given(
    entries.map(whole) | entries.map(torn),
    st.integers(0, 10**19),
    st.none() | st.dictionaries(texts, texts, max_size=2),
)
def test_object_is_the_line_without_its_newline(record: Record, after: int, labels: dict[str, str] | None) -> None:
    """A destination with a framing of its own gets the same bytes but the newline."""
    sink = Envelope(JOURNAL, labels)
    assert sink.line(record, after) == sink.object(record, after) + b"\n"


def test_gcp_line_of_a_seal() -> None:
    """A seal has an insert id of its own: the record at its first offset must not make it vanish."""
    seal = Record(0, 100, b'{"base":0}', torn=False, is_seal=True)
    line = json.loads(GcpLine(JOURNAL, {}).line(seal, 0))
    assert f"{record_id(JOURNAL, 0)}-seal" == line["logging.googleapis.com/insertId"] == line["standpipe"]["id"]
    assert ("INFO", {"base": 0}) == (line["severity"], line["seal"])


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
def test_huge_record_has_the_same_form(extra: int) -> None:
    """A body beyond the size up to which copies are cheap is put into the same line."""
    body = b'{"a":"' + b"x" * (COPY_BYTES_MAX + extra - 8) + b'"}'
    line = f'{{"standpipe":{{"id":"{ID}","journal":"{JOURNAL}","offset":42,"length":{len(body) + 1},"after":7}},'
    assert line.encode() + body[1:] + b"\n" == LINES.line(whole(body), 7)


@pytest.mark.parametrize("body", [ENTRY, b"{}", b'{ "a":1}'])
def test_labels_stand_in_the_envelope(body: bytes) -> None:
    """What the config adds stands behind the record's place, whatever characters it has, and the record is verbatim."""
    labels = {"100%d": '%b "é"\n', "cluster": "blue"}
    line = Envelope("50%s", labels).line(whole(body), 7)
    members = {"id": "50%s-00000000000000000042", "journal": "50%s", "offset": 42, "length": len(body) + 1, "after": 7}
    parsed = json.loads(line)
    assert list((members | {"labels": labels}).items()) == list(parsed.pop("standpipe").items())
    assert json.loads(body) == parsed
    assert line.isascii()


def test_dropped_fields_are_named() -> None:
    """A record of which something was cut out says what, in the config's order."""
    record = Record(42, 100, b'{"a":1}', torn=False, dropped=("request.data", "auth"))
    expected = (
        f'{{"standpipe":{{"id":"{ID}","journal":"{JOURNAL}","offset":42,"length":100,"after":7'
        ',"dropped":["request.data","auth"],"labels":{"b":"c"}},"a":1}\n'
    )
    assert expected.encode() == Envelope(JOURNAL, {"b": "c"}).line(record, 7)


def test_withheld_torn_record_has_no_raw() -> None:
    """A torn record of which nothing may be shown says so, and has neither raw nor raw_base64."""
    record = Record(42, 9, b"", torn=True, dropped=("*",))
    expected = (
        f'{{"standpipe":{{"id":"{ID}","journal":"{JOURNAL}","offset":42,"length":9,"after":7'
        ',"torn":true,"dropped":["*"]}}\n'
    )
    assert expected.encode() == LINES.line(record, 7)


def test_seal_is_an_object_of_its_own_kind() -> None:
    """A seal has the id of its segment's start, its kind and no `after`; the seal file's object is verbatim in it."""
    record = Record(42, 1024, SEAL, torn=False, is_seal=True)
    envelope_text = f'"id":"{ID}-seal","journal":"{JOURNAL}","kind":"seal","offset":42,"length":1024'
    expected = f'{{"standpipe":{{{envelope_text}}},"seal":{SEAL.decode()}}}\n'.encode()
    assert expected == LINES.line(record, 7)
    labelled = json.loads(Envelope(JOURNAL, {"b": "c"}).object(record, 7))
    assert {"b": "c"} == labelled["standpipe"]["labels"]


def raw_of(part: dict[str, str]) -> bytes:
    """Return the bytes that a part has; a piece that is no text of its own would not encode."""
    return part["raw"].encode() if "raw" in part else base64.b64decode(part["raw_base64"], validate=True)


@given(bodies, st.integers(0, 60), st.sampled_from([None, {"cluster": "\u00e9"}]))
def test_parts_joined_are_the_body(body: bytes, extra: int, labels: dict[str, str] | None) -> None:
    """Every part is within the size and has the whole envelope and its number; its piece is whole characters."""
    record = torn(body)
    sink = Envelope(JOURNAL, labels)
    part_bytes = len(sink.object(torn(b""), 10**6)) + len(',"part":"999/999"') + len("_base64") + 12 + extra
    parts = sink.parts(record, 10**6, part_bytes)
    assert max(len(part) for part in parts) <= part_bytes
    parsed = [json.loads(part) for part in parts]
    assert body == b"".join(map(raw_of, parsed))
    added = {} if labels is None else {"labels": labels}
    if len(parts) > 1:
        numbers = [{"part": f"{number}/{len(parts)}"} for number in range(1, len(parts) + 1)]
        assert [envelope(record, 10**6) | number | added for number in numbers] == [p["standpipe"] for p in parsed]
        assert all(part.decode("ascii").isprintable() for part in parts)


def test_parts_fill_their_size() -> None:
    """No more parts are made than are needed, give or take the escapes that must not be cut."""
    parts = LINES.parts(whole(b'{"a":"' + b"x" * 100_000 + b'"}'), 7, 1000)
    assert min(len(part) for part in parts[:-1]) >= 1000 - len("99")  # the number of the first part is a short one


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("\U0001f600" * 60, "\U0001f600"),
        ("\u00e9" * 60, "\u00e9\u00e9"),
        ("\\" * 99, "\\" * 7),
        ('"' * 99, '"' * 7),
        ("\\ud83d" * 60, "\\ud83d\\ud83d"),
        ("a\U0001f600" * 60, "a\U0001f600a"),
        ("abcd\U0001f600" * 60, "abcd"),
    ],
)
def test_parts_never_cut_a_character(text: str, piece: str) -> None:
    """Surrogate pairs, other escapes and runs of backslashes stay whole: here 15 bytes are left for each piece."""
    record = torn(text.encode())
    part_bytes = len(LINES.object(torn(b""), 7)) + len('1,"part":"99/99"') + 15  # and one digit more of the length
    parts = [json.loads(part) for part in LINES.parts(record, 7, part_bytes)]
    assert piece == parts[0]["raw"]
    assert text == "".join(part["raw"] for part in parts)


def test_number_of_parts_may_need_more_digits_than_expected() -> None:
    """Where little room is left beside the envelope, many more parts are needed than the size suggests; all fit."""
    record = torn(b"x" * 5000)
    part_bytes = len(LINES.object(torn(b""), 7)) + len(',"part":"9999/9999"') + 15
    parts = LINES.parts(record, 7, part_bytes)
    assert len(parts) > 99
    assert max(len(part) for part in parts) <= part_bytes
    assert record.body == b"".join(raw_of(json.loads(part)) for part in parts)


@pytest.mark.parametrize(
    "record",
    [whole(b'{"a":"' + b"x" * 500 + b'"}'), torn(b"x" * 500), Record(42, 9, SEAL * 9, torn=False, is_seal=True)],
)
def test_record_that_fits_is_one_object(record: Record) -> None:
    """A record of exactly the size of a part is not cut, one of a byte more is."""
    size = len(LINES.object(record, 7))
    assert (LINES.object(record, 7),) == LINES.parts(record, 7, size)
    assert 1 < len(LINES.parts(record, 7, size - 1))


def test_parts_of_bytes_that_are_no_text() -> None:
    """Each piece under raw_base64 can be decoded alone, whatever is left for it."""
    record = torn(b"\xff" * 500)
    for extra in range(20, 24):
        part_bytes = len(LINES.object(torn(b""), 7)) + len(',"part":"99/99"_base64') + extra
        parts = LINES.parts(record, 7, part_bytes)
        assert max(len(part) for part in parts) <= part_bytes
        assert record.body == b"".join(raw_of(json.loads(part)) for part in parts)


def test_seal_in_parts() -> None:
    """A seal that is too large is cut like a record, and its parts say what they are."""
    seal = b'{"gaps":[' + b"1," * 500 + b"1]}"
    parts = [json.loads(part) for part in LINES.parts(Record(42, 9, seal, torn=False, is_seal=True), 7, 500)]
    assert {"seal"} == {part["standpipe"]["kind"] for part in parts}
    assert {f"{ID}-seal"} == {part["standpipe"]["id"] for part in parts}
    assert seal == b"".join(map(raw_of, parts))


def test_part_without_room_is_refused() -> None:
    """A size that the envelope alone needs is an error that says so."""
    with pytest.raises(UsageError, match="parts of 150 bytes"):
        LINES.parts(whole(b'{"a":"' + b"x" * 500 + b'"}'), 7, 150)


def test_gcp_line_of_a_real_entry() -> None:
    """Severity, insert id and labels come first, then the envelope, then the original bytes with their time."""
    line = GcpLine(JOURNAL, {"cluster": "blue"}).line(whole(ENTRY), 40)
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
    assert severity == json.loads(GcpLine(JOURNAL, {}).line(record, 0))["severity"]


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
    line = GcpLine(JOURNAL, {"cluster": "blue"}).line(record, 1)
    assert expected == json.loads(line)
    assert line[:-1].decode("ascii").isprintable()


@given(entries, st.dictionaries(texts, texts, max_size=3))
def test_gcp_line_keeps_any_object(body: bytes, labels: dict[str, str]) -> None:
    """Whatever the record and the labels hold, the line parses, the labels are in it and the record is untouched."""
    line = GcpLine(JOURNAL, labels).line(whole(body), 0)
    parsed = json.loads(line)
    assert 1 == line.count(b"\n")
    assert labels.items() <= parsed["logging.googleapis.com/labels"].items()
    assert all(isinstance(value, str) for value in parsed["logging.googleapis.com/labels"].values())
    assert json.loads(body).items() <= parsed.items()
    assert line.endswith(body[1:] + b"\n")


def test_given_label_takes_precedence() -> None:
    """Who names one of our labels means it."""
    line = GcpLine(JOURNAL, {"vault/type": "mine"}).line(whole(ENTRY), 0)
    assert "mine" == json.loads(line)["logging.googleapis.com/labels"]["vault/type"]
