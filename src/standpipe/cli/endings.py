"""Commands that keep records in temporary files: the files go, too, when a signal ends the command.

A thread waits for the signals, because a library at work lets no handler run in the main thread until it is done:
a long query would hear neither Ctrl-C nor SIGTERM.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from standpipe import scratch
from standpipe.errors import EXIT_SIGNAL_BASE

if TYPE_CHECKING:
    from collections.abc import Callable

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
DONE = signal.SIGUSR2  # to the thread: there is nothing to wait for any more

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _wait() -> None:
    """End the process at a signal: without the temporary files, with the status that tells which one it was."""
    number = signal.sigwait(ENDING | {DONE})
    if number != DONE:
        scratch.remove_all()
        os._exit(EXIT_SIGNAL_BASE + number)


def cleans_up(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """End the command's process at once where a signal says so, and remove what is in scratch directories.

    A signal that was ignored when we started (nohup) stays so. What the command starts itself has to end with its
    pipes: the signals are blocked there.
    """

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING | {DONE})
        waiter = threading.Thread(target=_wait, daemon=True)
        waiter.start()
        try:
            return command(*args, **kwargs)
        finally:
            if waiter.ident is not None:
                signal.pthread_kill(waiter.ident, DONE)
            waiter.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    return run
