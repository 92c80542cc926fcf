from __future__ import annotations

import shutil
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.preflight import FAILED, WARNING, perform
from standpipe.sinks.base import Delivered, Retry
from tests.sinks.batches import batch_of
from tests.sinks.certificates import Certificates, make_certificates
from tests.sinks.http_destination import HttpDestination
from tests.sinks.http_rig import http_sink, numbered

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.sinks.base import Outcome


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates, good and bad."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def sent(url: str, **options: object) -> Outcome:
    """Return what comes of one small batch."""
    sink = http_sink(url, **options)  # type: ignore[arg-type]
    try:
        return sink.send(batch_of(sink, numbered(2)))
    finally:
        sink.close()


def refused(outcome: Outcome) -> str:
    """Return the words of a config fault."""
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    return outcome.why


def test_a_private_ca_is_trusted_when_it_is_given(certificates: Certificates) -> None:
    """With its CA in tls.ca a server takes records."""
    with HttpDestination(certificates.server_context(certificates.server)) as destination:
        assert Delivered() == sent(destination.url, tls__ca=certificates.ca)
        assert len(destination.ids) == 2


@pytest.mark.parametrize(
    ("server", "ca", "words"),
    [
        ("stranger", "ca", "unable to get local issuer certificate"),
        ("server", None, "unable to get local issuer certificate"),
        ("expired", "ca", "certificate has expired"),
        ("other_name", "ca", "Hostname mismatch"),
    ],
)
def test_a_wrong_certificate_is_a_config_fault(
    certificates: Certificates, server: str, ca: str | None, words: str
) -> None:
    """A strange CA, an expired certificate and another host's name are refused, and nothing is sent."""
    with HttpDestination(certificates.server_context(getattr(certificates, server))) as destination:
        chosen = None if ca is None else getattr(certificates, ca)
        assert words in refused(sent(destination.url, tls__ca=chosen))
        assert destination.requests == []


def test_another_name_may_be_asked_for(certificates: Certificates) -> None:
    """tls.server_name is the name that must be in the certificate, in place of the host's."""
    with HttpDestination(certificates.server_context(certificates.other_name)) as destination:
        asked = "elsewhere.example"
        assert Delivered() == sent(destination.url, tls__ca=certificates.ca, tls__server_name=asked)
    with HttpDestination(certificates.server_context(certificates.server)) as destination:
        told = refused(sent(destination.url, tls__ca=certificates.ca, tls__server_name=asked))
        assert "Hostname mismatch" in told


def test_a_client_certificate_is_shown(certificates: Certificates) -> None:
    """A server that asks for one takes ours."""
    context = certificates.server_context(certificates.server, client_required=True)
    with HttpDestination(context) as destination:
        assert Delivered() == sent(destination.url, tls__ca=certificates.ca, tls__cert=certificates.client)


@pytest.mark.parametrize("shown", [None, "stranger"])
def test_a_missing_or_strange_client_certificate_is_a_config_fault(
    certificates: Certificates, shown: str | None
) -> None:
    """The server's alert comes after our handshake, in TLS 1.3, and is understood all the same."""
    context = certificates.server_context(certificates.server, client_required=True)
    with HttpDestination(context) as destination:
        cert = None if shown is None else getattr(certificates, shown)
        # Once in thousands of times the reset of the closed connection overtakes the alert: then the next try tells.
        outcomes = (sent(destination.url, tls__ca=certificates.ca, tls__cert=cert) for _ in range(10))
        told = next(outcome.why for outcome in outcomes if isinstance(outcome, Retry) and outcome.config_fault)
        assert "certificate" in told or "unknown ca" in told
        assert destination.requests == []


def test_verification_can_be_turned_off_and_the_check_warns(certificates: Certificates) -> None:
    """With tls.verify: false any certificate will do; `check` says that this is no good."""
    with HttpDestination(certificates.server_context(certificates.expired)) as destination:
        assert Delivered() == sent(destination.url, tls__verify=False)
        sink = http_sink(destination.url, tls__verify=False)
        assert [WARNING] == [result.state for result in perform(sink.checks())]
        sink.close()


def test_the_check_finds_a_wrong_certificate(certificates: Certificates) -> None:
    """What would stop the first batch fails the check."""
    with HttpDestination(certificates.server_context(certificates.stranger)) as destination:
        sink = http_sink(destination.url, tls__ca=certificates.ca)
        (result,) = perform(sink.checks())
        sink.close()
    assert result.state == FAILED
    assert "certificate was refused" in result.found


def test_a_renewed_ca_file_is_taken_up(certificates: Certificates, tmp_path: Path) -> None:
    """A CA that is replaced in its file is trusted from the next batch on, without a restart."""
    path = tmp_path / "ca.pem"
    shutil.copyfile(certificates.other_ca, path)
    with HttpDestination(certificates.server_context(certificates.server)) as destination:
        sink = http_sink(destination.url, tls__ca=str(path))
        batch = batch_of(sink, numbered(1))
        refused(sink.send(batch))
        shutil.copyfile(certificates.ca, tmp_path / "new.pem")
        (tmp_path / "new.pem").rename(path)
        assert Delivered() == sink.send(batch)
        sink.close()


def test_tls_towards_a_server_without_it_is_a_config_fault() -> None:
    """https:// to a port that speaks plain HTTP will not pass by itself."""
    with HttpDestination() as destination:
        told = refused(sent(f"https://localhost:{destination.port}/"))
        assert "TLS failed" in told


def test_a_broken_handshake_may_pass(certificates: Certificates) -> None:
    """A server that is going down cuts connections in any state: that is no config fault."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept_and_close() -> None:
        connection, _ = listener.accept()
        connection.recv(1)
        connection.close()

    thread = threading.Thread(target=accept_and_close)
    thread.start()
    outcome = sent(f"https://localhost:{listener.getsockname()[1]}/", tls__ca=certificates.ca)
    thread.join()
    listener.close()
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
