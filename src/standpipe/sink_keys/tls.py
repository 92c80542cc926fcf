"""The TLS options, the same for every sink that speaks TLS. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_keys import Key, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

TLS_KEYS: tuple[Key, ...] = (
    Key(
        "tls.ca",
        Kind.PATH,
        "PEM file with the certificates that sign the server's; in place of the system's.",
        default_text="none; the system's",
    ),
    Key("tls.cert", Kind.PATH, "PEM file with our own certificate, and its chain.", default_text="none"),
    Key("tls.key", Kind.PATH, "PEM file with the key of tls.cert.", default_text="none; looked for in tls.cert"),
    Key(
        "tls.server_name",
        Kind.TEXT,
        "The name that the server's certificate must have.",
        default_text="none; the host that is connected to",
    ),
    Key("tls.verify", Kind.BOOLEAN, "Whether the server's certificate is verified.", default="true"),
)


def tls_problems(options: Mapping[str, object], unused: str = "") -> list[tuple[str, str, str]]:
    """Return what is wrong with the TLS options together: (option, message, remedy).

    unused: why no TLS is spoken (``transport is tcp``), so that they would do nothing; "" where it is.
    """
    given = [name for name in ("tls.ca", "tls.cert", "tls.key", "tls.server_name") if options.get(name)]
    found = [(name, f"is given, but {unused}", "Use TLS, or remove it") for name in given if unused]
    if not is_host_name(str(options.get("tls.server_name") or "host")):
        found.append(("tls.server_name", "is no host name", "Write the name as it stands in the certificate"))
    if options.get("tls.key") and not options.get("tls.cert"):
        found.append(("tls.key", "is given without tls.cert", "Give tls.cert, the certificate of this key"))
    return found


def is_host_name(text: str) -> bool:
    """Say whether a text can be a server's name in TLS: no label of it is empty or longer than 63 bytes."""
    try:
        return bool(text.encode("idna")) and text.isprintable()
    except UnicodeError:
        return False
