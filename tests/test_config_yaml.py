from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standpipe.config_problem import ConfigError
from standpipe.config_yaml import parse_yaml

HEAD = "holds a control character. Delete it, or write it as an escape in quotes."
SCALAR = "looks like a number or date, and is none. Mend the YAML there."


def problems_of(content: bytes) -> list[str]:
    """Return what is wrong with a file, nothing where it is good."""
    try:
        parse_yaml(content)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: 2\na: 3\n", "line 3, column 1: a is given twice, first in line 1. Keep one of them."),
        (b"s: {x: 1, x: 2}\n", "line 1, column 11: x is given twice, first in line 1. Keep one of them."),
        (b'? "\\e"\n: 1\n"\\e": 2', 'line 3, column 1: "\\x1b" is given twice, first in line 1. Keep one of them.'),
        (b"a: 1\n b: 2\n", "line 2, column 3: mapping values are not allowed here. Mend the YAML there."),
        (b"a: \xff", "line 1, column 4: is not UTF-8. Save the file as UTF-8."),
        (b"a: 1\n\xc3\xa4: \xff", "line 2, column 4: is not UTF-8. Save the file as UTF-8."),
        (b"a: 1\nb: \x01", f"line 2, column 4: {HEAD}"),
        (b"a: 2024-99-99", f"line 1, column 4: {SCALAR}"),
        (b"a: !!int ''", f"line 1, column 4: {SCALAR}"),
        (b"a: !!bool maybe", f"line 1, column 4: {SCALAR}"),
        (b"a: !!timestamp x", f"line 1, column 4: {SCALAR}"),
        (b"[" * 5000, "(whole file): is nested too deep. See docs/configuration.md."),
    ],
)
def test_each_fault_of_the_yaml_has_line_and_column(content: bytes, expected: str) -> None:
    """A file that cannot be read, or gives a key twice, is refused with the place."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(content)
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a: [1", "line 1, column 6: "),
        (b"a: 1\n--- b", "line 2, column 1: "),
        (b"a: !!python/object:os.system x", "line 1, column 4: "),
        (b"a: *b", "line 1, column 4: "),
        (b"? [a]\n: b", "line 1, column 3: "),
        (b"a: %", "line 1, column 4: "),
        (b"a: {<<: 1}", "line 1, column 9: "),
    ],
)
def test_the_parsers_own_words_come_with_the_place(content: bytes, place: str) -> None:
    """Where the parser says what is wrong, its words follow line and column, on one line."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(content)
    assert str(caught.value).startswith(place)
    assert str(caught.value).isprintable()


def test_all_doubled_keys_are_told_at_once() -> None:
    """Two keys that are given twice are two problems."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(b"a: {x: 1, x: 2}\nb: 1\nb: 2\n")
    assert 2 == len(caught.value.problems)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", None),
        (b"# nothing\n", None),
        (b"\xef\xbb\xbfa: 1", {"a": 1}),
        (b"x: {a: &a {<<: {k: 1}, k: 2}}\ny: {<<: *a, k: 3}", {"x": {"a": {"k": 2}}, "y": {"k": 3}}),
        (
            b"y: &b {k: 1}\nx: {d: {a: &a {<<: *b, k: 2}}}\nz: {<<: *a}",
            {"y": {"k": 1}, "x": {"d": {"a": {"k": 2}}}, "z": {"k": 2}},
        ),
    ],
)
def test_good_files_are_read_as_the_safe_loader_does(content: bytes, expected: object) -> None:
    """Empty files, a byte order mark and merge keys are no mistakes; a merged key may be overridden."""
    assert expected == parse_yaml(content)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(st.sampled_from("ab:-[]{}&*!<>|'\"%@`#?, \n\t0123.eE~_TZ+="), max_size=40).map(str.encode),
    )
)
def test_no_bytes_raise_anything_but_a_config_error(content: bytes) -> None:
    """Whatever the file holds, the outcome is data or a ConfigError."""
    assert all(line.isprintable() for line in problems_of(content))
