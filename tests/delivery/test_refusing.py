from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import SelectConfig, SinkConfig
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.refusing import CLEAN_RECORDS, Refusing, selection_of, teller
from standpipe.journal import incidents
from standpipe.observe.log import Log
from standpipe.records.framing import Record
from standpipe.records.selection import Selection

if TYPE_CHECKING:
    from pathlib import Path

CLEAN = b'{"type":"request","request":{"client_token":"hmac-sha256:0"}}'
RAW = b'{"type":"request","request":{"client_token":"hvs.x"}}'


def record(body: bytes, offset: int = 0, *, torn: bool = False, is_seal: bool = False) -> Record:
    """Return a record."""
    return Record(offset, len(body) + 1, body, torn=torn, is_seal=is_seal)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (record(CLEAN), True),
        (record(RAW), False),
        (record(CLEAN[:20], torn=True), False),
        (record(RAW, is_seal=True), True),
    ],
)
def test_what_is_refused(found: Record, *, wanted: bool) -> None:
    """Values in clear text, and torn records, in which they cannot be ruled out; seals hold none."""
    assert wanted is Refusing(None, lambda _record, _names: None).wants(found)


def test_a_stretch_is_told_once() -> None:
    """The first refused record is told with its members; the next only after many clean ones."""
    told: list[tuple[int, tuple[str, ...]]] = []
    refusing = Refusing(None, lambda found, names: told.append((found.offset, names)))
    for offset, body in enumerate([CLEAN, RAW, CLEAN, RAW, *[CLEAN] * (CLEAN_RECORDS - 1), RAW]):
        refusing.wants(record(body, offset))
    refusing.wants(record(b"{", 9000, torn=True))
    assert [(1, ("request.client_token",))] == told
    for offset, body in enumerate([*[CLEAN] * CLEAN_RECORDS, RAW], 10_000):
        refusing.wants(record(body, offset))
    assert [1, 10_000 + CLEAN_RECORDS] == [offset for offset, _ in told]


def test_what_was_not_selected_is_not_told() -> None:
    """A record that the sink does not get anyway is nobody's secret there."""
    told: list[int] = []
    select = Selection(SelectConfig(types=("response",)))
    assert not Refusing(select, lambda found, _names: told.append(found.offset)).wants(record(RAW))
    assert [] == told


def test_only_a_sink_that_refuses_refuses() -> None:
    """Without the option a selection is what it was, and without one there is none."""
    plain = SinkConfig("console", "stdout", options={"format": "raw", "refuse_raw": False})
    assert selection_of(plain) is None
    refusing = selection_of(SinkConfig("console", "stdout", options={"format": "raw", "refuse_raw": True}))
    assert refusing is not None
    assert not refusing.wants(record(RAW))


def test_an_incident_and_a_message_name_the_sink(tmp_path: Path) -> None:
    """Offset, length and members, and no value."""
    path, messages = tmp_path / "incidents.jsonl", tmp_path / "messages"
    with messages.open("wb") as file:
        teller("console", Ledger(str(path)), Log("ship", file.fileno()))(record(RAW, 7), ("request.client_token",))
    (incident,) = incidents.read(str(path))
    assert ("raw-values", 7, len(RAW) + 1) == (incident["kind"], incident["offset"], incident["length"])
    assert {"sink": "console", "members": ["request.client_token"]} == incident["detail"]
    assert b"request.client_token" in messages.read_bytes()
    assert b"hvs.x" not in messages.read_bytes() + os.fsencode(path.read_text())
