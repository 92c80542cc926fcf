from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.audit_pairs import audit_pairs
from bench.verify import COMPRESSED, RAW, make_journal
from standpipe.evidence.verify import verify_journal
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("suffix", [RAW, COMPRESSED])
def test_the_journal_that_is_measured(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is complete, of several sealed segments, and every request has its response."""
    monkeypatch.setattr("bench.verify.SEGMENT_PAIRS", 100)
    size = make_journal(str(tmp_path / "journal"), 250, suffix)
    findings = verify_journal(Layout(str(tmp_path / "journal")))
    assert ("complete", 3, size, 500) == (
        findings.verdict,
        findings.seals,
        findings.checked_bytes,
        findings.records,
    )
    assert findings.seen is not None
    assert findings.seen.pairing is not None
    assert (250, 0, {}) == (
        findings.seen.pairing.paired,
        findings.seen.pairing.unexplained,
        findings.seen.pairing.explained,
    )


def test_records_have_the_size_of_real_ones() -> None:
    """Some 1.1 KB each: what a second takes depends on how many records a megabyte holds."""
    data = audit_pairs(0, 100)
    assert 1000 < len(data) / data.count(b"\n") < 1300
