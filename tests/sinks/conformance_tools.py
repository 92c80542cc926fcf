"""What several rows of the conformance suite need."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standpipe.testing.destination import Wish


def server_context(wish: Wish) -> ssl.SSLContext | None:
    """Return a server's context with the certificate that is wished for; None for plain TCP."""
    if not wish.tls:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(wish.tls)
    if wish.client_ca:
        made.load_verify_locations(wish.client_ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class Token:
    """A secret in a file, if one is wished for; `text` is what it is now. seen: all that it ever was."""

    def __init__(self, wish: Wish) -> None:
        self._path = os.path.join(wish.directory, "token")
        self.text = ""
        self.seen: tuple[str, ...] = tuple(f"hush-{number}-nobody-may-see-this" for number in range(4))
        self._unused = list(self.seen)
        if wish.credentials:
            self.renew()

    def renew(self) -> str:
        """Put another one into the file, in one step, and return it."""
        self.text = self._unused.pop()
        with open(f"{self._path}.new", "w", encoding="ascii") as file:
            file.write(f"{self.text}\n")
        os.replace(f"{self._path}.new", self._path)
        return self.text

    def option(self, name: str) -> dict[str, object]:
        """Return the option of the config that names the file; nothing where there is none."""
        return {name: {"file": self._path}} if self.text else {}
