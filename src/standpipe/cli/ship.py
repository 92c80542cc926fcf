"""`standpipe ship`."""

import click

from standpipe.cli.values import seconds
from standpipe.config_accepted import ConfigSource
from standpipe.observe.log import Log
from standpipe.processes.ship import run_ship

EPILOG = """\b
Examples:
  standpipe ship --journal /var/lib/standpipe                       until SIGTERM
  standpipe ship --journal /var/lib/standpipe --once > audit.log    what is there now

\b
Exit status: 0 stopped as asked (with --once: everything was delivered, or is a
dead letter); 2 the journal or a sink cannot be used, or another ship works on
it; 64 usage or config.
"""


@click.command("ship", epilog=EPILOG)
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option(
    "--config", "config_path", metavar="FILE", help="A YAML config, for its sinks.  [default: one sink, stdout, raw]"
)
@click.option("--once", is_flag=True, help="Deliver everything that is in the journal now, then exit.")
@click.option(
    "--lock-wait",
    metavar="TIME",
    default="0s",
    show_default=True,
    callback=seconds,
    help="How long to wait for a predecessor's lock.",
)
@click.option("--ready-fd", type=int, hidden=True)
@click.option("--parent-pid", type=int, hidden=True)
def command(
    journal: str | None,
    config_path: str | None,
    *,
    once: bool,
    lock_wait: float,
    ready_fd: int | None,
    parent_pid: int | None,
) -> None:
    """Deliver the journal to the sinks of the config; to stdout where there is no config.

    `standpipe run` starts this by itself; alone it is for people who have a supervisor of their own. Each sink has a
    cursor in the journal, so a start goes on where the last stop was. SIGTERM: stop now. SIGUSR1: deliver the rest
    first, also a last line that has no newline, then stop. SIGHUP: read the sinks of the config again.
    """
    log = Log("ship")
    source = ConfigSource(config_path, journal, log, supervised=parent_pid is not None)
    status = run_ship(
        source.load(),
        log,
        once=once,
        lock_wait_seconds=lock_wait,
        parent_pid=parent_pid,
        ready_fd=ready_fd,
        source=source,
    )
    click.get_current_context().exit(status)
