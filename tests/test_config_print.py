from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.config import (
    Config,
    JournalConfig,
    ShutdownConfig,
    default_config,
    parse_config,
    resolve,
)
from standpipe.config_keys import Kind
from standpipe.config_print import as_yaml, duration_text
from standpipe.config_sink_types import NEEDS_ENVELOPE, REFUSED, is_raw, sink_keys
from standpipe.config_sinks import BatchConfig, Secret, SelectConfig, SinkConfig
from standpipe.config_source import DEFAULT_RECLAIM, ReclaimConfig, SourceConfig
from standpipe.config_values import written_number
from standpipe.config_yaml import parse_yaml
from standpipe.units import parse_duration
from tests.docs.pages import blocks

if TYPE_CHECKING:
    from standpipe.config_keys import Key

GIB = 1 << 30
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
PATHS = st.one_of(
    TEXTS.filter(lambda text: text and "\0" not in text), st.sampled_from(["~", "yes", "1:30", "- a", "#x"])
)
LABELS = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=3)
WORDS = st.lists(TEXTS.filter(lambda text: text and "\n" not in text and all(text.split("."))), max_size=3).map(tuple)
SELECTS = st.builds(
    SelectConfig,
    WORDS,
    WORDS,
    WORDS,
    WORDS,
    st.sampled_from([(), ("request",), ("response", "request")]),
    st.booleans(),
)
BATCHES = st.builds(
    BatchConfig,
    st.none() | st.integers(1024, 64 << 20),
    st.none() | st.integers(1, 1_000_000),
    st.none() | st.just(0.0) | st.floats(0.001, 3600),
    st.none() | st.integers(1, 64),
)
SECRETS = st.builds(Secret, file=PATHS) | st.builds(Secret, env=st.sampled_from(["TOKEN", "_a1"]))


def values_of(key: Key) -> st.SearchStrategy[object]:
    """Return what a key of a sink's type may have for a value; None, or something empty, where it has none."""
    if key.kind is Kind.CHOICE:
        return st.sampled_from(key.choices)
    if key.kind is Kind.BOOLEAN:
        return st.booleans()
    if key.kind in (Kind.SIZE, Kind.DURATION, Kind.INTEGER):
        number = float if key.kind is Kind.DURATION else int
        least, most = (written_number(key.kind, bound) for bound in (key.minimum, key.maximum))
        return st.sampled_from([number(least or 0), number(most or 1 << 20)])
    if key.kind is Kind.LABELS:
        return LABELS
    if key.kind is Kind.TEXTS:
        words = WORDS.filter(bool) if key.required else WORDS
        return words if not key.choices else st.just(key.choices)
    return SECRETS if key.kind is Kind.SECRET else PATHS.filter(lambda text: "\n" not in text and "@" not in text)


# The sinks of the pages' examples: each is complete for its type, and a test varies it.
EXAMPLES = [
    sink
    for page in sorted((Path(__file__).parents[1] / "docs" / "sinks").glob("*.md"))
    for block in blocks(page, "yaml")
    if block.text.startswith("sinks:")
    for sink in parse_config(parse_yaml(block.text.encode())).sinks
]


@st.composite
def sinks(draw: st.DrawFn) -> SinkConfig:
    """Vary an example: any general key that its type may have, and every key of its own that fits the others."""
    sink = draw(st.sampled_from(EXAMPLES))
    keys = sink_keys(sink.type)
    options = dict(sink.options)
    for key in draw(st.lists(st.sampled_from(keys.KEYS), max_size=5, unique=True)):
        varied = options | {key.path: draw(values_of(key))}
        options = options if keys.problems(varied) else varied
    sink = replace(
        sink,
        name=draw(st.sampled_from(["a-1", "null", "0"])),
        start=draw(st.sampled_from([None, "earliest", "latest"])),
        options=MappingProxyType(options),
    )
    general: dict[str, Any] = {
        "select": draw(st.none() | SELECTS.filter(lambda select: select != SelectConfig())),
        "drop_fields": draw(WORDS),
        "add": MappingProxyType(draw(LABELS)),
        "deliver_seals": draw(st.booleans()),
        "batch": draw(BATCHES),
    }
    plain = SinkConfig(sink.name, sink.type, deliver_seals=keys.DELIVER_SEALS)
    fields = {name: "labels" if name == "add" else name for name in general}
    refused = {*REFUSED.get(sink.type, {}), *(NEEDS_ENVELOPE if is_raw(sink) else ())}
    return replace(
        sink,
        **{fields[name]: getattr(plain, fields[name]) if name in refused else value for name, value in general.items()},
    )


