"""An http sink towards a destination, records for it, and what came of sending them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.config_sinks import BatchConfig, SinkConfig
from standpipe.records.framing import Framer, Record
from standpipe.sinks.base import Context
from standpipe.sinks.http import HttpSink

if TYPE_CHECKING:
    from collections.abc import Iterable


CONTEXT = Context("0f6c1d5e-0000-4000-8000-000000000001", "node-1")
DEFAULTS: dict[str, object] = {
    "method": "POST",
    "format": "lines",
    "compression": "none",
    "token_header": "Authorization",
    "token_scheme": "Bearer",
    "hmac.header": "X-Standpipe-Signature",
    "oversize": "parts",
    "timeout": 30.0,
    "tls.verify": True,
}
"""As the config fills them in."""


def http_sink(url: str, batch: BatchConfig | None = None, **options: object) -> HttpSink:
    """Return a sink; a double underscore in an option's name is a dot."""
    given = {name.replace("__", "."): value for name, value in options.items()}
    config = SinkConfig("web", "http", batch=batch or BatchConfig(), options=DEFAULTS | {"url": url} | given)
    return HttpSink(config, CONTEXT)


def records_of(lines: Iterable[bytes]) -> list[Record]:
    """Return the records of lines as a journal holds them."""
    return Framer(0).feed(b"".join(line + b"\n" for line in lines))


def numbered(count: int) -> list[Record]:
    """Return records that differ."""
    return records_of(b'{"type":"request","request":{"id":"%d"}}' % number for number in range(count))
