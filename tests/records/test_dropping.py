from __future__ import annotations

import json
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from standpipe.errors import UsageError
from standpipe.records.dropping import Dropper
from standpipe.records.framing import Record
from standpipe.records.objects import NESTING_MAX, is_object
from tests.records.strategies import ENTRY, entries, texts

MIB = 1024 * 1024

Members: TypeAlias = "list[tuple[str, Tree]]"
Tree: TypeAlias = "str | list[Tree] | tuple[Members]"  # a scalar's text, an array, an object's members
Paths: TypeAlias = "list[tuple[str, tuple[str, ...]]]"  # each field, and what is left of its path

# Names, each in several spellings; the first one is the plain one.
SPELLINGS = {
    "data": ['"data"', '"dat\\u0061"', '"\\u0064\\u0061ta"'],
    "request": ['"request"', '"reques\\u0074"'],
    "a/b": ['"a/b"', '"a\\/b"'],
    '"': ['"\\""', '"\\u0022"'],
    "\\": ['"\\\\"', '"\\u005c"'],
    "é": ['"é"', '"\\u00e9"'],
    "other": ['"other"'],
    "{": ['"{"'],
}
NAMES = list(SPELLINGS)
SCALARS = ["1", "1.0", "-0", "1e400", "9007199254740993", "null", "true", '""', '"}"', '"\\""', '"\\\\"', '"a\\\\\\"]"']
SCALARS += ['"data"', '"\\u003c\\ud83d\\ude00"', '"\U0001f600"', '","', '":"', '"[{"', '"\\/"']

names = st.sampled_from(NAMES)
spelt = names.flatmap(lambda name: st.sampled_from(SPELLINGS[name]))


def members_of(values: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Return objects, keys repeated as they come."""
    return st.lists(st.tuples(spelt, values), max_size=4).map(lambda members: (members,))


trees: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(SCALARS), lambda values: st.lists(values, max_size=3) | members_of(values), max_leaves=12
)
fields = st.lists(st.lists(names, min_size=1, max_size=3).map(".".join), max_size=3).map(tuple)


def render(tree: Tree) -> str:
    """Return the JSON text without whitespace between tokens."""
    if isinstance(tree, str):
        return tree
    if isinstance(tree, list):
        return f"[{','.join(map(render, tree))}]"
    return "{" + ",".join(f"{key}:{render(value)}" for key, value in tree[0]) + "}"


def prune(tree: Tree, paths: Paths, found: set[str]) -> Tree:
    """Return what is left, as the rules say it."""
    if isinstance(tree, str):
        return tree
    if isinstance(tree, list):
        return [prune(value, paths, found) for value in tree]
    kept: Members = []
    for key, value in tree[0]:
        name = json.loads(key)
        below = [(field, path[1:]) for field, path in paths if path[0] == name]
        ends = [field for field, path in below if not path]
        if ends:
            found.update(ends)
        else:
            kept.append((key, prune(value, below, found)))
    return (kept,)


def paths_of(drop: tuple[str, ...]) -> Paths:
    """Return the fields with their paths."""
    return [(field, tuple(field.split("."))) for field in drop]


def whole(body: bytes) -> Record:
    """Return an object as a record that has a prefix before it."""
    return Record(42, len(body) + 8, body, torn=False)


@given(members_of(trees), fields)
def test_what_stays_is_the_same_to_the_byte(tree: Tree, drop: tuple[str, ...]) -> None:
    """The fields go, each with one comma, and every other byte stays; the record says which fields were there."""
    record = whole(render(tree).encode())
    found: set[str] = set()
    body = render(prune(tree, paths_of(drop), found)).encode()
    dropped = tuple(field for field in dict.fromkeys(drop) if field in found)
    assert replace(record, body=body, dropped=dropped) == Dropper(drop).apply(record)


def parse(body: bytes) -> Tree:
    """Return an object's tree as the standard library reads it: numbers as they are written, keys repeated."""

    def text_of(value: object) -> Tree:
        if isinstance(value, list):
            return [text_of(each) for each in value]
        return value if isinstance(value, tuple) else json.dumps(value)

    def pairs(found: list[tuple[str, object]]) -> tuple[Members]:
        return ([(json.dumps(key), text_of(value)) for key, value in found],)

    # A number's text goes in as a string, and so a string's own text may not look like it.
    tree: Tree = json.loads(body, parse_int="number {}".format, parse_float="number {}".format, object_pairs_hook=pairs)
    return tree


@given(entries, st.lists(st.lists(texts.filter(lambda t: t and "." not in t), min_size=1, max_size=3), max_size=3))
def test_spaced_objects_read_as_before(body: bytes, drop: list[list[str]]) -> None:
    """Whitespace between tokens harms nothing: what is left parses, and is what the standard library would leave."""
    given_fields = tuple(".".join(path) for path in drop)
    after = Dropper(given_fields).apply(whole(body))
    assert is_object(after.body)
    assert prune(parse(body), paths_of(given_fields), set()) == parse(after.body)


SPACED = b'{ "a" :\t[ 1.0 , 2 ] , "b" : { "c" : 1E5 , "d" : "x" } , "e" : null }'


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        ("a", b'{ "b" : { "c" : 1E5 , "d" : "x" } , "e" : null }'),
        ("b", b'{ "a" :\t[ 1.0 , 2 ]  , "e" : null }'),
        ("e", b'{ "a" :\t[ 1.0 , 2 ] , "b" : { "c" : 1E5 , "d" : "x" } }'),
        ("b.c", b'{ "a" :\t[ 1.0 , 2 ] , "b" : { "d" : "x" } , "e" : null }'),
        ("b.d", b'{ "a" :\t[ 1.0 , 2 ] , "b" : { "c" : 1E5 } , "e" : null }'),
    ],
)
def test_whitespace_in_values_stays(drop: str, expected: bytes) -> None:
    """Whitespace inside and around what stays is left alone, and what is cut takes its own along."""
    body = Dropper((drop,)).apply(whole(SPACED)).body
    assert json.loads(expected) == json.loads(body)
    assert expected.replace(b" ", b"") == body.replace(b" ", b"")


