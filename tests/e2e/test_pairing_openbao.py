"""Pairing over what a real OpenBao writes: refusals, wrapping, logins, seal; nothing is alone without a reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from standpipe.evidence.pairing import Pairing, PairingFindings
from standpipe.evidence.record_pass import RecordFindings, RecordPass
from tests.e2e.openbao import ROOT_TOKEN, Client, bao_path, running_openbao

if TYPE_CHECKING:
    from pathlib import Path

ASKED = 50
WRONG_TOKEN = "s.no-such-token"  # noqa: S105 - it opens nothing


def look(log: bytes) -> tuple[RecordFindings, PairingFindings]:
    """Let the records of a log pair."""
    records = RecordPass("n", pairing=Pairing())
    records.feed(0, log)
    seen = records.finish()
    assert seen.pairing is not None
    return seen, seen.pairing


def ask_oddly(client: Client) -> None:
    """Ask for what is answered out of the ordinary."""
    for token in (WRONG_TOKEN, ""):
        client.exchange("GET", "secret/data/a", None, token)
    for path in ("sys/wrapping/lookup", "sys/wrapping/unwrap", "sys/wrapping/rewrap"):
        client.exchange("POST", path, {"token": WRONG_TOKEN}, ROOT_TOKEN)
        client.exchange("POST", path, {}, WRONG_TOKEN)
    client.exchange("LIST", "secret/metadata", None, ROOT_TOKEN)
    client.exchange("GET", "secret/data/a?help=1", None, ROOT_TOKEN)
    client.exchange("GET", "no/such/mount", None, ROOT_TOKEN)
    status, answer = client.exchange("POST", "auth/token/create", {"num_uses": 1, "policies": ["default"]}, ROOT_TOKEN)
    assert status == 200
    used_up = json.loads(answer)["auth"]["client_token"]
    for _ in range(2):
        client.exchange("GET", "auth/token/lookup-self", None, used_up)
    client.exchange("POST", "auth/token/create", {"type": "batch", "policies": ["default"]}, ROOT_TOKEN)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the audit log of a server that served and was sealed."""
    directory: Path = tmp_path_factory.mktemp("bao")
    path = directory / "audit.log"
    with running_openbao(directory, bao=bao_path(), audit_path=path) as bao:
        client = Client(bao.port)
        client.set_up()
        client.ask_many(ASKED)
        ask_oddly(client)
        client.exchange("POST", "sys/seal", None, ROOT_TOKEN)
        client.close()
    return path.read_bytes()


def test_nothing_is_alone_without_a_reason(log: bytes) -> None:
    """Each record has its other half, or a rule of its own explains it."""
    seen, pairing = look(log)
    assert ([], 0, 0) == (list(pairing.examples), seen.torn_records, seen.raw_records)
    assert {"audit-test": 1, "bad-wrapping-token": 6, "seal-or-step-down": 1} == pairing.explained
    assert seen.records == 2 * pairing.paired + sum(pairing.explained.values())
