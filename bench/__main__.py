"""The benchmark's command line. Progress goes to stderr, the table to stdout."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from bench import delivery, file_source, formats, html_report, journal, openbao, query, relay, stall, start, verify
from bench.contest import tell
from bench.cpu import machine
from bench.size import FULL, QUICK
from bench.table import as_json, as_markdown, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.size import Size
    from bench.table import Row

MEASURES: dict[str, Callable[[Size], list[Row]]] = {
    "relay": relay.rows,
    "journal": journal.rows,
    "file": file_source.rows,
    "openbao": openbao.rows,
    "stall": stall.rows,
    "start": start.rows,
    "formats": formats.rows,
    "delivery": delivery.rows,
    "verify": verify.rows,
    "query": query.rows,
    "report": html_report.rows,
}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure standpipe beside what people use today."
    )
    parser.add_argument("--quick", action="store_true", help="small loads and few pairs: a look, not a result")
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="NAME", help=f"of {', '.join(MEASURES)}")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the table of docs/benchmarks.md")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is ended, too
    began = time.monotonic()
    load_average = os.getloadavg()[0]
    rows: list[Row] = []
    for name in options.only or MEASURES:
        rows += MEASURES[name](QUICK if options.quick else FULL)
    tell(f"took {time.monotonic() - began:.0f} s; load average before it: {load_average:.1f}")
    about = f"{machine()}, load average before the run {load_average:.1f}"
    if options.json:
        print(as_json(rows, about))
    elif options.markdown:
        print(f"{about}.\n\n{as_markdown(rows)}", end="")
    else:
        print(f"{about}\n\n{as_text(rows)}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
