"""A destination's address as it stands in the config: ``host:port``. Pure."""

from __future__ import annotations

from ipaddress import ip_address

MAX_PORT = 65535


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of ``host``, ``host:port``, ``[v6 address]`` or ``[v6 address]:port``.

    Raises ValueError with a sentence for the user.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise ValueError(f"{text!r} is no address in brackets with a port behind it")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
        if ":" in port:
            raise ValueError(f"{text!r} has several colons: an IPv6 address stands in brackets")
    if not host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError(f"{text!r} names no host")
    if not colon:
        return host, default_port
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(MAX_PORT)) and 1 <= int(port) <= MAX_PORT):
        raise ValueError(f"{text!r} has no port between 1 and {MAX_PORT}")
    return host, int(port)


def address_text(host: str, port: int) -> str:
    """Return an address as it is written: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine (or pod): then nobody is on the way who could read or change anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host.lower() == "localhost"
