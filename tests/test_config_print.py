from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.config import (
    Config,
    JournalConfig,
    ShutdownConfig,
    StdoutSinkConfig,
    default_config,
    parse_config,
    resolve,
)
from standpipe.config_print import as_yaml, duration_text
from standpipe.config_source import DEFAULT_RECLAIM, ReclaimConfig, SourceConfig
from standpipe.config_yaml import parse_yaml
from standpipe.units import parse_duration

GIB = 1 << 30
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
PATHS = st.one_of(
    TEXTS.filter(lambda text: text and "\0" not in text), st.sampled_from(["~", "yes", "1:30", "- a", "#x"])
)
LABELS = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=3)
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
SINKS = st.one_of(
    st.just(()),
    st.builds(StdoutSinkConfig, st.just("a-1"), st.just("gcp"), st.none(), LABELS.map(MappingProxyType)).map(
        lambda sink: (sink,)
    ),
    st.builds(
        StdoutSinkConfig,
        st.just("null"),
        st.sampled_from(["raw", "json"]),
        st.sampled_from([None, "earliest", "latest"]),
        st.just(MappingProxyType({})),
    ).map(lambda sink: (sink,)),
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
        "sinks:\n  stdout:\n    type: stdout\n    format: raw\n"
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
