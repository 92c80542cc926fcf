"""Every failure that a person is told about: who, what, where, and what to do next.

The class says whose fault it is, and with it the exit status. This module imports nothing: capture uses it.
"""

EXIT_OK = 0
EXIT_NEGATIVE = 1  # a verdict was reached, and it is bad
EXIT_UNABLE = 2  # could not tell, or could not do
EXIT_USAGE = 64  # EX_USAGE of sysexits.h: command line or config
EXIT_CRASH = 70  # EX_SOFTWARE of sysexits.h: a fault of ours in relay, hold or capture
EXIT_RUN_FAILED = 125  # `run` failed before COMMAND, as env(1) says it
EXIT_COMMAND_NOT_EXECUTABLE = 126
EXIT_COMMAND_NOT_FOUND = 127
EXIT_SIGNAL_BASE = 128  # + the number of the signal that ended COMMAND


class StandpipeError(Exception):
    """A failure with a sentence for the person who reads it and, where there is one, a remedy."""

    exit_status = EXIT_UNABLE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """Return message and remedy as one line."""
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class UsageError(StandpipeError):
    """The command line or the config is wrong; nothing was touched."""

    exit_status = EXIT_USAGE


class SourceError(StandpipeError):
    """The FIFO or file that Vault writes to is not usable."""


class JournalError(StandpipeError):
    """The journal cannot be opened, or is not in a state that this program understands."""


class LockHeldError(JournalError):
    """Another process holds a role's lock."""


class SinkError(StandpipeError):
    """A destination cannot be used."""


class ArchiveError(StandpipeError):
    """An archive of segments cannot be listed or read."""


class ServerError(StandpipeError):
    """Vault's or OpenBao's API cannot be used."""
