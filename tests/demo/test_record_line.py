"""One audit record as one line."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from standpipe.demo.record_line import render

RECORD = {
    "time": "2026-02-03T04:05:06.789123456Z",
    "type": "response",
    "auth": {"display_name": "userpass-a"},
    "request": {"operation": "read", "path": "secret/a"},
}


def line(**changes: object) -> bytes:
    """Return RECORD with changes as a raw line."""
    return json.dumps({**RECORD, **changes}).encode()


def test_columns() -> None:
    """Time, type, operation, path and who stand in their columns."""
    assert "04:05:06.789  response  read    secret/a              userpass-a" == render(line(), 76, colours=False)


def test_error_takes_the_place_of_who() -> None:
    """The last of a record's error lines is what a person needs."""
    text = render(line(error="1 error occurred:\n\t* permission denied\n\n"), 100, colours=False)
    assert text.endswith("permission denied")


def test_no_json_is_shown_as_such() -> None:
    """A line that is no record is shown with its control characters escaped."""
    assert "not a whole record: \\x1b[2Jx" == render(b"\x1b[2Jx", 100, colours=False).rstrip()


def test_colours() -> None:
    """With colours the text is the same but for the escapes."""
    coloured = render(line(), 100, colours=True)
    assert "\x1b[36m" in coloured
    assert render(line(), 100, colours=False) == re.sub(r"\x1b\[\d+m", "", coloured)


@given(st.binary(max_size=200), st.text(), st.integers(60, 200))
def test_nothing_drives_the_terminal(junk: bytes, path: str, width: int) -> None:
    """No content of a record reaches the terminal as a control character, nor makes the line too wide."""
    for raw in (junk, line(request={"operation": path, "path": path}, time=path, type=path, error=path)):
        text = render(raw, width, colours=False)
        assert text.isprintable()
        assert len(text) <= max(width, 80)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)
    )
)
def test_any_json_can_be_shown(value: object) -> None:
    """JSON of any shape in any member is no error."""
    for raw in (json.dumps(value).encode(), line(request=value), line(auth=value), line(error=value, time=value)):
        assert render(raw, 100, colours=False)
