"""The counting, after everything has stopped: expected, captured, delivered, each from its own source.

Expected comes from the client's own list, captured from the journal's files, delivered from the raw bytes of stdout.
Nothing here uses the code that captures, delivers or verifies.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.demo.alignment import Alignment, ListedRepeat, align, split_records
from standpipe.demo.expectation import Name, count_records, expected_records
from standpipe.demo.journal_bytes import JournalBytes, listed_repeats, other_incidents, read_journal
from standpipe.demo.requests import START_UP_RECORDS
from standpipe.demo.result import NAMES_SHOWN, PhaseResult, Result
from standpipe.errors import EXIT_OK

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from standpipe.demo.client import VaultClient
    from standpipe.demo.phases import Play
    from standpipe.demo.stage import Stage

VERIFY_SECONDS = 120.0  # it reads a few megabytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `standpipe verify` said."""

    exit_status: int
    word: str


def run_verify(journal: Path) -> Verdict:
    """Run the real command on the journal."""
    command = [sys.executable, "-P", "-m", "standpipe", "verify", "--journal", str(journal), "--json"]
    done = subprocess.run(command, capture_output=True, timeout=VERIFY_SECONDS, check=False)
    try:
        word = str(json.loads(done.stdout)["verdict"])
    except (ValueError, KeyError, TypeError):
        word = "no verdict"
    return Verdict(done.returncode, word)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The three sources side by side."""

    expected: Counter[Name]
    captured: Counter[Name]
    delivered: Counter[Name]
    journal: JournalBytes
    repeats: list[ListedRepeat]
    alignment: Alignment


def gather(client: VaultClient, stage: Stage) -> Evidence:
    """Read everything. Raises OSError."""
    journal = read_journal(stage.journal)
    repeats = listed_repeats(stage.journal)
    alignment = align(stage.stdout_copy.read_bytes(), journal.data, journal.first_offset, repeats)
    return Evidence(
        expected=expected_records(client.audited),
        captured=count_records(split_records(journal.data)),
        delivered=count_records(alignment.delivered),
        journal=journal,
        repeats=repeats,
        alignment=alignment,
    )


def _names(names: Counter[Name]) -> str:
    shown = [" ".join(part for part in name if part) for name in list(names.elements())[:NAMES_SHOWN]]
    more = names.total() - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def what_is_wrong(evidence: Evidence, client: VaultClient, verify: Verdict, run_status: int) -> list[str]:
    """Say everything that is not as it must be; empty where all is right."""
    alignment, journal = evidence.alignment, evidence.journal
    findings = [
        ("records that the journal never got", evidence.expected - evidence.captured),
        ("records in the journal that nobody caused", evidence.captured - evidence.expected),
        ("records that never came out on stdout", evidence.expected - evidence.delivered),
        ("records on stdout that nobody caused", evidence.delivered - evidence.expected),
    ]
    wrong = [f"{names.total():,} {what}: {_names(names)}" for what, names in findings if names]
    counts = [
        (alignment.missing, "lines of the journal are not on stdout"),
        (len(alignment.strangers), "lines on stdout are not in the journal"),
        (alignment.repeated_unlisted, "records came twice and ship did not list them"),
        (alignment.out_of_order, "times stdout was out of order"),
        (len(client.unexpected), f"requests were not answered as they must be: {client.unexpected[:1]}"),
    ]
    wrong += [f"{number:,} {what}" for number, what in counts if number]
    wrong += journal.damage
    if not alignment.same_digest:
        wrong.append("stdout without its repeats is not, byte for byte, the journal")
    if verify.exit_status != EXIT_OK:
        wrong.append(f"standpipe verify says {verify.word} (exit status {verify.exit_status})")
    if run_status != EXIT_OK:
        wrong.append(f"standpipe run ended with exit status {run_status}")
    return wrong


def count(stage: Stage, client: VaultClient, play: Play, run_status: int) -> Result:
    """Count everything and judge it. Raises OSError where the files cannot be read."""
    evidence = gather(client, stage)
    verify = run_verify(stage.journal)
    alignment, journal = evidence.alignment, evidence.journal
    phases = [
        PhaseResult(phase.name, phase.title, play.requests(phase), play.longest_seconds(phase), phase.note)
        for phase in play.phases
    ]
    return Result(
        server=stage.server_version,
        seconds=(play.phases[-1].ended or 0.0) - (play.phases[0].began or 0.0),
        requests_made=client.made,
        requests_audited=len(client.audited),
        requests_not_audited=client.not_audited,
        records_start_up=len(START_UP_RECORDS),
        records_expected=evidence.expected.total(),
        records_captured=evidence.captured.total(),
        records_delivered=len(alignment.delivered),
        records_lost=(evidence.expected - evidence.delivered).total(),
        records_unexpected=(evidence.delivered - evidence.expected).total(),
        records_repeated=alignment.repeated,
        repeats_listed=len(evidence.repeats),
        cut_lines=alignment.cut_lines,
        journal_bytes=len(journal.data),
        stdout_bytes=stage.consumer.bytes_read,
        segments=journal.segments,
        seals=journal.seals,
        digests_equal=alignment.same_digest,
        verify_exit_status=verify.exit_status,
        verify_verdict=verify.word,
        run_exit_status=run_status,
        phases=phases,
        incidents=other_incidents(stage.journal),
        wrong=what_is_wrong(evidence, client, verify, run_status),
    )
