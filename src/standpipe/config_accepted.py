"""The config that a child of the supervisor goes by, also when somebody has broken the file since.

The supervisor reads the config once, when it is started, and refuses a bad one. Its children read it again whenever
they are started again, or are told to (SIGHUP): what was written into it since must not stop what works. So ship keeps
a copy of each config that it has accepted, config.yaml in the journal; a child that cannot use the file takes that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_file import load_settings, read_file
from standpipe.config_problem import ConfigError
from standpipe.journal.atomic import atomic_write
from standpipe.journal.layout import FILE_MODE, Layout

if TYPE_CHECKING:
    from standpipe.config import Config
    from standpipe.observe.log import Log


def usable_config(path: str | None, journal: str | None, log: Log) -> str | None:
    """Return the file to read at a restart: the one given, or where it cannot be used the copy of the last accepted.

    Raises ConfigError where neither can be used.
    """
    if path is None or journal is None:
        return path
    wrong = _problem(path, journal)
    accepted = Layout(journal).config
    if wrong is None:
        return path
    if _problem(accepted, journal) is not None:
        raise wrong
    log.error("the config cannot be used; the one that was accepted last goes on", reason=str(wrong))
    return accepted


def _problem(path: str, journal: str) -> ConfigError | None:
    try:
        load_settings(path, journal=journal)
    except ConfigError as error:
        return error
    return None


class ConfigSource:
    """Where ship gets its config from. `path` and `journal` as on the command line."""

    def __init__(self, path: str | None, journal: str | None, log: Log, *, supervised: bool) -> None:
        self._path = path
        self._journal = journal
        self._log = log
        self._supervised = supervised
        self._read: bytes | None = None  # what `load` or `load_again` has read from the file itself

    @property
    def is_the_journals(self) -> bool:
        """Whether it says which sinks the journal has: a supervisor's does, and any file; no file at all does not."""
        return self._supervised or self._path is not None

    @property
    def has_file(self) -> bool:
        """Whether there is a file that can be read again."""
        return self._path is not None

    def load(self) -> Config:
        """Return the settings for a start. Raises ConfigError, JournalError."""
        path = usable_config(self._path, self._journal, self._log) if self._supervised else self._path
        return self._load(path)

    def last_accepted(self) -> Config | None:
        """Return what was accepted last, where that is something else than what was read; None for an unsupervised one.

        Raises JournalError.
        """
        if not self._supervised or self._read is None or self._journal is None:
            return None
        accepted = Layout(self._journal).config
        try:
            if read_file(accepted) == self._read:
                return None
            old = load_settings(accepted, journal=self._journal)
        except ConfigError:
            return None
        return old

    def forget(self) -> None:
        """Note that what was read last is not in use."""
        self._read = None

    def load_again(self) -> Config:
        """Return what the file says now. Raises ConfigError, JournalError."""
        return self._load(self._path)

    def _load(self, path: str | None) -> Config:
        config = load_settings(path, journal=self._journal)
        self._read = read_file(path) if path is not None and path == self._path else None
        return config

    def accepted(self, layout: Layout) -> None:
        """Keep what was read last, because it is in use now. It names where secrets are, and holds none.

        Raises OSError.
        """
        if self._read is None:
            return
        try:
            with open(layout.config, "rb") as file:
                unchanged = file.read() == self._read
        except FileNotFoundError:
            unchanged = False
        if not unchanged:
            atomic_write(layout.config, self._read, FILE_MODE)
