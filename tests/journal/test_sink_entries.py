from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.journal.extra_bytes import extra_bytes
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries import SinkEntry, decode, encode
from standpipe.journal.sink_entries_store import read_entries, write_entries

ENTRIES = st.dictionaries(
    st.text(min_size=1), st.builds(SinkEntry, st.text(), st.integers(0), st.text(), st.text(), st.text())
)


@given(ENTRIES)
def test_what_is_written_is_read(entries: dict[str, SinkEntry]) -> None:
    """One line of JSON."""
    data = encode(entries)
    assert (1, entries) == (data.count(b"\n"), decode(data))


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 100, b'{"format":1,"sinks":{"a":{"ty', b"[]", b"{}", b'{"sinks":[]}', b'{"sinks":{"a":1}}', b"\xff"],
)
def test_a_damaged_file_is_none_of_ours(data: bytes) -> None:
    """Torn, zeros, other things: as if it were not there."""
    assert decode(data) is None


def test_the_file(tmp_path: Path) -> None:
    """Missing: none; what is written replaces what was."""
    path = str(tmp_path / "sinks.json")
    assert read_entries(path) is None
    for entries in ({"a": SinkEntry("http", 3)}, {}):
        write_entries(path, entries)
        assert entries == read_entries(path)


def test_what_counts_besides_segments(tmp_path: Path) -> None:
    """Dead letters and both files of incidents; none of them need be there."""
    layout = Layout(str(tmp_path))
    assert 0 == extra_bytes(layout)
    (tmp_path / "deadletter").mkdir()
    for name, size in (("incidents.jsonl", 1), ("incidents.jsonl.1", 20), ("deadletter/a.jsonl", 300)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert 321 == extra_bytes(layout)
