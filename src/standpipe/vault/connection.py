"""Where Vault's API is and who we are to it, from the environment, as its own command line reads it. Pure.

The variables of OpenBao come before Vault's, each by itself (OpenBao api/client.go, ReadBaoVariable; Vault docs,
"Environment variables"). The token is never in a message, nor in what `repr` shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from standpipe.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ADDRESS: Final = "https://127.0.0.1:8200"  # Vault's and OpenBao's own
TOKEN_FILE_NAME: Final = ".vault-token"  # noqa: S105 - a name, in the home directory; OpenBao's is the same
SCHEMES: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Connection:
    """One server and our token. ca: a PEM file, ca_path: a directory of them; empty for the system's own."""

    address: str
    token: str = field(repr=False)
    namespace: str = ""
    ca: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""


def variable(environment: Mapping[str, str], name: str) -> str:
    """Return ``BAO_<name>``, or else ``VAULT_<name>``; empty where neither is set."""
    return environment.get(f"BAO_{name}", "") or environment.get(f"VAULT_{name}", "")


def connection_from(environment: Mapping[str, str], token_file: str | None) -> Connection:
    """Return what the environment says. token_file: what the token file holds, None where there is none.

    Raises ServerError where there is no token, or the address is none that can be spoken to.
    """
    address = (variable(environment, "ADDR") or DEFAULT_ADDRESS).rstrip("/")
    if not address.startswith(SCHEMES):
        raise ServerError(
            f"the address of the server, {address!r}, is neither http:// nor https://",
            "Set VAULT_ADDR or BAO_ADDR to the server's URL",
        )
    token = variable(environment, "TOKEN") or (token_file or "").strip()
    if not token:
        raise ServerError(
            "there is no token for the server",
            f"Log in (`vault login`), or set VAULT_TOKEN or BAO_TOKEN; ~/{TOKEN_FILE_NAME} is read too",
        )
    if not (token.isascii() and token.isprintable()):
        raise ServerError("the token for the server has characters that no token has", "Set VAULT_TOKEN anew")
    return Connection(
        address,
        token,
        namespace=variable(environment, "NAMESPACE"),
        ca=variable(environment, "CACERT"),
        ca_path=variable(environment, "CAPATH"),
        client_cert=variable(environment, "CLIENT_CERT"),
        client_key=variable(environment, "CLIENT_KEY"),
        server_name=variable(environment, "TLS_SERVER_NAME"),
    )
