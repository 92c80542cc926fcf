"""Every form in which log systems give records back: tests/evidence/copies has one file of each, as the tool writes it.

Each holds the same four records and the seal of their segment, once.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from standpipe.evidence.copies import CopiesOptions, verify_copies
from standpipe.evidence.copy_integrity import ENCODED_ANEW
from standpipe.evidence.unwrap import unwrap
from tests.evidence.copied import JOURNAL, Delivered, vault_record

if TYPE_CHECKING:
    from collections.abc import Callable

COPIES = Path(__file__).parent / "copies"
FORMS = {  # what is said of each; whether its bytes can be proven
    "cloud-logging-text.jsonl": ("cloud-logging", True),
    "cloud-logging.json": ("cloud-logging", False),
    "cloud-logging.jsonl": ("cloud-logging", False),
    "compose.log": ("compose", True),
    "cri-offset-zone.log": ("cri", True),
    "cri.log": ("cri", True),
    "docker.log": ("docker", True),
    "ecs-original.jsonl": ("elasticsearch", True),
    "elasticsearch-search.json": ("elasticsearch", True),
    "elasticsearch.jsonl": ("elasticsearch", True),
    "filebeat.jsonl": ("message", True),
    "fluent-bit.jsonl": ("docker", True),
    "http-array.json": ("lines", True),
    "journald.jsonl": ("journald", True),
    "jq.json": ("lines", True),
    "kcat.jsonl": ("kafka", True),
    "kubectl-prefix-timestamps.log": ("kubectl", True),
    "kubectl.log": ("lines", True),
    "loki-api.json": ("loki", True),
    "loki.jsonl": ("loki", True),
    "otlp-fields.jsonl": ("otlp", True),
    "otlp.jsonl": ("otlp", True),
    "rsyslog-file-iso.log": ("syslog", True),
    "rsyslog-file.log": ("syslog", True),
    "splunk.jsonl": ("splunk", True),
    "stdout-gcp.jsonl": ("lines", True),
    "stdout.jsonl": ("lines", True),
    "syslog-raw.log": ("syslog", True),
    "syslog.log": ("syslog", True),
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def whole() -> Delivered:
    """Return what is in every file."""
    made = Delivered()
    for number in range(4):
        made.add(vault_record(number))
    made.seal()
    return made


def test_every_fixture_is_tried() -> None:
    """No file is left out."""
    assert sorted(FORMS) == sorted(path.name for path in COPIES.iterdir())


@pytest.mark.parametrize("name", FORMS)
def test_the_records_come_out_of_every_form(name: str) -> None:
    """All four records and the seal are found, they tile, and the digest holds where the form keeps the bytes."""
    form, provable = FORMS[name]
    result = verify_copies([str(COPIES / name)], CopiesOptions())
    (found,) = result.journals
    (facts,) = result.inputs
    assert result.verdict == "complete"
    assert (found.journal, found.base, found.end, found.records, found.seals) == (JOURNAL, 0, whole().offset, 4, 1)
    assert (found.damaged, found.holes, found.repeated) == ((), (), 0)
    assert (found.proven, found.unproven) == ((1, ()) if provable else (0, ((ENCODED_ANEW, 1),)))
    assert result.pairing is not None
    assert (result.pairing.paired, result.pairing.unexplained) == (2, 0)
    assert facts.forms == {form: 5}


@pytest.mark.parametrize("name", FORMS)
def test_a_record_that_is_left_out_is_missed_in_every_form(name: str, tmp_path: Path) -> None:
    """The second record's length is changed everywhere in the file to that of none: what follows it shows a hole."""
    made = whole()
    start, end = made.ranges[1]
    text = (COPIES / name).read_bytes()
    changed = text.replace(b"%020d" % start, b"%020d" % 9_999_999)
    assert changed != text
    (tmp_path / name).write_bytes(changed)
    result = verify_copies([str(tmp_path / name)], CopiesOptions())
    (found,) = result.journals
    assert (result.verdict, found.holes) == ("incomplete", ((start, end),))
    assert result.inputs[0].odd == {"envelope-wrong": 1}


@pytest.mark.parametrize("kind", PACKERS)
def test_compressed_inputs(kind: str, tmp_path: Path) -> None:
    """A compressed file is known by its content, whatever its name; one that is cut short is told."""
    packed = PACKERS[kind]((COPIES / "stdout.jsonl").read_bytes())
    path = tmp_path / "copy"
    path.write_bytes(packed)
    result = verify_copies([str(path)], CopiesOptions())
    assert (result.verdict, result.inputs[0].compression, result.journals[0].proven) == ("complete", kind, 1)
    path.write_bytes(packed[: len(packed) // 2])
    cut = verify_copies([str(path)], CopiesOptions())
    assert cut.verdict != "complete"
    assert len(cut.unreadable) == 1


def test_all_forms_at_once() -> None:
    """All files together are one journal, with every record many times."""
    result = verify_copies([str(COPIES / name) for name in FORMS], CopiesOptions())
    (found,) = result.journals
    assert (result.verdict, found.records, found.proven, found.damaged) == ("complete", 4, 1, ())
    assert (found.copies, found.repeated) == (4 * len(FORMS), 4 * (len(FORMS) - 1))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"{",
        b"[",
        b'{"message":{"a":1}}',
        b'{"data":[1]}',
        b'{"log":"x"}',
        b'{"values":[[1,2],3]}',
        b"\xff{",
    ],
)
def test_other_lines_pass(line: bytes) -> None:
    """A line of something else comes out as a line, and nothing is raised."""
    assert all(isinstance(carrier.text, bytes) for carrier in unwrap(line))


def test_systems_inside_each_other() -> None:
    """A Kafka message that holds a log entry that holds the line is opened three times."""
    (line,) = whole().lines[:1]
    inner = b'{"textPayload":%b}' % _text(line)
    (carrier,) = unwrap(b'{"topic":"t","payload":%b}' % _text(inner))
    assert (carrier.text, carrier.form, carrier.reencoded) == (line, "cloud-logging", False)


def _text(line: bytes) -> bytes:
    return b'"' + line.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
