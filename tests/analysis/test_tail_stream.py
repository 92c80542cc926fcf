from __future__ import annotations

from standpipe.analysis.tail_half import Half
from standpipe.analysis.tail_stream import Notice, StreamReader, item_of
from standpipe.records.envelope import Envelope
from standpipe.records.framing import Framer, Record
from standpipe.records.gcp_line import GcpLine
from tests.analysis.tail_records import record

BODY = record("request", 1)
JOURNAL = "0a1b2c3d-0000-4000-8000-00000000cafe"


def read(data: bytes) -> list[Half | Notice | None]:
    """Read the lines of a stream."""
    lines = StreamReader()
    framer = Framer(0)
    return [lines.item_of(found) for found in [*framer.feed(data), *framer.finish()]]


def place(item: Half | Notice | None) -> tuple[str, int | None]:
    """Return journal and offset."""
    assert item is not None
    return item.journal, item.offset


def test_a_raw_line_has_no_place() -> None:
    """Bytes as Vault wrote them: the request is read, of no journal; an empty line is nothing."""
    found, nothing = read(BODY + b"\n\n")
    assert isinstance(found, Half)
    assert ("id-1", "", None) == (found.request_id, *place(found))
    assert nothing is None


def test_an_envelope_gives_the_place() -> None:
    """In both formats of stdout that have one, request and place are those of the journal."""
    whole = Record(120, len(BODY) + 1, BODY, torn=False)
    for line in (Envelope(JOURNAL).line(whole, 0), GcpLine(JOURNAL, {}).line(whole, 0)):
        (found,) = read(line)
        assert isinstance(found, Half)
        assert ("id-1", JOURNAL, 120) == (found.request_id, *place(found))


def test_torn_records_and_seals_of_a_stream() -> None:
    """A torn record is told with its place; a seal is none of ours."""
    torn = Record(120, 9, b'{"half', torn=True)
    seal = Record(0, 120, b'{"base":0}', torn=False, is_seal=True)
    lines = Envelope(JOURNAL).line(torn, 0) + Envelope(JOURNAL).line(seal, 0)
    assert [Notice("torn", JOURNAL, 120, 9), None] == read(lines)


def test_the_parts_of_a_record_are_put_together() -> None:
    """A record that was cut for its destination is one request; with a part missing it is told as torn."""
    whole = Record(120, len(BODY) + 1, BODY, torn=False)
    parts = [part + b"\n" for part in Envelope(JOURNAL).parts(whole, 0, 400)]
    assert len(parts) > 1
    *earlier, found = read(b"".join(parts))
    assert isinstance(found, Half)
    assert [None] * (len(parts) - 1) == earlier
    assert ("id-1", JOURNAL, 120) == (found.request_id, *place(found))
    assert [Notice("torn", JOURNAL, 120, len(BODY) + 1)] == [item for item in read(b"".join(parts[1:])) if item]


def test_parts_of_two_records_are_not_mixed() -> None:
    """Where a part in the middle is missing, or another record's part comes in its place, nothing is put together."""
    first, second = (
        [part + b"\n" for part in Envelope(JOURNAL).parts(Record(offset, len(BODY) + 1, BODY, torn=False), 0, 250)]
        for offset in (120, 5000)
    )
    assert len(first) > 2
    without_middle = first[:1] + first[2:]
    assert [Notice("torn", JOURNAL, 120, len(BODY) + 1)] == [item for item in read(b"".join(without_middle)) if item]
    found = [item for item in read(b"".join([*first[:2], first[1], *first[2:]])) if item]  # a part that was sent again
    assert [("id-1", 120)] == [(item.request_id, item.offset) for item in found if isinstance(item, Half)]
    mixed = first[:1] + second[1:]
    assert [Notice("torn", JOURNAL, 5000, len(BODY) + 1)] == [item for item in read(b"".join(mixed)) if item]


def test_a_servers_own_messages_are_told_apart() -> None:
    """Words and JSON among the records belong to no journal."""
    expected = [Notice("torn", "", None, 6), Notice("no-entry", "", None, 20)]
    assert expected == read(b'words\n{"message":"hello"}\n')


def test_xml_is_known() -> None:
    """What format=jsonx writes is named, in a journal and in a stream."""
    xml = b'<json:object name="auth"><json:string>x</json:string></json:object>'
    assert [Notice("jsonx", "", None, len(xml))] == read(xml)
    assert Notice("jsonx", "j", 5, len(xml)) == item_of(Record(5, len(xml), xml, torn=True), "j")


def test_what_kubectl_and_cri_put_in_front_is_no_item() -> None:
    """Times, pods' names and CRI's tags in front of a record are passed over; half a record there is told."""
    for front in (b"2026-03-01T10:00:00.1Z ", b"[pod/vault-0/standpipe] ", b"2026-03-01T10:00:00.1Z stdout F "):
        nothing, found = read(front + BODY + b"\n")
        assert nothing is None
        assert isinstance(found, Half)
    torn, found = read(b'{"time":"2026' + BODY + b"\n")
    assert isinstance(torn, Notice)
    assert isinstance(found, Half)
