"""tail over a real OpenBao's records: every figure is the client's own count, every duration what the times say."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tests.e2e.openbao import lines_of
from tests.e2e.planted_counts import Asked, counted, differences, request_in
from tests.e2e.planted_requests import USERS
from tests.e2e.run_harness import STANDPIPE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.planted_run import Life

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
USER_NAME = f"userpass-{USERS[0]}"


def tail(*arguments: str | Path, stdin: bytes | None = None) -> list[dict[str, Any]]:
    """Return the objects of `tail --no-follow --json`."""
    command = [*STANDPIPE, "tail", "--no-follow", "--json", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, input=stdin)
    return [json.loads(line) for line in done.stdout.splitlines()]


def nanoseconds(time: str) -> int:
    """Return a record's time as a whole number, by code that shares nothing with the program."""
    second, _, fraction = time.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(second + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def test_every_request_is_shown_as_it_was_asked(clean: Life) -> None:
    """100,000 requests: outcome, operation, path, namespace, who asked and whether as root are the client's own."""
    rows = tail("--journal", clean.journal)
    assert [] == differences(counted(clean.asked), Counter(map(request_in, rows)))


def test_durations_are_the_difference_of_the_times(small: Life) -> None:
    """Each duration is from the request's time to the response's, as the records have them."""
    times: dict[tuple[str, str], int] = {}
    for record in map(json.loads, lines_of(small.data())):
        times[record["type"], record["request"].get("id", "")] = nanoseconds(record["time"])
    rows = [row for row in tail("--journal", small.journal) if row["duration_ms"] is not None]
    assert sum(ask.records == 2 for ask in small.asked) == len(rows)
    for row in rows:
        key = row["request_id"] or ""
        if not re.fullmatch(UUID, key):
            continue  # what a dev server asks itself has the same id at each start, or none
        passed = (times["response", key] - times["request", key]) / 1e6
        assert abs(passed - row["duration_ms"]) < 0.001


def test_filters(small: Life) -> None:
    """Each filter leaves what the client counted."""
    asked = Asked(small.asked)
    wanted = {
        ("--errors",): asked.failed,
        ("--op", "list"): asked.number(lambda ask: ask.operation == "list"),
        ("--path", "sys/*"): asked.number(lambda ask: fnmatchcase(ask.path, "sys/*")),
        ("--who", USER_NAME): asked.number(lambda ask: ask.who == USER_NAME),
        ("--who", USER_NAME, "--op", "read", "--errors"): asked.number(
            lambda ask: (ask.who, ask.operation, ask.outcome) == (USER_NAME, "read", "denied")
        ),
    }
    assert wanted == {options: len(tail("--journal", small.journal, *options)) for options in wanted}


def test_the_stream_that_a_person_pipes_in(small: Life) -> None:
    """Raw lines, and lines with envelopes and seals, give the same requests as the journal."""
    expected = counted(small.asked)
    for path in (small.raw, small.json, small.google):
        assert [] == differences(expected, Counter(map(request_in, tail("-", stdin=path.read_bytes()))))


def test_one_line_a_request_for_a_person(small: Life) -> None:
    """What a person reads has a line for each request, with its path, and no control character."""
    command = [*STANDPIPE, "tail", "--no-follow", "--no-color", "--journal", str(small.journal)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(small.asked) == len(lines)
    assert [] == [line for line in lines if re.search(r"[\x00-\x1f\x7f]", line)]
    for path in ("kv/<b>&'/3", "kv/ü/ 雪/4"):
        asked = [ask for ask in small.asked if ask.path == path]
        assert (path, len(asked)) == (path, sum(path in line for line in lines))
