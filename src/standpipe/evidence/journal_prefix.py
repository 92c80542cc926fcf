"""What stands before each record of a journal: Vault's ``prefix`` option, as the journal's own config says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_file import load_config
from standpipe.config_problem import ConfigError

if TYPE_CHECKING:
    from standpipe.journal.layout import Layout


def known_prefix(layout: Layout) -> bytes:
    """Return ``source.prefix`` of the config that ship accepted last; nothing where there is none that can be read."""
    try:
        return load_config(layout.config).source.prefix.encode()
    except ConfigError:
        return b""
