"""Each type of sink has its page with all its keys and a config that works, and its row in the table of sinks."""

from __future__ import annotations

import pytest
import yaml

from standpipe.config import parse_config
from standpipe.config_keys import SINK_TYPES, Key
from standpipe.config_sink_types import sink_keys
from standpipe.sink_keys.tls import TLS_KEYS
from tests.docs.pages import DOCS, blocks, codes, links, section, table_headed

SINKS = DOCS / "sinks"
INDEX = SINKS / "README.md"


def documented_keys(sink_type: str) -> dict[str, list[str]]:
    """Return the rows of the page's table of keys, by key."""
    return {codes(row[0])[0]: row for row in table_headed((SINKS / f"{sink_type}.md").read_text(), "key")}


def test_the_table_of_sinks() -> None:
    """docs/sinks/README.md has each type, in the order of the config's choices, with its extra and its page."""
    rows = table_headed(INDEX.read_text(), "type")
    expected = [
        (f"[`{name}`]({name}.md)", f"`{extra}`" if (extra := sink_keys(name).EXTRA) else "none") for name in SINK_TYPES
    ]
    assert expected == [(row[0], row[1]) for row in rows]


def test_no_page_is_out_of_reach() -> None:
    """docs/README.md leads to the table of sinks, and that to every page beside it."""
    assert "sinks/README.md" in links(DOCS / "README.md")
    there = {page.name for page in SINKS.glob("*.md")} - {"README.md"}
    assert there == {link.partition("#")[0] for link in links(INDEX) if "/" not in link}


@pytest.mark.parametrize("sink_type", SINK_TYPES)
def test_the_page_has_every_key_and_no_other(sink_type: str) -> None:
    """Its table has one row for each key of the type."""
    assert {key.path for key in sink_keys(sink_type).KEYS} == set(documented_keys(sink_type))


@pytest.mark.parametrize("sink_type", SINK_TYPES)
def test_the_rows_name_defaults_choices_and_bounds(sink_type: str) -> None:
    """Whatever the words of a row are, the values in it are the program's; those of TLS are the same everywhere."""
    rows = {path: " | ".join(row) for path, row in documented_keys(sink_type).items()}
    expected = [
        (key.path, value)
        for key in sink_keys(sink_type).KEYS
        if key not in TLS_KEYS
        for value in (*key.choices, key.default, key.minimum, key.maximum)
        if value and not ("…" in rows[key.path] and value.rstrip("0123456789") in rows[key.path])  # `local0` … `local7`
    ]
    assert [] == [(path, value) for path, value in expected if value not in rows[path]]


@pytest.mark.parametrize("sink_type", SINK_TYPES)
def test_the_page_has_a_config_that_loads(sink_type: str) -> None:
    """The first example is a whole config with a sink of the type; all are loaded by test_not_executed.py."""
    first, *_ = blocks(SINKS / f"{sink_type}.md", "yaml")
    assert sink_type in [sink.type for sink in parse_config(yaml.safe_load(first.text)).sinks]


@pytest.mark.parametrize("key", TLS_KEYS, ids=lambda key: key.path)
def test_the_options_of_tls_mean_the_same_everywhere(key: Key) -> None:
    """Where a type has one of them, it is of the shared table's kind and has its default."""
    own = [own for name in SINK_TYPES for own in sink_keys(name).KEYS if own.path == key.path]
    assert own
    assert {(key.kind, key.default)} == {(own.kind, own.default) for own in own}


def test_the_general_keys_are_said_once() -> None:
    """docs/configuration.md leads to the sinks, and the sinks to it."""
    assert "sinks/README.md" in links(DOCS / "configuration.md")
    assert "../configuration.md#sinks" in links(INDEX)
    assert section(DOCS / "configuration.md", "sinks")
