"""Access tokens for Google's APIs: fetched before the old one ends, one try at a time, shared by all senders.

Where the credentials come from, the first that is there (Application Default Credentials,
https://cloud.google.com/docs/authentication/application-default-credentials): the sink's option `credentials`; the
file that GOOGLE_APPLICATION_CREDENTIALS names; gcloud's own file; the metadata server. google-auth makes tokens out of
files. A file is read anew for each token, so a key that was replaced is taken up; the content is never in a message.
"""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from google.auth import exceptions, transport

from standpipe.config_sinks import Secret
from standpipe.errors import SinkError
from standpipe.sinks.base import Retry
from standpipe.sinks.http_client import HttpClient
from standpipe.sinks.secret import read_secret
from standpipe.sinks.tls import TlsOptions
from standpipe.sinks.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.auth.credentials import Credentials

    from standpipe.sinks.gcp_metadata import MetadataServer
    from standpipe.sinks.http_client import Response

SCOPES = ("https://www.googleapis.com/auth/logging.write",)
ENVIRONMENT_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
GCLOUD_DIRECTORY = "CLOUDSDK_CONFIG"
GCLOUD_FILE = "application_default_credentials.json"

RENEW_BEFORE_SECONDS = 225.0
"""How long before its end a token is renewed: google-auth's REFRESH_THRESHOLD. The metadata server hands out the old
one until 5 minutes before its end."""
TIMEOUT_SECONDS = 10.0  # of a request for a token; senders wait for it

TYPES = ("service_account", "external_account", "authorized_user")
REMEDY = "Give a service account's key, an external account's configuration, or what gcloud wrote"


class _Made(Protocol):
    """What all of google-auth's credentials have."""

    token: str | None
    expiry: datetime | None

    def refresh(self, request: transport.Request) -> None: ...


class _Answer(transport.Response):
    """An answer in google-auth's form."""

    def __init__(self, response: Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.body


class Transport(transport.Request):
    """google-auth's requests over our HTTP client. `ca`: a PEM file instead of the system's certificates, or None."""

    def __init__(self, ca: str | None) -> None:
        self._tls = TlsOptions(ca=ca)

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_unused: object,
    ) -> _Answer:
        """Send one request. Raises google.auth's TransportError where there is no answer."""
        try:
            client = HttpClient(url, tls=self._tls, timeout_seconds=timeout or TIMEOUT_SECONDS, connections=1)
        except SinkError as error:
            raise exceptions.TransportError(error.message) from error  # type: ignore[no-untyped-call]
        try:
            answer = client.request(method, body.encode() if isinstance(body, str) else body or b"", headers or {})
        finally:
            client.close()
        if isinstance(answer, Retry):
            lasting = answer.config_fault
            raise exceptions.TransportError(answer.why, retryable=not lasting)  # type: ignore[no-untyped-call]
        return _Answer(answer)


