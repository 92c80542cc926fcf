"""Google's metadata server: who we are, and a token for it.

google-auth has a client of its own for it (google.auth.compute_engine), which imports `requests`, tries five times with
pauses of several seconds, and takes 16 MB with what it imports; a sink tries once. The protocol is two headers and
plain HTTP on a link-local address (https://cloud.google.com/compute/docs/metadata/querying-metadata).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from standpipe.sinks.base import Retry
from standpipe.sinks.http_client import HttpClient
from standpipe.sinks.tls import TlsOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HOST_VARIABLE = "GCE_METADATA_HOST"  # as in google-auth: host[:port]
DEFAULT_HOST = "169.254.169.254"  # metadata.google.internal; by number, because a name can take 30 s to be unknown
TIMEOUT_SECONDS = 3.0  # it is on the same machine; google-auth's value
FLAVOR = {"Metadata-Flavor": "Google"}  # required, and in every answer: so another server on that address is told apart
TOKEN_PATH = "instance/service-accounts/default/token"  # noqa: S105 - a path, no token

HTTP_OK = 200
HTTP_NOT_FOUND = 404
HTTP_SERVER_ERROR = 500


class MetadataServer:
    """The metadata server of this machine or pod."""

    def __init__(self) -> None:
        host = os.environ.get(HOST_VARIABLE) or DEFAULT_HOST
        self._client = HttpClient(
            f"http://{host}/computeMetadata/v1", tls=TlsOptions(), timeout_seconds=TIMEOUT_SECONDS, connections=1
        )

    def read(self, path: str) -> str | Retry:
        """Return a value, "" where the server does not have it, or why it cannot be told."""
        answer = self._client.request("GET", b"", FLAVOR, f"/{path}")
        if isinstance(answer, Retry):
            return Retry(f"the metadata server cannot be asked: {answer.why}")
        if answer.headers.get("metadata-flavor") != FLAVOR["Metadata-Flavor"]:
            return Retry(f"{answer.server} is no Google metadata server", config_fault=True)
        if answer.status == HTTP_OK:
            return answer.body.decode("utf-8", "replace")
        if answer.status == HTTP_NOT_FOUND:
            return ""
        lasting = answer.status < HTTP_SERVER_ERROR and answer.status != 429  # noqa: PLR2004 - Too Many Requests
        return Retry(f"the metadata server answered {answer.status} for {path.partition('?')[0]}", config_fault=lasting)

    def values(self, paths: Mapping[str, str]) -> dict[str, str] | Retry:
        """Return the values of several paths by the same names, or why they cannot be told."""
        found: dict[str, str] = {}
        for name, path in paths.items():
            value = self.read(path)
            if isinstance(value, Retry):
                return value
            found[name] = value
        return found

    def token(self, scopes: Iterable[str]) -> tuple[str, float] | Retry:
        """Return an access token of the machine's or pod's service account, and for how many seconds it is good."""
        text = self.read(f"{TOKEN_PATH}?scopes={quote(','.join(scopes), safe='')}")
        if isinstance(text, Retry):
            return text
        if not text:
            return Retry(
                "the metadata server has no service account: give the pod or machine one, or set `credentials`",
                config_fault=True,
            )
        try:
            answer = json.loads(text)
            return str(answer["access_token"]), float(answer["expires_in"])
        except (ValueError, KeyError, TypeError):
            return Retry("the metadata server's token cannot be read")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
