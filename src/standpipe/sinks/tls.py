"""TLS towards a destination: verification on, a private CA, a certificate of our own."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.errors import SinkError
from standpipe.sink_keys.tls import is_host_name

if TYPE_CHECKING:
    from standpipe.config_sinks import SinkConfig

MIN_VERSION = ssl.TLSVersion.TLSv1_2  # RFC 8996 retired the versions below
LASTING_REASONS = ("CERT", "UNKNOWN_CA", "HANDSHAKE", "VERSION", "PROTOCOL", "HTTP_REQUEST", "ACCESS_DENIED", "CIPHER")
"""Parts of OpenSSL's reason codes (openssl/sslerr.h) that time alone does not mend: what the two sides are or have."""

FileMark = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How to speak TLS; paths of PEM files. key None: the key is in the file `cert`. server_name None: the host's."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    server_name: str | None = None
    verify: bool = True


def tls_options(config: SinkConfig) -> TlsOptions:
    """Return a sink's TLS options. Verification is on unless it was turned off."""
    return TlsOptions(
        ca=config.text("tls.ca") or None,
        cert=config.text("tls.cert") or None,
        key=config.text("tls.key") or None,
        server_name=config.text("tls.server_name") or None,
        verify=config.options.get("tls.verify") is not False,
    )


def context(options: TlsOptions) -> ssl.SSLContext:
    """Return a context for clients that has read the files; it does not see them change, see file_marks.

    Raises SinkError where a file cannot be used, or server_name is no name.
    """
    if options.server_name is not None and not is_host_name(options.server_name):
        raise SinkError("tls.server_name is no host name", "Write the name as it stands in the certificate")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and its name
    made.minimum_version = MIN_VERSION
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what tls.ca holds is trusted, be it no root
    if not options.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif options.ca is None:
        made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if options.ca is not None:
        _load_ca(made, options.ca)
    if options.cert is not None:
        _load_own(made, options.cert, options.key)
    return made


def file_marks(options: TlsOptions) -> tuple[FileMark, ...]:
    """Return marks that change when a file is renewed: then make a new context. A missing file's marks are zeros."""
    return tuple(_mark(path) for path in (options.ca, options.cert, options.key) if path is not None)


class FreshContext:
    """The context of one sink: made anew when a file of it was renewed. One thread."""

    def __init__(self, options: TlsOptions) -> None:
        """Read the files. Raises SinkError, as `context` does."""
        self._options = options
        self._marks = file_marks(options)
        self._context = context(options)

    def get(self) -> ssl.SSLContext:
        """Return it, with the files as they are now. Raises SinkError."""
        marks = file_marks(self._options)
        if marks != self._marks:
            self._context = context(self._options)
            self._marks = marks
        return self._context


def is_lasting(error: BaseException) -> bool:
    """Say whether a failed handshake is a matter of certificates or versions: only a person can mend that.

    A connection that broke during the handshake is not.
    """
    if not isinstance(error, ssl.SSLError):
        return False
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return False
    reason = getattr(error, "reason", None) or ""  # an error that Python itself raises has none
    return isinstance(error, ssl.SSLCertVerificationError) or any(part in reason for part in LASTING_REASONS)


def words(error: ssl.SSLError) -> str:
    """Return what OpenSSL says, in one line, without its source file and line number."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = str(getattr(error, "verify_message", "") or error)
        return f"the server's certificate was refused: {detail.rstrip('.')}"
    reason = str(getattr(error, "reason", "") or error).lower().replace("_", " ")
    return f"TLS failed: {reason}"


def _mark(path: str) -> FileMark:
    try:
        status = os.stat(path)
    except OSError:
        return (path, 0, 0, 0, 0)
    return (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _load_ca(made: ssl.SSLContext, path: str) -> None:
    try:
        made.load_verify_locations(cafile=path)
    except OSError as error:  # SSLError is one
        reason = words(error) if isinstance(error, ssl.SSLError) else error.strerror
        raise SinkError(
            f"The CA file (tls.ca) cannot be used: {reason}: {path}",
            "Give a PEM file with at least one certificate, readable by the user that standpipe runs as",
        ) from error


def _load_own(made: ssl.SSLContext, cert: str, key: str | None) -> None:
    where = f"{cert} and {key}" if key else cert
    try:
        made.load_cert_chain(cert, key, password=_no_password)
    except OSError as error:
        reason = words(error) if isinstance(error, ssl.SSLError) else error.strerror
        raise SinkError(
            f"Our certificate and key (tls.cert, tls.key) cannot be used: {reason}: {where}",
            "Give PEM files that belong together, the key without a passphrase, readable by standpipe's user",
        ) from error


def _no_password() -> str:
    """Answer OpenSSL, which would ask the terminal for the passphrase of an encrypted key, and wait."""
    return ""
