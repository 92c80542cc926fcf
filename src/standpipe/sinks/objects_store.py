"""Stores of objects, by obstore: Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

See sinks.objects_contract for what a store is asked for. "Create" goes with
``If-None-Match: *`` to S3 and Azure and with ``x-goog-if-generation-match: 0`` to Google, and is one request: obstore
does not send it in parts. obstore's own retries are off where a sink asks: it tries once; a reader of an archive lets
obstore try again.

Credentials that the config names are read anew for each use, and a store is made anew when they have changed. Without
any, obstore finds them itself: environment, web identity, instance or pod role.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from standpipe.errors import SinkError
from standpipe.sinks.base import Retry
from standpipe.sinks.objects_contract import GoneError, StoreError
from standpipe.sinks.objects_failure import failure
from standpipe.sinks.secret import read_secret
from standpipe.sinks.tls import tls_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from obstore.store import ClientConfig, RetryConfig

    from standpipe.config_sinks import SinkConfig
    from standpipe.sink_keys.objects_url import Place

NO_RETRIES: RetryConfig = {"max_retries": 0}
CONNECT_SECONDS = 10.0  # a connection takes three TCP handshakes' time at most, wherever the store is
READ_RETRIES: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(minutes=1)}
"""For readers: an answer of 503 or a cut connection among thousands of requests is no verdict."""
LIST_PAGE = 1000  # names; what S3 puts into one answer
READ_BYTES = 1 << 20
FAULTS = (BaseError, OSError, ValueError)  # obstore raises FileNotFoundError and ValueError besides its own


class CloudStore:
    """A bucket or container; see the module's docstring."""

    def __init__(self, place: Place, store: obstore.store.ObjectStore) -> None:
        self.where = f"{place.scheme}://{place.bucket}/{place.prefix}".rstrip("/")
        self._store = store

    def create(self, key: str, pieces: Sequence[bytes]) -> bool:
        """See ObjectStore. The pieces are not copied."""
        try:
            obstore.put(self._store, key, pieces, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        except FAULTS as error:
            raise StoreError(failure(error, f"{self.where}/{key} cannot be created")) from error
        return True

    def blocks(self, key: str) -> Iterator[bytes]:
        """See ObjectStore."""
        try:
            for piece in obstore.get(self._store, key).stream(READ_BYTES):
                yield bytes(piece)
        except FileNotFoundError as error:
            raise GoneError(failure(error, f"{self.where}/{key} is not there")) from error
        except FAULTS as error:
            raise StoreError(failure(error, f"{self.where}/{key} cannot be read")) from error

    def names(self) -> Iterator[tuple[str, int]]:
        """See ObjectStore."""
        try:
            for page in obstore.list(self._store, chunk_size=LIST_PAGE):
                for meta in page:
                    yield str(meta["path"]), int(meta["size"])
        except FAULTS as error:
            raise StoreError(failure(error, f"{self.where} cannot be listed")) from error

    def look(self) -> None:
        """See ObjectStore. One page of names."""
        try:
            next(iter(obstore.list(self._store, chunk_size=1)), None)
        except FAULTS as error:
            raise StoreError(failure(error, f"{self.where} cannot be listed")) from error


def credentials(config: SinkConfig) -> dict[str, str]:
    """Return the credentials that the config names, by obstore's names. Raises SinkError."""
    found = {}
    for option in ("access_key_id", "secret_access_key", "session_token", "account_key"):
        secret = config.secret(option)
        if secret is not None:
            found[option] = read_secret(secret, f"{option} of sink {config.name}")
    account = config.secret("service_account")
    if account is not None:
        found["service_account_key"] = read_secret(account, f"service_account of sink {config.name}")
    return found


def open_cloud(
    config: SinkConfig, place: Place, secrets: Mapping[str, str], retries: RetryConfig = NO_RETRIES
) -> CloudStore:
    """Make a store; connects to nothing. Raises StoreError where obstore cannot use the options."""
    try:
        return CloudStore(place, _open(config, place, secrets, retries))
    except FAULTS as error:
        # Its text may quote a key in part, so it is not passed on.
        kind = type(error).__name__
        raise StoreError(
            Retry(f"the options and credentials for {place.scheme}:// cannot be used ({kind})", config_fault=True)
        ) from None


def _open(
    config: SinkConfig, place: Place, secrets: Mapping[str, str], retries: RetryConfig
) -> obstore.store.ObjectStore:
    options = dict(secrets)
    endpoint = config.text("endpoint") or ""
    client = _client_options(config, endpoint)
    prefix = place.prefix or None
    if place.scheme == "s3":
        # A bucket with object lock takes no object without a checksum.
        options |= {"conditional_put": "etag", "checksum_algorithm": "SHA256"}
        options |= _given(endpoint=endpoint, region=config.text("region"))
        return S3Store(place.bucket, prefix=prefix, config=options, client_options=client, retry_config=retries)  # type: ignore[arg-type]
    if place.scheme == "gs":
        options |= _given(base_url=endpoint)
        return GCSStore(place.bucket, prefix=prefix, config=options, client_options=client, retry_config=retries)  # type: ignore[arg-type]
    options |= _given(endpoint=endpoint, account_name=config.text("account_name"))
    return AzureStore(place.bucket, prefix=prefix, config=options, client_options=client, retry_config=retries)  # type: ignore[arg-type]


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _client_options(config: SinkConfig, endpoint: str) -> ClientConfig:
    tls = tls_options(config)
    options: ClientConfig = {
        "timeout": timedelta(seconds=config.seconds("timeout") or DEFAULT_TIMEOUT_SECONDS),
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "allow_http": endpoint.startswith("http://"),
        "allow_invalid_certificates": not tls.verify,
        "user_agent": "standpipe",
    }
    if tls.ca is not None:
        options["root_certificate"] = _read_ca(tls.ca)
    return options


DEFAULT_TIMEOUT_SECONDS = 120.0  # the key's default; 13 MiB, the largest usual object, then need 110 KB/s


def _read_ca(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SinkError(
            f"The CA file (tls.ca) cannot be read: {error.strerror}: {path}",
            "Give a PEM file, readable by the user that standpipe runs as",
        ) from error
