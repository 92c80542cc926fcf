"""The front of the conformance suite (standpipe.testing): which sinks there are, and which cases each one runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from standpipe.config_keys import SINK_TYPES
from standpipe.testing.cases import CASES, Case, as_markdown, cases_of, run_case
from standpipe.testing.destination import Certificates, Kind
from tests.docs.pages import DOCS
from tests.sinks import (
    conformance_file,
    conformance_fluent,
    conformance_gcp,
    conformance_http,
    conformance_kafka,
    conformance_objects,
    conformance_otlp,
    conformance_syslog,
)
from tests.sinks.certificates import make_certificates

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (
    conformance_gcp.KIND,
    conformance_fluent.KIND,
    conformance_otlp.KIND,
    conformance_kafka.KIND,
    conformance_objects.S3,
    conformance_objects.AZURE,
    conformance_objects.DIRECTORY,
    conformance_syslog.KIND,
    conformance_http.KIND,
    conformance_file.KIND,
)
PAIRS = [pytest.param(kind, case, id=f"{kind.name}-{case.name}") for kind in KINDS for case in cases_of(kind)]
PAGE = DOCS / "sinks" / "conformance.md"

ALL = {"everything arrives", "stop and start", "sent again", "down, then up", "killed again and again", "check"}
RECORDS = {"record larger than a batch", "oversize record", "filtered is not lost", "no seals if not wanted"}
NETWORK = {"ambiguous failure", "cut inside a request", "slow", "killed between send and ack"}
TLS = {"private CA", "unknown CA", "another host's certificate", "expired certificate"}
CREDENTIALS = {"credentials expire", "secrets stay secret"}
REFUSES = {"partial failure", "first record refused"}
STREAM = ALL | RECORDS | NETWORK | TLS | {"order"}
EXPECTED = {
    "gcp": STREAM | CREDENTIALS | REFUSES | {"batch limits"},
    "fluent": STREAM | CREDENTIALS | {"batch limits", "client certificate"},
    "otlp": STREAM
    | CREDENTIALS
    | REFUSES
    | {"batch limits", "client certificate", "too large for the destination", "refused, and not named"},
    "kafka": STREAM | {"client certificate"},
    "objects s3": ALL | NETWORK | TLS,
    "objects az": ALL | NETWORK | CREDENTIALS,
    "objects file": ALL,
    "syslog": STREAM | {"client certificate"},
    "http": STREAM | CREDENTIALS | REFUSES | {"batch limits", "client certificate", "too large for the destination"},
    "file": ALL | RECORDS | {"order"},
}
"""Written out, so that a case that a sink runs no longer is missed."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates, good and bad."""
    made = make_certificates(tmp_path_factory.mktemp("certificates"))
    return Certificates(**{field.name: getattr(made, field.name) for field in dataclasses.fields(Certificates)})


def test_each_sink_runs_exactly_these_cases() -> None:
    """The table of cases and sinks is the one above: none vanishes unseen."""
    assert EXPECTED == {kind.name: {case.name for case in cases_of(kind)} for kind in KINDS}


def test_no_case_and_no_type_of_sink_is_left_out() -> None:
    """Each case has a sink, and each type but stdout, which delivers no batches, a row."""
    assert {case.name for case in CASES} == set().union(*EXPECTED.values())
    assert set(SINK_TYPES) - {"stdout"} == {kind.name.partition(" ")[0] for kind in KINDS}


def test_the_page_shows_the_table() -> None:
    """docs/sinks/conformance.md has the tables as they are made from the suite."""
    text = PAGE.read_text()
    assert as_markdown(KINDS) == text[text.index("| case |") :]


@pytest.mark.parametrize(("kind", "case"), PAIRS)
def test_conformance(kind: Kind, case: Case, tmp_path: Path, certificates: Certificates) -> None:
    """Each sink does in each case that it can meet what every sink must; see docs/sinks/conformance.md."""
    run_case(case, kind, str(tmp_path), certificates)