@pytest.mark.parametrize("body", [ENTRY, b"{}", b"{ }", b'{"request":{"data":1}}'])
@pytest.mark.parametrize("drop", [(), ("none",), ("request.none", "auth.data"), ("request.data.x",), ("data",)])
def test_record_without_the_fields_is_the_same_object(body: bytes, drop: tuple[str, ...]) -> None:
    """Nothing is copied where nothing is cut, also where the names stand elsewhere in the record."""
    record = whole(body)
    assert record is Dropper(drop).apply(record)


@pytest.mark.parametrize(("name", "spelling"), [(name, s) for name, all_of_it in SPELLINGS.items() for s in all_of_it])
def test_name_goes_however_it_is_spelt(name: str, spelling: str) -> None:
    """Escapes in a key hide nothing, neither on the way nor at the end."""
    body = f'{{{spelling}:{{"x":1,{spelling}:"secret"}}}}'.encode()
    assert f'{{{spelling}:{{"x":1}}}}'.encode() == Dropper((f"{name}.{name}",)).apply(whole(body)).body


def test_fields_of_a_real_entry() -> None:
    """Several fields go at once; their names are in the order of the config, without those that were not there."""
    drop = ("response.data", "request.data", "auth.policies", "request.headers")
    after = Dropper(drop).apply(whole(ENTRY))
    expected = ENTRY.replace(b',"policies":["root"]', b"").replace(b',"data":{"n":1.5e3,"q":"\\"{}\\\\"}', b"")
    assert expected.replace(b',"data":{}', b"") == after.body
    assert ("response.data", "request.data", "auth.policies") == after.dropped
    assert (42, len(ENTRY) + 8) == (after.offset, after.length)


def test_field_inside_another_goes_with_it() -> None:
    """A path inside a member that goes as a whole, or given twice, is not named."""
    drop = Dropper(("request.data.a", "request", "request", "request.data"))
    assert ("request",) == drop.apply(whole(b'{"request":{"data":{"a":1}}}')).dropped


@pytest.mark.parametrize("body", [b'{"request":{"data":"secr', b"\xff", b'{"x":1}'])
def test_torn_record_is_withheld(body: bytes) -> None:
    """Nothing of a torn record leaves, and it says so; its place in the journal stays."""
    expected = Record(42, 50, b"", torn=True, dropped=("*",))
    assert expected == Dropper(("request.data",)).apply(Record(42, 50, body, torn=True))


def test_empty_line_and_seal_are_as_they_were() -> None:
    """There is nothing to withhold in an empty line, and a seal has no fields."""
    drop = Dropper(("format", "request.data"))
    for record in (Record(42, 1, b"", torn=True), Record(0, 9, b'{"format":1}', torn=False, is_seal=True)):
        assert record is drop.apply(record)


@pytest.mark.parametrize("field", ["", ".", "request.", ".data", "request..data"])
def test_field_with_an_empty_name_is_refused(field: str) -> None:
    """A path in which a name is missing is an error that shows it."""
    with pytest.raises(UsageError, match="has an empty name in it"):
        Dropper(("auth", field))


@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_deepest_records(opening: bytes, closing: bytes) -> None:
    """Records as deep as there are lose their fields, in front of the depth, inside it and behind it."""
    depth = NESTING_MAX - 2
    inside = opening * depth + b'{"data":1,"b":2}' + closing * depth
    body = b'{"a":' + inside + b',"data":' + inside + b',"c":[]}'
    assert is_object(body)
    path = "a." * (depth + 1 if opening != b"[" else 1) + "data"
    after = Dropper((path, "data")).apply(whole(body))
    assert b'{"a":' + inside.replace(b'"data":1,', b"") + b',"c":[]}' == after.body


@pytest.mark.parametrize(
    ("start", "middle", "end"),
    [
        (b'{"request":{"data":["', b'0123456789abc","', b'"]}}'),
        (b'{"request":{"x":"', b'\\"\\\\{', b'","data":1}}'),
        (b'{"request":{"data":"', b"0123456789abcdef", b'"}}'),
    ],
    ids=["list", "escapes", "string"],
)
def test_huge_record(start: bytes, middle: bytes, end: bytes) -> None:
    """A record of 64 MiB takes one pass: a field in it goes, and what stands beside it stays."""
    body = start + middle * (64 * MIB // len(middle)) + end
    after = Dropper(("request.data",)).apply(whole(body))
    expected = body.removesuffix(b',"data":1}}') + b"}}" if b'"x"' in start else b'{"request":{}}'
    assert expected == after.body


def test_many_small_members_in_linear_time() -> None:
    """Half a million fields in one record are cut out one by one; rewriting the record for each would not end."""
    body = b'{"request":[' + b'{"data":1,"a":2},' * 500_000 + b"3]}"
    after = Dropper(("request.data",)).apply(whole(body))
    assert b'{"request":[' + b'{"a":2},' * 500_000 + b"3]}" == after.body
