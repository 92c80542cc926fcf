from __future__ import annotations

import json
from typing import Any

import click
import pytest

from standpipe.analysis.tail_line import as_line, as_object, date_of, duration_text, short_error
from standpipe.analysis.tail_notice import notice_as_object, notice_as_text
from standpipe.analysis.tail_pairs import Exchange
from standpipe.analysis.tail_stream import Notice
from tests.analysis.tail_records import half


def plain(text: str, **_style: object) -> str:
    """Paint nothing."""
    return text


def exchange(**members: Any) -> Exchange:  # noqa: ANN401 - members of a record
    """Return an answered request."""
    return Exchange(half("request", 1, second=0.5), half("response", 1, second=0.5123, **members))


def test_one_line_has_it_all() -> None:
    """Time, outcome, duration, operation, path, who, address, in columns."""
    expected = (
        "2026-03-01 10:00:00.500  ok              12.0 ms  read    secret/1                              "
        "token-bob e1234567 [default,dev]  10.0.0.7"
    )
    assert expected == as_line(exchange(), plain, with_date=True)


def test_on_a_terminal_the_clock_is_enough() -> None:
    """The day is told by a line of its own; narrow columns have fewer blanks and lose nothing."""
    assert "2026-03-01" == date_of(exchange())
    expected = (
        "10:00:00.500  ok              12.0 ms  read    secret/1                  token-bob e1234567 [default,dev]"
    )
    assert f"{expected}  10.0.0.7" == as_line(exchange(), plain, with_date=False, narrow=True)


def test_an_error_is_told_in_its_own_words() -> None:
    """The last column is the error, as one line; where the server hashed it, that is said."""
    error = "1 error occurred:\n\t* permission denied\n\n"
    assert as_line(exchange(error=error), plain, with_date=True).endswith("10.0.0.7         permission denied")
    hashed = as_line(exchange(response={"data": {"error": "hmac-sha256:0"}}), plain, with_date=True)
    assert hashed.endswith("(its text is in the response's data, hashed)")


@pytest.mark.parametrize(
    ("error", "short"),
    [
        ("1 error occurred:\n\t* permission denied\n\n", "permission denied"),
        ("2 errors occurred:\n\t* a\n\t* b\n\n", "a; b"),
        ("plain\nwords", "plain words"),
        ("", ""),
    ],
)
def test_errors_are_one_line(error: str, short: str) -> None:
    """A list of errors loses its head line and its layout, never an error."""
    assert short == short_error(error)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.0421, "0.04 ms"),
        (9.99, "9.99 ms"),
        (12.34, "12.3 ms"),
        (999.9, "999.9 ms"),
        (1500, "1.50 s"),
        (-1, "-1.00 ms"),
    ],
)
def test_durations_have_three_digits_or_so(milliseconds: float, text: str) -> None:
    """Milliseconds below a second; clocks that step give negative ones, which are shown."""
    assert text == duration_text(milliseconds)


def test_many_policies_are_counted() -> None:
    """Three are named, the rest counted; JSON has all."""
    many = exchange(auth={"display_name": "x", "policies": ["a", "b", "c", "d", "e"]})
    assert "x [a,b,c,+2]" in as_line(many, plain, with_date=True)
    assert ["a", "b", "c", "d", "e"] == as_object(many)["policies"]


def test_a_local_zone_becomes_utc() -> None:
    """A time with an offset is told in UTC, and one that is none as it stands."""
    assert as_line(exchange_at("2026-03-01T01:00:00+02:00"), plain, with_date=True).startswith(
        "2026-02-28 23:00:00.000"
    )
    assert as_line(exchange_at("noon"), plain, with_date=True).startswith("noon ")


def exchange_at(time: str) -> Exchange:
    """Return an answered request of a time of its own."""
    return Exchange(None, half("response", 1, time=time))


def test_every_text_of_a_record_is_painted() -> None:
    """Whatever holds a control character goes through `paint`, so that the terminal sees none."""
    evil = "\x1b[31m\n"
    request = {"path": evil, "operation": evil, "remote_address": evil, "namespace": {"path": evil}}
    auth = {"display_name": evil, "entity_id": evil, "policies": [evil]}
    bad = Exchange(None, half("response", 1, request=request, auth=auth, error=f"x{evil}", time=evil))

    def paint(text: str, **_style: object) -> str:
        return text.replace("\x1b", "?").replace("\n", "?")

    line = as_line(bad, paint, with_date=True)
    assert line.isprintable()
    assert json.loads(json.dumps(as_object(bad)))["path"] == evil


def test_colours_are_those_of_click() -> None:
    """click.style takes every style, and root stands out."""
    root = exchange(auth={"display_name": "root", "policies": ["root"]})
    line = as_line(root, click.style, with_date=True)
    assert click.style("root", fg="magenta", bold=True) in line
    assert as_line(root, plain, with_date=True) == click.unstyle(line)


def test_json_has_the_members_of_the_view_requests() -> None:
    """Null where a record does not say; numbers are numbers."""
    expected = {
        "journal": "j",
        "offset": 1,
        "request_id": "id-1",
        "time": "2026-03-01T10:00:00.500Z",
        "response_time": "2026-03-01T10:00:00.512Z",
        "duration_ms": 12.0,
        "outcome": "ok",
        "error": None,
        "operation": "read",
        "path": "secret/1",
        "namespace_path": "",
        "mount_point": None,
        "mount_type": None,
        "client_id": None,
        "display_name": "token-bob",
        "entity_id": "e1234567890",
        "policies": ["default", "dev"],
        "is_root": False,
        "token_type": None,
        "accessor": None,
        "remote_address": "10.0.0.7",
        "remote_port": None,
    }
    assert expected == as_object(exchange())


def test_what_is_no_request_has_words() -> None:
    """Gaps, torn records and foreign objects, with their place."""
    assert "-- gap: 1,500 addresses from offset 7 on hold nothing" == notice_as_text(Notice("gap", "j", 7, 1500))
    assert "-- torn record: 3 bytes at offset 7" == notice_as_text(Notice("torn", "j", 7, 3))
    assert "-- not an audit entry: 3 bytes" == notice_as_text(Notice("no-entry", "j", None, 3))
    expected = {"journal": "j", "offset": 7, "length": 3, "outcome": "torn"}
    assert expected == notice_as_object(Notice("torn", "j", 7, 3))
