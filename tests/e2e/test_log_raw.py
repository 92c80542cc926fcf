"""A real OpenBao with log_raw=true below `standpipe run`: it is noticed, and a stdout that refuses shows no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.openbao import ROOT_TOKEN, Client, bao_path, running_openbao
from tests.e2e.run_harness import Tap, incidents, journal_bytes, run_prefix, wait_until

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = 30
PASSWORD = "correct-horse-battery"  # noqa: S105 - of a user of the test's own


@pytest.mark.parametrize("form", ["raw", "json"])
def test_a_device_with_log_raw_is_noticed_and_refused(tmp_path: Path, form: str) -> None:
    """It is told while the server runs; nothing with a token or a password reaches stdout; the journal has it all."""
    config, journal, fifo = tmp_path / "standpipe.yaml", tmp_path / "journal", tmp_path / "pipe"
    config.write_text(f"sinks: {{console: {{type: stdout, format: {form}, refuse_raw: true}}}}\n")
    with (
        Tap() as tap,
        running_openbao(
            tmp_path,
            bao=bao_path(),
            audit_path=fifo,
            prefix=run_prefix(fifo, journal, config),
            stdout=tap.write_end,
            audit_options={"log_raw": "true"},
        ) as server,
    ):
        client = Client(server.port)
        client.set_up()
        client.ask_many(REQUESTS)
        client.exchange("POST", "sys/auth/userpass", {"type": "userpass"}, ROOT_TOKEN)
        client.exchange("POST", "auth/userpass/login/nobody", {"password": PASSWORD}, "")
        client.close()
        wait_until(lambda: told(journal, "console") and told(journal, None), "both incidents")
        assert server.terminate() == 0
    secrets = (ROOT_TOKEN.encode(), PASSWORD.encode(), b"wrong-a")
    written = journal_bytes(journal)
    assert [True] * len(secrets) == [secret in written for secret in secrets]
    assert [False] * len(secrets) == [secret in bytes(tap.data) for secret in secrets]
    shown = [json.loads(line)["request"]["path"] for line in bytes(tap.data).splitlines()]
    assert {"sys/audit/test"} == set(shown)  # the one record without a secret


def told(journal: Path, sink: str | None) -> bool:
    """Tell whether there is an incident: a sink's, or keep's own."""
    found = [entry["detail"] for entry in incidents(journal) if entry["kind"] == "raw-values"]
    return any(isinstance(detail, dict) and detail.get("sink") == sink for detail in found)
