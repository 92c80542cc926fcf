from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from standpipe.config_sinks import SinkConfig
from standpipe.errors import SinkError
from standpipe.sinks.tls import FreshContext, TlsOptions, context, file_marks, is_lasting, tls_options

if TYPE_CHECKING:
    from pathlib import Path


def test_verification_is_on_unless_it_is_turned_off() -> None:
    """Without any option the certificate and its name are verified, with TLS 1.2 at least."""
    made = context(tls_options(SinkConfig("web", "http")))
    assert made.verify_mode == ssl.CERT_REQUIRED
    assert made.check_hostname
    assert made.minimum_version == ssl.TLSVersion.TLSv1_2
    off = context(tls_options(SinkConfig("web", "http", options={"tls.verify": False})))
    assert off.verify_mode == ssl.CERT_NONE


def test_the_options_come_from_the_config() -> None:
    """Each option has its place; an empty one counts as not given."""
    options = {"tls.ca": "/ca", "tls.cert": "/cert", "tls.key": "", "tls.server_name": "name", "tls.verify": True}
    expected = TlsOptions(ca="/ca", cert="/cert", key=None, server_name="name", verify=True)
    assert expected == tls_options(SinkConfig("web", "http", options=options))


@pytest.mark.parametrize("name", [".example", "a" * 64, "a\nb", "a\0b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """Later the ssl module would raise errors of its own kinds."""
    with pytest.raises(SinkError, match="no host name"):
        context(TlsOptions(server_name=name))


def test_a_private_ca_takes_the_place_of_the_systems(tmp_path: Path) -> None:
    """With tls.ca nothing else is trusted."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert context(TlsOptions(ca=str(tmp_path / "ca.pem"))).cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or wrong file is told with its path and a remedy."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SinkError) as caught:
        context(TlsOptions(ca=str(path)))
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """Certificate and key must belong together."""
    authority = trustme.CA()
    one, other = authority.issue_cert("one.example"), authority.issue_cert("other.example")
    one.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    with pytest.raises(SinkError, match="key values mismatch"):
        context(TlsOptions(cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem")))


def test_a_key_with_a_passphrase_is_refused_instead_of_asked_for(tmp_path: Path) -> None:
    """OpenSSL would ask the terminal, and a daemon would wait for ever."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - trustme brings it
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    issued = trustme.CA().issue_cert("one.example")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret"))
    (tmp_path / "key.pem").write_bytes(locked)
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    with pytest.raises(SinkError, match="without a passphrase"):
        context(TlsOptions(cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem")))


def test_a_renewed_file_has_another_mark(tmp_path: Path) -> None:
    """Whoever holds a context can see that a file was replaced, or has gone."""
    options = TlsOptions(ca=str(tmp_path / "ca.pem"), cert=str(tmp_path / "cert.pem"))
    missing = file_marks(options)
    (tmp_path / "ca.pem").write_text("one")
    first = file_marks(options)
    (tmp_path / "new.pem").write_text("two")
    (tmp_path / "new.pem").rename(tmp_path / "ca.pem")
    assert len({missing, first, file_marks(options)}) == 3
    assert file_marks(options) == file_marks(options)


def test_a_connection_that_broke_is_no_lasting_failure() -> None:
    """Only certificates and versions need a person; a handshake that was cut off does not."""
    assert not is_lasting(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))
    assert not is_lasting(ConnectionResetError())
    assert is_lasting(ssl.SSLCertVerificationError(1, "certificate verify failed"))


def test_a_fresh_context_is_made_anew_with_its_files(tmp_path: Path) -> None:
    """As long as no file of it was renewed, it is the same one."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(trustme.CA().cert_pem.bytes())
    fresh = FreshContext(TlsOptions(ca=str(ca)))
    first = fresh.get()
    assert first is fresh.get()
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    other.rename(ca)
    renewed = fresh.get()
    assert first is not renewed
    assert renewed is fresh.get()
    ca.unlink()
    with pytest.raises(SinkError):
        fresh.get()
