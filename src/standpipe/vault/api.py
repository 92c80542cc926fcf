"""The few questions that we ask a running Vault or OpenBao, over its HTTP API. TLS certificates are always verified."""

from __future__ import annotations

import json
import os
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import urllib3

from standpipe import __version__
from standpipe.errors import ServerError
from standpipe.vault.connection import TOKEN_FILE_NAME, Connection, connection_from

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS: Final = 30.0  # a server that has stopped at a full audit device answers never; a person waits so long
ANSWER_BYTES_MAX: Final = 1 << 20  # what we ask for is answered in a few hundred bytes
TOKEN_BYTES_MAX: Final = 64 << 10  # a token file; batch tokens are the largest, some 500 bytes
HASH_PREFIX: Final = "hmac-sha256:"
HTTP_BAD_REQUEST, HTTP_FORBIDDEN, HTTP_SEALED = 400, 403, 503
ERRORS_SHOWN: Final = 3
NO_TLS: Final = "WRONG_VERSION_NUMBER"  # OpenSSL's reason where the answer to its hello is no TLS record


def open_api(environment: Mapping[str, str]) -> VaultApi:
    """Return the server that the environment names; nothing is connected yet. Raises ServerError."""
    return VaultApi(connection_from(environment, _token_file(environment)))


def _token_file(environment: Mapping[str, str]) -> str | None:
    path = os.path.join(environment.get("HOME", ""), TOKEN_FILE_NAME)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(TOKEN_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServerError(f"{path} cannot be read: {error.strerror}", "Set VAULT_TOKEN or BAO_TOKEN") from error


class VaultApi:
    """One server. Every method raises ServerError, with what the server said and a remedy."""

    def __init__(self, connection: Connection) -> None:
        """Prepare; certificates are read, nothing is connected."""
        self._connection = connection
        self._pool = urllib3.PoolManager(
            ssl_context=_tls(connection) if connection.address.startswith("https://") else None,
            server_hostname=connection.server_name or None,
            timeout=TIMEOUT_SECONDS,
            retries=False,
        )

    def audit_hash(self, device: str, text: str) -> str:
        """Return the HMAC that an audit device writes in the place of a text.

        device: its path, with or without the slash at the end. See ``sys/audit-hash`` in the docs of Vault's API.
        """
        name = device.strip("/")
        status, answer = self._ask(f"sys/audit-hash/{quote(name)}", {"input": text})
        data = answer.get("data")
        found = (data if isinstance(data, dict) else answer).get("hash")
        if status == 200 and isinstance(found, str) and found.startswith(HASH_PREFIX):  # noqa: PLR2004 - HTTP's OK
            return found
        raise ServerError(
            f"{self._connection.address} does not hash for the audit device {name}/: {_words(status, answer)}",
            _remedy(status, name),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _ask(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        headers = {
            "X-Vault-Token": self._connection.token,
            "X-Vault-Request": "true",
            "User-Agent": f"standpipe/{__version__}",
            "Content-Type": "application/json",
        }
        if self._connection.namespace:
            headers["X-Vault-Namespace"] = self._connection.namespace
        try:
            response = self._pool.request(
                "POST",
                f"{self._connection.address}/v1/{path}",
                body=json.dumps(body).encode(),
                headers=headers,
                redirect=False,  # a standby that does not forward: the token goes to no other host
                preload_content=False,
            )
            with response:
                return response.status, _parse(response.read(ANSWER_BYTES_MAX))
        except urllib3.exceptions.SSLError as error:
            if NO_TLS in str(error):
                raise ServerError(
                    f"{self._connection.address} does not speak TLS",
                    "If it serves plain HTTP, write http:// in VAULT_ADDR or BAO_ADDR",
                ) from error
            raise ServerError(
                f"{self._connection.address} is not trusted: {error}",
                "Name the certificate authority's PEM file in VAULT_CACERT or BAO_CACERT",
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise ServerError(
                f"{self._connection.address} cannot be asked: {_cause(error)}",
                "Set VAULT_ADDR or BAO_ADDR; see whether the server runs and is not waiting for its audit device",
            ) from error


def _tls(connection: Connection) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if connection.ca or connection.ca_path:
            made.load_verify_locations(connection.ca or None, connection.ca_path or None)
        if connection.client_cert:
            made.load_cert_chain(connection.client_cert, connection.client_key or None)
    except (OSError, ssl.SSLError) as error:
        raise ServerError(
            f"a certificate for {connection.address} cannot be read: {error}",
            "Look at VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, or those of BAO_",
        ) from error
    return made


def _parse(data: bytes) -> dict[str, object]:
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _words(status: int, answer: dict[str, object]) -> str:
    errors = answer.get("errors")
    words = [str(error) for error in errors[:ERRORS_SHOWN]] if isinstance(errors, list) else []
    return " ".join("; ".join([f"HTTP {status}", *words]).split())


def _remedy(status: int, device: str) -> str:
    if status == HTTP_FORBIDDEN:
        return f'The token needs a policy with: path "sys/audit-hash/{device}" {{ capabilities = ["update"] }}'
    if status == HTTP_BAD_REQUEST:
        return "Name the device with --device; `vault audit list` shows them"
    if status == HTTP_SEALED:
        return "Unseal the server, or ask an active one"
    return "See whether VAULT_ADDR or BAO_ADDR is the active server's, and VAULT_NAMESPACE the root's"


def _cause(error: urllib3.exceptions.HTTPError) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split())
