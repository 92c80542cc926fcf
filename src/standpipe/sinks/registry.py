"""From a sink's type to the sink: its module is imported when a config names it, and its library with it."""

from __future__ import annotations

import threading
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

from standpipe.config_sink_types import sink_keys
from standpipe.config_sinks import STDOUT
from standpipe.errors import SinkError, StandpipeError
from standpipe.preflight import UNKNOWN, Check, Result, failed, perform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.sinks.base import ArchiveSink, Context, Sink, SinkType

PACKAGE = "standpipe"
CHECK_SECONDS = 10.0
"""How long the checks of one sink may take: time for a name, a connection and an answer, and a person is waiting."""
NO_ANSWER_REMEDY = "Look whether the destination can be reached from here: name server, network policy, proxy, firewall"


def open_sink(config: SinkConfig, context: Context) -> Sink | ArchiveSink:
    """Make a sink of any type but stdout. Connects to nothing.

    Raises UsageError for what only the complete options show, SinkError for what cannot be used, such as a library that
    is not installed.
    """
    try:
        module = import_module(f"{PACKAGE}.sinks.{config.type}")
    except ImportError as error:
        extra = sink_keys(config.type).EXTRA
        if not extra or (error.name or "").partition(".")[0] == PACKAGE:
            raise  # a fault of ours
        message = f"the sink {config.name} of type {config.type} needs a library that cannot be loaded: {error}"
        raise SinkError(message, f"Run: pip install '{PACKAGE}[{extra}]'") from error
    return cast("SinkType", module.open_sink)(config, context)


def sink_checks(sinks: Iterable[SinkConfig], context: Context, seconds: float = CHECK_SECONDS) -> list[Check]:
    """Return one check for each sink but stdout: can it be made, and does the destination take records.

    All results of a sink have its path in the config for a name. A check takes at most `seconds`, whatever hangs.
    """
    return [_check(sink, context, seconds) for sink in sinks if sink.type != STDOUT]


def _check(config: SinkConfig, context: Context, seconds: float) -> Check:
    name = f"sinks.{config.name}"

    def look() -> list[Result]:
        found: list[list[Result]] = []
        # A daemon: a name server or a library that hangs holds up neither the other checks nor the end of the process.
        thread = threading.Thread(target=lambda: found.append(_look(name, config, context)), daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            return [failed(name, f"no answer within {seconds:g} s", NO_ANSWER_REMEDY)]
        if not found:  # the traceback is on stderr, see threading.excepthook
            return [Result(name, UNKNOWN, "the check itself failed", "Report what stderr says of it")]
        return found[0]

    return Check(name, look)


def _look(name: str, config: SinkConfig, context: Context) -> list[Result]:
    try:
        sink = open_sink(config, context)
    except StandpipeError as error:
        return [failed(name, error.message, error.remedy)]
    results = perform(Check(check.name, partial(_results, check)) for check in sink.checks())
    sink.close()
    return [Result(name, result.state, result.found, result.remedy) for result in results]


def _results(check: Check) -> Sequence[Result]:
    """Do a check. A secret or certificate that cannot be read is as certain as a refusal, so it fails."""
    try:
        return check.look()
    except SinkError as error:
        return [failed(check.name, error.message, error.remedy)]
