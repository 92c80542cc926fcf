"""`standpipe ship`."""

import click

from standpipe.config_file import load_settings
from standpipe.observe.log import Log
from standpipe.processes.ship import run_ship
from standpipe.units import parse_duration


@click.command("ship")
@click.option("--journal", metavar="DIR", help="The journal's directory. Default: the config's, /var/lib/standpipe.")
@click.option("--config", "config_path", metavar="FILE", help="The YAML config; its sinks are delivered to.")
@click.option("--once", is_flag=True, help="Deliver everything that is in the journal now, and exit.")
@click.option("--lock-wait", metavar="TIME", default="0s", help="Wait so long for a predecessor's lock.  [default: 0s]")
@click.option("--ready-fd", type=int, hidden=True)
@click.option("--parent-pid", type=int, hidden=True)
def command(
    journal: str | None,
    config_path: str | None,
    *,
    once: bool,
    lock_wait: str,
    ready_fd: int | None,
    parent_pid: int | None,
) -> None:
    r"""Deliver the journal to the config's sinks, stdout without one.

    `standpipe run` starts this process by itself. Each sink has a cursor in the journal, so a start goes on where the
    last stop was. SIGTERM stops now; SIGUSR1 delivers the rest first, also a last line that has no newline.

    \b
    Exit status:
      0   stopped as asked; with --once: everything was delivered
      2   the journal cannot be read, or another ship is running
      64  the command line or the config is wrong

    \b
    Examples:
      standpipe ship --journal /var/lib/standpipe
      standpipe ship --journal /var/lib/standpipe --once > audit.log
    """
    config = load_settings(config_path, journal=journal)
    status = run_ship(
        config,
        Log("ship"),
        once=once,
        lock_wait_seconds=parse_duration(lock_wait),
        parent_pid=parent_pid,
        ready_fd=ready_fd,
    )
    click.get_current_context().exit(status)
