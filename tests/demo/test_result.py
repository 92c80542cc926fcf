"""The closing table."""

from __future__ import annotations

import dataclasses

from standpipe.demo.result import PhaseResult, Result, table

RESULT = Result(
    server="1.2.3",
    seconds=25.2,
    requests_made=1009,
    requests_audited=898,
    requests_not_audited=111,
    records_start_up=7,
    records_expected=1803,
    records_captured=1803,
    records_delivered=1803,
    records_lost=0,
    records_unexpected=0,
    records_repeated=3,
    repeats_listed=1,
    cut_lines=1,
    journal_bytes=2500333,
    stdout_bytes=2510333,
    segments=10,
    seals=9,
    digests_equal=True,
    verify_exit_status=0,
    verify_verdict="complete",
    run_exit_status=0,
    phases=[
        PhaseResult("calm", "calm", 181, 0.0092, ""),
        PhaseResult("ship", "kill -9 ship", 1186, 1.016, "process 1044 → 1106 → 1108"),
        PhaseResult("calm-again", "calm again", 0, None, ""),
    ],
)

TABLE = """\
OpenBao 1.2.3 under `standpipe run`, 25 s

  requests by the client           1,009  898 audited, the others to sys/health
  records expected                 1,803  2 x 898 audited + 7 at server start
  captured in the journal          1,803  2,500,333 bytes, 10 segments, 9 seals
  delivered on stdout              1,803  sha256 as the journal's
  lost                                 0
  repeated                             3  all listed; 1 line cut by kill -9
  standpipe verify              complete  exit status 0

  Vault's longest request                 requests
    calm                            9 ms       181
    kill -9 ship                1,016 ms     1,186  process 1044 → 1106 → 1108
    calm again                         -         0

Every count is right: nothing lost, nothing altered, nothing repeated in secret."""


def test_table() -> None:
    """Every number has its line, and the last one says what they mean."""
    assert TABLE.splitlines() == table(RESULT)


def test_what_is_wrong_is_said() -> None:
    """Each wrong count has a line, and the verdict is the other one."""
    result = dataclasses.replace(RESULT, wrong=["2 records are gone"], digests_equal=False)
    assert ["  WRONG: 2 records are gone", "Something is wrong: this must not happen. Please report it."] == table(
        result
    )[-2:]
    assert any("sha256 is NOT the journal's" in line for line in table(result))
    assert "wrong" == result.as_json()["verdict"]
    assert "right" == RESULT.as_json()["verdict"]
