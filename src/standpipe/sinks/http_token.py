"""The token that goes into a header of each request: read anew each time, so that a renewed one is taken up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.sink_keys.headers import DEFAULT_TOKEN_HEADER, DEFAULT_TOKEN_SCHEME
from standpipe.sinks.secret import read_secret

if TYPE_CHECKING:
    from standpipe.config_sinks import SinkConfig


class Token:
    """The options token, token_header and token_scheme of one sink."""

    def __init__(self, config: SinkConfig) -> None:
        self._secret = config.secret("token")
        self._what = f"the token of sink {config.name}"
        self._header = config.text("token_header") or DEFAULT_TOKEN_HEADER
        scheme = config.text("token_scheme")
        self._prefix = f"{DEFAULT_TOKEN_SCHEME if scheme is None else scheme} ".lstrip()

    def headers(self) -> tuple[dict[str, str], list[str]]:
        """Return the header, and the secrets in it; nothing where the sink has no token. Raises SinkError."""
        if self._secret is None:
            return {}, []
        token = read_secret(self._secret, self._what)
        return {self._header: self._prefix + token}, [token]
