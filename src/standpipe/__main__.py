"""The front door: ``standpipe …`` and ``python -m standpipe …``.

relay, hold and capture are started before anything outside the standard library is imported, for they must be small and
start in milliseconds; all other commands live in ``standpipe.cli`` and may use click.
"""

from __future__ import annotations

import os
import sys

from standpipe import __version__
from standpipe.errors import EXIT_CRASH, EXIT_OK, EXIT_SIGNAL_BASE, EXIT_UNABLE, StandpipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.cli.plain import Command, Parsed
    from standpipe.observe.log import Log

STDIN, STDOUT, STDERR = 0, 1, 2
SIGINT, SIGPIPE = 2, 13  # signal(7); the signal module would import enum
PLAIN_COMMANDS = ("relay", "hold", "capture")


def _load_plain(name: str) -> tuple[Command, Callable[[Parsed, Log], int]]:
    """Import one command and nothing that only the others need."""
    if name == "relay":
        from standpipe.processes import relay  # noqa: PLC0415 - each process pays for itself alone

        return relay.COMMAND, relay.run
    if name == "hold":
        from standpipe.processes import hold  # noqa: PLC0415 - as above

        return hold.COMMAND, hold.run
    from standpipe.processes import capture  # noqa: PLC0415 - as above

    return capture.COMMAND, capture.run


def _print(text: str) -> None:
    """Write to stdout at once, so that the interpreter has nothing left to flush, and to fail at, when it ends."""
    rest = memoryview(text.encode())
    while rest:
        rest = rest[os.write(STDOUT, rest) :]


def _obey(name: str, arguments: list[str], messages: Log) -> int:
    """Understand one command line and do what it says."""
    from standpipe.cli.plain import help_text, parse  # noqa: PLC0415 - click's commands do without

    command, run = _load_plain(name)
    parsed = parse(command, arguments)
    if parsed is None:
        _print(help_text(command))
        return EXIT_OK
    return run(parsed, messages)


def _run_plain(name: str, arguments: list[str]) -> int:
    """Run one of the small commands; return its exit status. Every failure is one line on stderr."""
    from standpipe.observe.log import Log  # noqa: PLC0415 - click's commands do without

    messages = Log(name)
    try:
        return _obey(name, arguments, messages)
    except StandpipeError as error:
        messages.error(str(error))
        return error.exit_status
    except BrokenPipeError:
        return EXIT_SIGNAL_BASE + SIGPIPE
    except OSError as error:
        messages.error(str(error))
        return EXIT_UNABLE
    except KeyboardInterrupt:
        return EXIT_SIGNAL_BASE + SIGINT
    except Exception as error:  # noqa: BLE001 - Python's own status for it is 1, which would read as a verdict
        import traceback  # noqa: PLC0415 - no process that is well pays for it

        words = " ".join(repr(error).split())
        messages.error(f"a fault of standpipe itself: {words}. Please report it.", traceback=traceback.format_exc())
        return EXIT_CRASH


def open_closed_streams() -> None:
    """Put /dev/null where stdin or stderr is closed: the next file opened would become it, and get our messages."""
    for descriptor in (STDIN, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def main(argv: list[str] | None = None) -> int:
    """Run a command line, the program's name first (``sys.argv`` where None); return the exit status."""
    open_closed_streams()
    arguments = (sys.argv if argv is None else argv)[1:]
    if arguments[:1] == ["--version"]:
        _print(f"standpipe {__version__}\n")
        return EXIT_OK
    if arguments and arguments[0] in PLAIN_COMMANDS:
        return _run_plain(arguments[0], arguments[1:])
    from standpipe.cli.main import main as run_click  # noqa: PLC0415 - not for relay, hold and capture

    return run_click(arguments)


def run() -> None:
    """Be the console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