class Tokens:
    """The token of one sink."""

    def __init__(
        self,
        credentials: Secret | None,
        ca: str | None,
        metadata: MetadataServer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where the credentials are; nothing is read or asked before the first `get`."""
        self._clock = clock
        self._credentials = credentials
        self._transport = Transport(ca)
        self._metadata = metadata
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = self._ends_at = 0.0
        self._accepted = False
        self.project = ""
        """The project that the credentials name; "" before the first token, and where they name none."""

    def get(self) -> str | Retry:
        """Return a token that is good now, or why there is none."""
        with self._lock:
            if self._clock() < self._renew_at:
                return self._token
            fresh = self._fetch()
            if isinstance(fresh, Retry):
                return self._token if self._clock() < self._ends_at else fresh
            self._token, seconds = fresh
            now = self._clock()
            self._ends_at = now + seconds
            self._renew_at = max(self._ends_at - RENEW_BEFORE_SECONDS, now + seconds / 2)
            self._accepted = False
            return self._token

    def accepted(self) -> None:
        """Note that the API took the token."""
        self._accepted = True

    def refused(self, token: str) -> bool:
        """Note that the API did not take a token, and forget it; return whether it had been taken before.

        Then it has been withdrawn, and the next one may be good; otherwise the next one will be refused as well.
        """
        with self._lock:
            was_accepted = self._accepted
            if token == self._token:
                self._renew_at = self._ends_at = 0.0
            return was_accepted

    def _fetch(self) -> tuple[str, float] | Retry:
        try:
            secret = self._credentials or _default_file()
            if secret is None:
                return self._metadata.token(SCOPES)
            info = _read(secret)
            self.project = self.project or str(info.get("project_id") or info.get("quota_project_id") or "")
            return self._refresh(info)
        except SinkError as error:
            return Retry(str(error), config_fault=True)

    def _refresh(self, info: Mapping[str, object]) -> tuple[str, float] | Retry:
        try:
            made = _make(info)
            made.refresh(self._transport)
        except exceptions.GoogleAuthError as error:
            return _failure(error)
        except (ValueError, TypeError, KeyError, AttributeError):
            return Retry("the credentials cannot be used: a member is missing or malformed", config_fault=True)
        if not made.token or made.expiry is None:
            return Retry("the token server gave no token")
        return str(made.token), (made.expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


def _default_file() -> Secret | None:
    if path := os.environ.get(ENVIRONMENT_VARIABLE):
        return Secret(file=path)
    directory = os.environ.get(GCLOUD_DIRECTORY) or os.path.expanduser("~/.config/gcloud")
    path = os.path.join(directory, GCLOUD_FILE)
    return Secret(file=path) if os.path.isfile(path) else None


def _read(secret: Secret) -> dict[str, object]:
    """Return the credentials. Raises SinkError, without the content."""
    where = secret.file or f"the environment variable {secret.env}"
    text = read_secret(secret, "the credentials for Google Cloud")
    try:
        info = json.loads(text)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise SinkError(f"The credentials for Google Cloud are no JSON object: {where}", REMEDY)
    if info.get("type") not in TYPES:
        raise SinkError(f"The credentials for Google Cloud are of no type that can be used here: {where}", REMEDY)
    return info


def _make(info: Mapping[str, object]) -> _Made:
    """Return google-auth's credentials; its modules are imported only when they are needed."""
    makers: dict[object, Callable[[dict[str, object]], Credentials]] = {
        "service_account": _service_account,
        "external_account": _external_account,
        "authorized_user": _authorized_user,
    }
    made: _Made = makers[info["type"]](dict(info))
    return made


def _service_account(info: dict[str, object]) -> Credentials:
    from google.oauth2 import service_account  # noqa: PLC0415 - 11 MB, with cryptography

    made = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
    return cast("Credentials", made)


def _external_account(info: dict[str, object]) -> Credentials:
    source = info.get("credential_source")
    if isinstance(source, dict) and str(source.get("environment_id", "")).startswith("aws"):
        from google.auth import aws  # noqa: PLC0415

        return cast("Credentials", aws.Credentials.from_info(info, scopes=SCOPES))  # type: ignore[no-untyped-call]
    from google.auth import identity_pool  # noqa: PLC0415

    made = identity_pool.Credentials.from_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
    return cast("Credentials", made)


def _authorized_user(info: dict[str, object]) -> Credentials:
    from google.oauth2 import credentials  # noqa: PLC0415

    made = credentials.Credentials.from_authorized_user_info(info, SCOPES)  # type: ignore[no-untyped-call]
    return cast("Credentials", made)


def _failure(error: exceptions.GoogleAuthError) -> Retry:
    """Return a failure in words; the token server's own are kept short, and hold no secret of ours."""
    words = str(error.args[0]) if error.args else type(error).__name__
    return Retry(f"no token from Google: {one_line(words)}", config_fault=not error.retryable)