RECLAIMS = st.builds(
    ReclaimConfig,
    way=st.sampled_from(["auto", "punch", "reopen", "none"]),
    at_bytes=st.integers(64 << 10, 1 << 50),
    max_apparent_size_bytes=st.just(1 << 50),
    pid_file=st.none() | PATHS,
)
SOURCES = st.one_of(
    st.builds(SourceConfig, PATHS, st.none(), TEXTS.filter(lambda text: "\n" not in text), st.just(DEFAULT_RECLAIM)),
    st.builds(SourceConfig, st.none(), st.none() | PATHS, st.just(""), RECLAIMS),
)
JOURNALS = st.builds(
    JournalConfig,
    path=PATHS,
    segment_size_bytes=st.integers(4096, GIB),
    max_size_bytes=st.integers(2 * GIB, 1 << 50),
    on_full=st.sampled_from(["block", "drop-oldest"]),
    fsync_seconds=st.floats(0.01, 3600),
    seal_every_seconds=st.integers(1, 366 * 86400).map(float),
    retain_age_seconds=st.just(0.0) | st.floats(0.001, 36600 * 86400),
    retain_size_bytes=st.integers(0, 2 * GIB),
)
SINKS = st.lists(sinks(), max_size=3, unique_by=lambda sink: sink.name).map(
    lambda found: tuple(sink for i, sink in enumerate(found) if sink.type != "stdout" or i == 0)
)


@given(st.builds(Config, SOURCES, JOURNALS, SINKS, st.builds(ShutdownConfig, st.integers(0, 86400).map(float))))
@settings(max_examples=150, deadline=None)
def test_it_loads_back_to_the_same_settings(config: Config) -> None:
    """Whatever the settings are: every text, size and time comes back as it was."""
    assert config == parse_config(parse_yaml(as_yaml(config).encode()))


def test_the_defaults_are_all_written() -> None:
    """A person sees every key that has a value, in the order of docs/configuration.md."""
    text = as_yaml(resolve(default_config(), 100 * GIB, 0))
    assert text == (
        "source:\n  prefix: ''\n  reclaim:\n    way: auto\n    at: 8MiB\n    max_apparent_size: 1024GiB\n"
        "journal:\n  path: /var/lib/standpipe\n  segment_size: 64MiB\n  max_size: 10GiB\n  on_full: block\n"
        "  fsync: 1s\n  seal_every: 1h\n  retain:\n    age: 7d\n    size: 5GiB\n"
        "sinks:\n  stdout:\n    type: stdout\n    format: raw\n    refuse_raw: false\n"
        "shutdown:\n  deadline: 20s\n"
    )


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0s"), (0.5, "500ms"), (90.0, "90s"), (120.0, "2m"), (86400.0, "1d")]
)
def test_times_are_written_in_the_unit_that_fits(seconds: float, expected: str) -> None:
    """The largest one that keeps the number whole."""
    assert expected == duration_text(seconds)


@given(st.just(0.0) | st.floats(0.001, 1e10))
def test_times_are_exact(seconds: float) -> None:
    """However odd they are, from the millisecond on."""
    assert seconds == parse_duration(duration_text(seconds))


def test_a_secret_is_written_as_its_place() -> None:
    """The file's or the variable's name, where a secret has one; nothing else of a secret is in the settings."""
    tokens = {"a": {"file": "/run/token"}, "b": {"env": "TOKEN"}}
    sinks = {name: {"type": "http", "url": "https://h/", "token": token} for name, token in tokens.items()}
    printed = yaml.safe_load(as_yaml(parse_config({"sinks": sinks})))["sinks"]
    assert tokens == {name: sink["token"] for name, sink in printed.items()}


def test_every_option_of_a_sink_is_written() -> None:
    """Its type's defaults as well; the sections of dotted names stand as sections."""
    config = parse_config({"sinks": {"a": {"type": "http", "url": "https://h/", "tls": {"ca": "/ca"}}}})
    printed = yaml.safe_load(as_yaml(config))["sinks"]["a"]
    assert ("30s", "POST", {"ca": "/ca", "verify": True}) == (printed["timeout"], printed["method"], printed["tls"])
    assert True is printed["deliver_seals"]
