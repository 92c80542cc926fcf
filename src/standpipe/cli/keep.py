"""`standpipe keep`: seal, compress and retain the segments of one journal."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from standpipe.cli.values import seconds
from standpipe.config import apply_flags, default_config, resolve
from standpipe.config_accepted import usable_config
from standpipe.config_file import load_config, volume_bytes
from standpipe.journal.keeper import KeeperSettings
from standpipe.journal.retention import Limits
from standpipe.observe.log import Log
from standpipe.processes.keep import KeepSettings, run_keep
from standpipe.units import parse_size

if TYPE_CHECKING:
    from standpipe.config import Config

EPILOG = """\b
Examples:
  standpipe keep --journal /var/lib/standpipe           until SIGTERM
  standpipe keep --journal /var/lib/standpipe --once    what is due now

\b
Exit status: 0 done; 2 the journal cannot be understood, another keep works on
it, or (with --once) a step failed; 64 usage or config.
"""


def keeper_settings(config: Config) -> KeeperSettings:
    """Return what the resolved config says about keeping."""
    journal = config.journal
    if journal.max_size_bytes is None or journal.segment_size_bytes is None:
        raise ValueError("the config is not resolved")
    limits = Limits(
        age_seconds=journal.retain_age_seconds,
        size_bytes=journal.retain_size_bytes,
        cap_bytes=journal.max_size_bytes,
        segment_size_bytes=journal.segment_size_bytes,
        on_full=journal.on_full,
    )
    return KeeperSettings(
        sinks=tuple(sink.name for sink in config.sinks),
        limits=limits,
        sign_key=journal.sign_key,
        seal_every_seconds=journal.seal_every_seconds,
    )


def _load(config_path: str | None, journal: str | None, max_size: int | None, sign_key: str | None) -> Config:
    config = apply_flags(default_config() if config_path is None else load_config(config_path), journal=journal)
    if max_size is not None:
        config = replace(config, journal=replace(config.journal, max_size_bytes=max_size))
    if sign_key is not None:
        config = replace(config, journal=replace(config.journal, sign_key=os.path.abspath(sign_key)))
    return resolve(config, *volume_bytes(config.journal.path))


def _size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(name="keep", epilog=EPILOG)
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option("--config", "config_path", metavar="FILE", help="A YAML config: limits, on_full, and the sinks' names.")
@click.option(
    "--max-size", metavar="SIZE", callback=_size, help="The journal's cap, such as 10GiB. Beats journal.max_size."
)
@click.option(
    "--sign-key", metavar="FILE", help="Sign each seal with this Ed25519 private key (PEM). Beats journal.sign_key."
)
@click.option("--once", is_flag=True, help="Do everything that is due now, then exit.")
@click.option("--ready-fd", type=int, hidden=True)
@click.option("--parent-pid", type=int, hidden=True)
@click.option(
    "--lock-wait",
    metavar="TIME",
    default="0s",
    show_default=True,
    callback=seconds,
    help="How long to wait for a predecessor's lock.",
)
def command(
    *,
    journal: str | None,
    config_path: str | None,
    max_size: int | None,
    sign_key: str | None,
    once: bool,
    ready_fd: int | None,
    parent_pid: int | None,
    lock_wait: float,
) -> int:
    """Seal closed segments, compress them, and delete what has been delivered.

    `standpipe run` starts this by itself; alone it is for people who have a supervisor of their own. A segment is
    deleted only when every sink that ship delivers to, and every sink of the config, has it, unless journal.on_full is
    drop-oldest: name the config that ship uses. SIGTERM: finish the step under way, then stop.
    """
    log = Log("keep")
    in_use = config_path if parent_pid is None else usable_config(config_path, journal, log)
    config = _load(in_use, journal, max_size, sign_key)
    settings = KeepSettings(
        journal=os.path.abspath(config.journal.path),
        keeper=keeper_settings(config),
        once=once,
        ready_fd=ready_fd,
        parent_pid=parent_pid,
        lock_wait_seconds=lock_wait,
    )
    return run_keep(settings, log)
