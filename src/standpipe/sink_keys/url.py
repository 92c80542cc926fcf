"""What the URL and the headers of an HTTP destination may be. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from standpipe.sink_keys.address import MAX_PORT, address_text

DEFAULT_PORTS = {"http": 80, "https": 443}
URL_REMEDY = "Write https://host[:port]/path"

_LABEL = r"[A-Za-z0-9_-]{1,63}"  # RFC 1035 section 2.3.4; names in clusters have `_` as well
_URL = re.compile(
    r"(?P<scheme>https?)://(?:(?P<user>[^/?#@]*)@)?"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?",
    re.IGNORECASE,
)  # RFC 3986 section 3, for the two schemes
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # token, RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # field-value, RFC 9110 section 5.5: nothing that ends a line


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in its parts. host: without brackets. path: at least ``/``. query: with its ``?``, or empty."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def server(self) -> str:
        """Return it for messages: without path and query, which may hold a token."""
        return f"{self.scheme}://{address_text(self.host, self.port)}"


def parse_url(text: str) -> Url | str:
    """Return the URL, or why it cannot be sent to: that text never holds the URL, which may hold a token."""
    if not _PRINTABLE.fullmatch(text):
        return "it is empty, or holds a space or a character beyond ASCII; such are written as %XX"
    found = _URL.fullmatch(text)
    if found is None:
        return "it is not http:// or https:// with a host"
    if found["user"] is not None:
        return "it holds a user or a password, which status and log would show"
    if found["fragment"]:
        return "it has a fragment (#…), which is never sent"
    scheme = found["scheme"].lower()
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if not 0 < port <= MAX_PORT:
        return f"its port is not one of 1 to {MAX_PORT}"
    query = "" if found["query"] is None else f"?{found['query']}"
    return Url(scheme, found["host"].strip("[]"), port, found["path"] or "/", query)


def header_problem(name: str, value: str) -> str:
    """Return why a header cannot be sent, without its value; "" where it can. So none can smuggle in another."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is not the name of an HTTP header"
    if not _VALUE.fullmatch(value):
        return f"the value of the header {name} holds a line break or a character that HTTP does not allow there"
    return ""
