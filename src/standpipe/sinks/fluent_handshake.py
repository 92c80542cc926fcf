"""The handshake of Fluent's forward protocol: HELO, PING, PONG. Pure; the salt is an argument.

Forward Protocol Specification v1, "Handshake Messages". The server begins::

    ["HELO", {"nonce": bytes, "auth": bytes, "keepalive": bool}]
    ["PING", our name, salt, hex(sha512(salt + our name + nonce + key)), user, hex(sha512(auth + user + password))]
    ["PONG", true, "", its name, hex(sha512(salt + its name + nonce + key))]     or ["PONG", false, reason, "", ""]

So both sides show that they have the key, and neither sends it. The last two of a PING are empty without a user:
Fluentd and Fluent Bit send an `auth` even where they ask for none.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha512
from typing import TYPE_CHECKING

import msgspec

from standpipe.sinks.fluent_reply import ProtocolError
from standpipe.sinks.wording import one_line

if TYPE_CHECKING:
    from standpipe.sinks.fluent_reply import Reply

HELO_MEMBERS, PONG_MEMBERS = 2, 5

_pack = msgspec.msgpack.Encoder().encode


class RefusedError(Exception):
    """The handshake failed for a reason that only a person can mend; the text says which."""


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """What we show: our name, the shared key, and a user's name and password where the server has users."""

    hostname: str
    shared_key: str
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Helo:
    """What the server asks for. keepalive: it takes more than one message on a connection."""

    nonce: bytes
    auth: bytes
    keepalive: bool


def is_helo(reply: Reply) -> bool:
    """Tell whether a reply begins a handshake."""
    return isinstance(reply, list) and len(reply) == HELO_MEMBERS and reply[0] == b"HELO"


def is_pong(reply: Reply) -> bool:
    """Tell whether a reply ends a handshake."""
    return isinstance(reply, list) and len(reply) == PONG_MEMBERS and reply[0] == b"PONG"


def read_helo(reply: Reply) -> Helo:
    """Return what a HELO says. Raises ProtocolError for anything else."""
    if not (isinstance(reply, list) and is_helo(reply)):
        raise ProtocolError("the server's first message is no HELO")
    options = reply[1]
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise ProtocolError("the server's HELO has no options")
    nonce, auth = options.get(b"nonce"), options.get(b"auth")
    return Helo(
        nonce if isinstance(nonce, bytes) else b"",
        auth if isinstance(auth, bytes) else b"",
        keepalive=options.get(b"keepalive") is not False,
    )


def ping(helo: Helo, login: Login, salt: str) -> bytes:
    """Return the PING. salt: random text, new for each connection."""
    digest = _digest(salt, login.hostname, helo.nonce, login.shared_key)
    password = ""
    if login.username:
        password = sha512(helo.auth + login.username.encode() + login.password.encode()).hexdigest()
    return _pack(["PING", login.hostname, salt, digest, login.username, password])


def check_pong(reply: Reply, helo: Helo, login: Login, salt: str) -> None:
    """Raise RefusedError where the server refuses us or does not have the key, ProtocolError for what is no PONG."""
    if not (isinstance(reply, list) and is_pong(reply)):
        raise ProtocolError("the server's answer to PING is no PONG")
    _, accepted, reason, hostname, digest = reply
    if accepted is not True:
        raise RefusedError(f"the server refuses our PING: {_words(reason)}")
    name = hostname if isinstance(hostname, bytes) else b""
    if name == login.hostname.encode():  # or else our own digest, sent back to us, would pass for the server's
        raise RefusedError("the server has our own name in the handshake; give one of the two another hostname")
    expected = _digest(salt, name, helo.nonce, login.shared_key)
    if not (isinstance(digest, bytes) and hmac.compare_digest(digest, expected.encode("ascii"))):
        raise RefusedError("the server does not have our shared key: it is another server, or one in between")


def _digest(salt: str, hostname: str | bytes, nonce: bytes, shared_key: str) -> str:
    name = hostname.encode() if isinstance(hostname, str) else hostname
    return sha512(salt.encode() + name + nonce + shared_key.encode()).hexdigest()


def _words(reason: Reply) -> str:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else ""
    return one_line(text) or "it gives no reason"
