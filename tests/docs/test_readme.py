"""The README: its transcript has the demo's shape, and its three entrypoints work with a real server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from standpipe.demo.phases import all_phases
from standpipe.demo.result import PhaseResult, Result, table
from standpipe.vault.server import audit_config, free_port
from tests.docs.pages import README, blocks, section
from tests.docs.session import on_stage

if TYPE_CHECKING:
    from pathlib import Path

ENTRYPOINTS = [block.text for block in blocks(README, "sh") if "vault server" in block.text]
WAIT = """
for try in $(seq 600); do
    grep -qs '"operation":"update".*"path":"sys/audit/test"' stdout.log && break
    sleep 0.1
done
grep -c '"path":"sys/audit/test"' stdout.log
"""


def transcript() -> list[str]:
    """Return the lines of the demo's transcript."""
    (block,) = blocks(README, "text")
    return block.text.splitlines()


def number(label: str) -> int:
    """Return the number beside a label of the transcript's table."""
    (found,) = re.findall(rf"^  {re.escape(label)} +([\d,]+)", "\n".join(transcript()), re.MULTILINE)
    return int(found.replace(",", ""))


def phase(line: str) -> PhaseResult:
    """Return an act as the transcript shows it."""
    match = re.fullmatch(r"    (.+?) +([\d,]+) ms +([\d,]+) *(.*)", line)
    assert match, line
    longest, requests = (int(match[i].replace(",", "")) for i in (2, 3))
    return PhaseResult("", match[1], requests, longest / 1000, match[4])


def test_the_transcript_is_what_the_demo_prints() -> None:
    """The demo's own code makes the same table of the transcript's numbers, and the acts are the demo's."""
    lines = transcript()
    begin = next(i for i, line in enumerate(lines) if line.endswith("under `standpipe run`, 25 s"))
    shown = lines[begin:]
    acts = [phase(line) for line in shown if line.startswith("    ")]
    assert [act.title for act in all_phases()] == [act.title for act in acts]
    assert [act.title for act in all_phases()] == [m[1] for m in map(re.compile(r" +[\d.]+ s  (.*)").match, lines) if m]
    audited, _ = (int(n) for n in re.findall(r"2 x (\d+) audited \+ (\d+)", "\n".join(shown))[0])
    size, segments, seals = re.findall(r"([\d,]+) bytes, (\d+) segments, (\d+) seals", "\n".join(shown))[0]
    result = Result(
        server=shown[0].split()[1],
        seconds=25,
        requests_made=number("requests by the client"),
        requests_audited=audited,
        requests_not_audited=number("requests by the client") - audited,
        records_start_up=number("records expected") - 2 * audited,
        records_expected=number("records expected"),
        records_captured=number("captured in the journal"),
        records_delivered=number("delivered on stdout"),
        records_lost=number("lost"),
        records_unexpected=0,
        records_repeated=number("repeated"),
        repeats_listed=0,
        cut_lines="\n".join(shown).count("1 line cut by kill -9"),
        journal_bytes=int(size.replace(",", "")),
        stdout_bytes=0,
        segments=int(segments),
        seals=int(seals),
        digests_equal=True,
        verify_exit_status=0,
        verify_verdict="complete",
        run_exit_status=0,
        phases=acts,
    )
    assert table(result) == shown


def test_the_first_screen() -> None:
    """Sentence, picture and the two commands stand before the first heading, and the promises follow."""
    first = README.read_text().partition("\n## ")[0]
    assert [] == [
        words for words in ("make demo", "make test", "Vault ─▶ FIFO ─▶ reserve ─▶ segments") if words not in first
    ]
    assert section(README, "What it promises").count("\n|") >= 10


@pytest.mark.parametrize("entrypoint", range(len(ENTRYPOINTS)))
def test_every_entrypoint_puts_the_audit_log_on_stdout(entrypoint: int, tmp_path: Path) -> None:
    """Before, the smallest step, and all of it: run as they stand, with a real OpenBao as ``vault``."""
    port = free_port()
    server = f'exec bao "$@" -dev -dev-no-store-token -dev-listen-address=127.0.0.1:{port}'
    script = f"""
cat > /vault/config/audit.hcl <<'end'
{audit_config("/vault/audit/pipe")}
end
cat > entrypoint <<'end'
{ENTRYPOINTS[entrypoint]}
end
bash entrypoint > stdout.log 2> stderr.log &
{WAIT}
"""
    assert "1\n" == on_stage(tmp_path, script, {"vault": server})


def test_there_are_three_entrypoints() -> None:
    """Each of them has at most three lines."""
    assert 3 == len(ENTRYPOINTS)
    assert [] == [text for text in ENTRYPOINTS if text.count("\n") > 3]
