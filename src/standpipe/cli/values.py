"""Values of options that several click commands take, read as the config reads them."""

from __future__ import annotations

import click

from standpipe.units import parse_duration


def seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    """Read a duration such as 500ms or 10s; a callback of click. Raises BadParameter."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
