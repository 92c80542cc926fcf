from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from standpipe.config import (
    GIB,
    KIB,
    MIB,
    Config,
    JournalConfig,
    ShutdownConfig,
    apply_flags,
    default_config,
    default_segment_size_bytes,
    parse_config,
    resolve,
)
from standpipe.config_keys import KEYS, NOT_IN_THIS_RELEASE, SINK_TYPES_NOT_IN_THIS_RELEASE, TABLE, Key
from standpipe.config_problem import ConfigError
from standpipe.config_sinks import SinkConfig
from standpipe.config_source import DEFAULT_RECLAIM, TIB, ReclaimConfig, SourceConfig
from standpipe.errors import EXIT_USAGE, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENT = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()

DEFAULT = Config(
    source=SourceConfig(fifo=None, file=None, prefix="", reclaim=ReclaimConfig("auto", 8 * MIB, TIB, None)),
    journal=JournalConfig(
        path="/var/lib/standpipe",
        segment_size_bytes=None,
        max_size_bytes=None,
        on_full="block",
        fsync_seconds=1.0,
        seal_every_seconds=3600.0,
        retain_age_seconds=7 * 86400.0,
        retain_size_bytes=5 * GIB,
    ),
    sinks=(SinkConfig(name="stdout", type="stdout", options={"format": "raw", "refuse_raw": False}),),
    shutdown=ShutdownConfig(deadline_seconds=20.0),
)

LONG = "x" * 100


def problems_of(text: str) -> list[str]:
    """Return what is wrong with a config, one line each."""
    with pytest.raises(ConfigError) as caught:
        parse_config(yaml.safe_load(text))
    lines = [str(problem) for problem in caught.value.problems]
    assert "\n".join(lines) == str(caught.value)
    return lines


ENVELOPE = "needs the envelope of format json or gcp. Delete the key, or use format: json."


def sink_problem(text: str) -> list[str]:
    """Return what is wrong with one stdout sink ``a`` that has these keys."""
    return problems_of(f"sinks: {{a: {{type: stdout, {text}}}}}")


def test_no_file_and_an_empty_file_are_the_defaults() -> None:
    """An empty file gives what no file gives: journal on, one sink stdout, raw."""
    assert DEFAULT == default_config()
    assert DEFAULT == parse_config({})
    assert DEFAULT == parse_config({"sinks": {"stdout": {"type": "stdout"}}})


def test_every_key_is_read() -> None:
    """Each key of a full config arrives in its setting, in bytes and seconds."""
    config = parse_config(
        yaml.safe_load("""
source: {fifo: /vault/audit/pipe, prefix: "@cee: "}
journal: {path: /j, segment_size: 1MiB, max_size: 1GiB, on_full: drop-oldest, fsync: 250ms, seal_every: 5m,
          retain: {age: 2d, size: 512MiB}}
sinks: {console-1: {type: stdout, format: gcp, refuse_raw: true, start: latest, add: {app: vault}}}
shutdown: {deadline: 5s}
""")
    )
    expected = Config(
        source=SourceConfig(fifo="/vault/audit/pipe", file=None, prefix="@cee: ", reclaim=DEFAULT_RECLAIM),
        journal=JournalConfig(
            path="/j",
            segment_size_bytes=MIB,
            max_size_bytes=GIB,
            on_full="drop-oldest",
            fsync_seconds=0.25,
            seal_every_seconds=300.0,
            retain_age_seconds=2 * 86400.0,
            retain_size_bytes=512 * MIB,
        ),
        sinks=(
            SinkConfig(
                "console-1",
                "stdout",
                start="latest",
                labels={"app": "vault"},
                options={"format": "gcp", "refuse_raw": True},
            ),
        ),
        shutdown=ShutdownConfig(deadline_seconds=5.0),
    )
    assert expected == config


def test_every_key_of_a_file_is_read() -> None:
    """A file as the source, and how its space is given back."""
    config = parse_config(
        yaml.safe_load("""
source: {file: /vault/audit/audit.log, reclaim: {way: none, at: 64KiB, max_apparent_size: 1GiB, pid_file: /v.pid}}
""")
    )
    reclaim = ReclaimConfig("none", 64 * KIB, GIB, "/v.pid")
    assert SourceConfig(fifo=None, file="/vault/audit/audit.log", prefix="", reclaim=reclaim) == config.source
    assert "/vault/audit/audit.log" == config.source.path


def test_no_sink_at_all_is_allowed() -> None:
    """An empty map of sinks means journal only."""
    assert () == parse_config({"sinks": {}}).sinks


SIZE_REMEDY = "Write a number and B, KiB, MiB, GiB or TiB, such as 64MiB"
RECLAIM_KEYS = "Known here: way, at, max_apparent_size, pid_file."
LESS_THAN_AT = "is less than source.reclaim.at. Use more than source.reclaim.at."
SMALLER = "or a smaller journal.segment_size."
USE_128KIB = f"Use 128KiB or more, {SMALLER}"
TYPES = "stdout, gcp, fluent, otlp, kafka, objects, syslog, http or file"
TIME_REMEDY = "Write a number and ms, s, m, h or d, such as 20s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "(whole file): is not a map of sections. See docs/configuration.md."),
        ("jurnal: {}", "jurnal: is not a key of the config. Did you mean journal?"),
        ("zzz: {}", "zzz: is not a key of the config. Known here: source, journal, sinks, shutdown."),
        ("1: {}", "1: is not a key of the config. Known here: source, journal, sinks, shutdown."),
        ('"a.b\\e[2J": 1', '"a.b\\x1b[2J": is not a key of the config. Known here: source, journal, sinks, shutdown.'),
        ("journal: {max_sise: 1GiB}", "journal.max_sise: is not a key of the config. Did you mean max_size?"),
        ("journal: {retain: {agee: 1d}}", "journal.retain.agee: is not a key of the config. Did you mean age?"),
        ("journal:", "journal: has no value. Write its keys below it, or delete the line."),
        ("journal: [a]", "journal: a list is not a section. Write its keys below it."),
        ("journal: /j", 'journal: "/j" is not a section. Write its keys below it.'),
        ("journal: {path: 7}", "journal.path: 7 is not a path. Put it in quotes."),
        ("journal: {path: ''}", 'journal.path: "" is empty. Give a path, or delete the line.'),
        ('source: {fifo: "a\\0"}', 'source.fifo: "a\\x00" holds a NUL, which no path can. Give a path.'),
        ("source: {fifo: }", "source.fifo: has no value. Put it in quotes, or delete the line."),
        ("source: {file: }", "source.file: has no value. Put it in quotes, or delete the line."),
        ("source: {file: /a, fifo: /b}", "source.file: is given together with source.fifo. Keep one of them."),
        ("source: {file: /a, reclaim: auto}", 'source.reclaim: "auto" is not a section. Write its keys below it.'),
        ("source: {file: /a, reclaim: {when: 1s}}", f"source.reclaim.when: is not a key of the config. {RECLAIM_KEYS}"),
        (
            "source: {reclaim: {way: collapse}}",
            'source.reclaim.way: "collapse" is not auto, punch, reopen or none. Use one of these.',
        ),
        ("source: {reclaim: {at: 65535B}}", 'source.reclaim.at: "65535B" is less than 64KiB. Use 64KiB or more.'),
        (
            "source: {reclaim: {at: 2MiB, max_apparent_size: 1MiB}}",
            f'source.reclaim.max_apparent_size: "1MiB" {LESS_THAN_AT}',
        ),
        ("source: {reclaim: {at: 2TiB}}", f'source.reclaim.max_apparent_size: "1TiB" {LESS_THAN_AT}'),
        (
            "source: {reclaim: {pid_file: ''}}",
            'source.reclaim.pid_file: "" is empty. Give a path, or delete the line.',
        ),
        (
            "source: {fifo: /f, reclaim: {}}",
            "source.reclaim: works with source.file only. Delete the section, or name a file.",
        ),
        (
            'source: {prefix: "a\\n"}',
            'source.prefix: "a\\n" holds a line break. Write it on one line.',
        ),
        ("journal: {segment_size: 64MB}", f'journal.segment_size: "64MB" is not a size. {SIZE_REMEDY}.'),
        ("journal: {segment_size: 67108864}", f"journal.segment_size: 67108864 is not a size. {SIZE_REMEDY}."),
        ("journal: {segment_size: '4096'}", f'journal.segment_size: "4096" is not a size. {SIZE_REMEDY}.'),
        ("journal: {segment_size: 4095B}", 'journal.segment_size: "4095B" is less than 4KiB. Use 4KiB or more.'),
        ("journal: {max_size: 1025TiB}", 'journal.max_size: "1025TiB" is more than 1024TiB. Use 1024TiB or less.'),
        ("journal: {max_size: {}}", f"journal.max_size: a map is not a size. {SIZE_REMEDY}."),
        (
            "journal: {max_size: 127KiB}",
            f"journal.max_size: 127KiB is less than 128KiB, two of the smallest default segments. {USE_128KIB}",
        ),
        (
            "journal: {max_size: 127MiB, segment_size: 64MiB, retain: {size: 1MiB}}",
            f"journal.max_size: 127MiB is less than 128MiB, twice segment_size. Use 128MiB or more, {SMALLER}",
        ),
        (
            "journal: {max_size: 1GiB, retain: {size: 2GiB}}",
            "journal.retain.size: 2GiB is more than journal.max_size. Use max_size or less.",
        ),
        ("journal: {on_full: off}", "journal.on_full: false is not block or drop-oldest. Use one of these."),
        ("journal: {on_full: drop}", 'journal.on_full: "drop" is not block or drop-oldest. Use one of these.'),
        ("journal: {fsync: 1}", f"journal.fsync: 1 is not a time. {TIME_REMEDY}."),
        ("journal: {fsync: 0s}", 'journal.fsync: "0s" is less than 10ms. Use 10ms or more.'),
        ("journal: {fsync: 61m}", 'journal.fsync: "61m" is more than 1h. Use 1h or less.'),
        ("journal: {fsync: 2024-01-01}", f"journal.fsync: a date is not a time. {TIME_REMEDY}."),
        ("journal: {seal_every: 999ms}", 'journal.seal_every: "999ms" is less than 1s. Use 1s or more.'),
        ("journal: {retain: {age: 36601d}}", 'journal.retain.age: "36601d" is more than 36600d. Use 36600d or less.'),
        ("shutdown: {deadline: soon}", f'shutdown.deadline: "soon" is not a time. {TIME_REMEDY}.'),
        (f"shutdown: {{deadline: {LONG}}}", f'shutdown.deadline: "{LONG[:60]}…" is not a time. {TIME_REMEDY}.'),
        (
            f"shutdown: {{deadline: 0x{'f' * 5000}}}",
            f"shutdown.deadline: a very large number is not a time. {TIME_REMEDY}.",
        ),
        ("sinks: [stdout]", "sinks: a list is not a section. Write its keys below it."),
        ("sinks: ", "sinks: has no value. Write its keys below it, or delete the line."),
        ("sinks: {Console: {type: stdout}}", "sinks.Console: is not a sink's name. Use 1 to 63 of a-z, 0-9 and -."),
        ("sinks: {../x: {type: stdout}}", 'sinks."../x": is not a sink\'s name. Use 1 to 63 of a-z, 0-9 and -.'),
        ("sinks: {7: {type: stdout}}", "sinks.7: is not a sink's name. Use 1 to 63 of a-z, 0-9 and -."),
        ("sinks: {a: }", "sinks.a: has no value. Write its keys below it, or delete the line."),
        ("sinks: {a: {}}", f"sinks.a.type: is missing. Give it: {TYPES}."),
        ("sinks: {a: {type: stdut}}", f'sinks.a.type: "stdut" is not {TYPES}. Use one of these.'),
        ("sinks: {a: {type: [stdout]}}", f"sinks.a.type: a list is not {TYPES}. Use one of these."),
        (
            "sinks: {a: {type: stdout}, b: {type: stdout}}",
            "sinks.b: writes to stdout, and so does sinks.a. Keep one of them.",
        ),
        (
            "sinks: {a: {type: loki, endpoint: e}}",
            f'sinks.a.type: "loki" is not in this release. Use {TYPES}, or delete the sink.',
        ),
    ],
)
def test_each_problem_names_key_value_and_remedy(text: str, expected: str) -> None:
    """A wrong config gives exactly one line that tells where, what and what to do."""
    assert [expected] == problems_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("format: xml", 'sinks.a.format: "xml" is not raw, json or gcp. Use one of these.'),
        ("formt: raw", "sinks.a.formt: is not a key of the config. Did you mean format?"),
        ("start: now", 'sinks.a.start: "now" is not earliest or latest. Use one of these.'),
        ("add: {a: b}", f"sinks.a.add: {ENVELOPE}"),
        ("deliver_seals: true", f"sinks.a.deliver_seals: {ENVELOPE}"),
        ("batch: {}", "sinks.a.batch: does not work with type stdout, which has no batches. Delete the key."),
        ("format: gcp, add: [a]", 'sinks.a.add: a list is not a map of labels. Write {label: "value"}.'),
        ("format: gcp, add: ", 'sinks.a.add: has no value. Write {label: "value"}, or delete the line.'),
        ("format: gcp, add: {a: 1}", "sinks.a.add.a: 1 is not text. Put it in quotes."),
        ("format: gcp, add: {a: }", "sinks.a.add.a: has no value. Put it in quotes, or delete the line."),
        ("format: gcp, add: {1: a}", "sinks.a.add.1: is not a label. Name the label with a text in quotes."),
        ("format: gcp, add: {'': a}", 'sinks.a.add."": is not a label. Name the label with a text in quotes.'),
    ],
)
def test_each_problem_of_a_sink_is_told(text: str, expected: str) -> None:
    """A stdout sink with one wrong key gives exactly one line."""
    assert [expected] == sink_problem(text)


def test_a_sink_of_a_wrong_type_does_not_count_as_stdout() -> None:
    """A misspelt type gives its own line and no second one about two sinks on stdout; what all sinks have is judged."""
    lines = problems_of("sinks: {a: {type: stdut, format: xml, start: now}, b: {type: stdout}}")
    assert ["sinks.a.type", "sinks.a.start"] == [line.split(": ")[0] for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "fsync: 10ms, seal_every: 1s, retain: {age: 0s, size: 0B}",
        "fsync: 1h, seal_every: 366d, retain: {age: 36600d}",
        "segment_size: 4KiB, max_size: 8KiB, retain: {size: 8KiB}",
        "max_size: 1024TiB, retain: {size: 1024TiB}",
        "}, source: {reclaim: {at: 64KiB, max_apparent_size: 64KiB}",
        "}, source: {reclaim: {at: 1024TiB, max_apparent_size: 1024TiB}",
    ],
)
def test_the_bounds_themselves_are_allowed(text: str) -> None:
    """The least and the most that a message names are accepted."""
    resolve(journal_of(text), GIB, 0)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """A config with several mistakes gives one line for each of them."""
    text = "journal: {fsync: 0s, max_sise: 1, retain: {age: x}}\nsinks: {a: {type: stdout, format: xml}, B: {}}\nx: 1"
    text += "\nsource: {file: /a, fifo: /b, prefix: 1, reclaim: {at: 1B}}"
    paths = [line.split(": ")[0] for line in problems_of(text)]
    assert ["source.file", "source.prefix", "source.reclaim.at"] == [path for path in paths if path[:6] == "source"]
    paths = [path for path in paths if not path.startswith("source.")]
    assert ["x", "journal.max_sise", "journal.fsync", "journal.retain.age", "sinks.a.format", "sinks.B"] == paths


@pytest.mark.parametrize("key", sorted(NOT_IN_THIS_RELEASE))
def test_keys_of_later_releases_are_refused_by_name(key: str) -> None:
    """A key of a later release is never ignored in silence."""
    path = key.replace("<name>", "a")
    section, _, name = path.rpartition(".")
    data: dict[str, object] = {name: "x"}
    if section == "sinks.a":
        data["type"] = "stdout"
    for outer in reversed(section.split(".") if section else []):
        data = {outer: data}
    with pytest.raises(ConfigError) as caught:
        parse_config(data)
    assert f"{path}: is not in this release. Delete the key." == str(caught.value)


@pytest.mark.parametrize("sink_type", sorted(SINK_TYPES_NOT_IN_THIS_RELEASE))
def test_sink_types_of_later_releases_are_refused_by_name(sink_type: str) -> None:
    """A sink type of a later release is told apart from a wrong one."""
    remedy = "Use type: objects." if sink_type == "s3" else f"Use {TYPES}, or delete the sink."
    expected = f'sinks.a.type: "{sink_type}" is not in this release. {remedy}'
    assert [expected] == problems_of(f"sinks: {{a: {{type: {sink_type}, endpoint: x}}}}")


@pytest.mark.parametrize("label", ["api_token", "PASSWORD", "client-secret", "authorization"])
def test_values_of_keys_that_look_secret_are_not_shown(label: str) -> None:
    """A wrong value under a name that looks like a secret's does not reach the message."""
    expected = f"sinks.a.add.{label}: the value (not shown) is not text. Put it in quotes."
    assert [expected] == sink_problem(f"format: gcp, add: {{{label}: 271828}}")


def test_an_address_with_a_password_in_it_is_not_shown() -> None:
    """The value of any key is hidden where it holds user and password."""
    (line,) = problems_of("journal: {max_size: 'https://user:hunter2@host/'}")
    assert f"journal.max_size: the value (not shown) is not a size. {SIZE_REMEDY}." == line


def test_half_a_character_is_refused() -> None:
    """A lone surrogate could never be written as UTF-8; it is a problem here and not a crash later."""
    with pytest.raises(ConfigError) as caught:
        parse_config({"source": {"prefix": "\ud800"}})
    expected = 'source.prefix: "\\ud800" holds half a character (a lone surrogate). Write the whole character.'
    assert expected == str(caught.value)


def test_a_config_error_is_a_usage_error() -> None:
    """A wrong config ends with the status of a wrong command line."""
    assert issubclass(ConfigError, UsageError)
    assert EXIT_USAGE == ConfigError([]).exit_status


# ---- resolve


def journal_of(text: str) -> Config:
    """Return a config with these journal keys."""
    return parse_config(yaml.safe_load(f"{{journal: {{{text}}}}}"))


@pytest.mark.parametrize(
    ("text", "free", "own", "max_size", "segment_size", "retain_size"),
    [
        ("", 100 * GIB, 0, 10 * GIB, 64 * MIB, 5 * GIB),
        ("", 8 * GIB, 0, 4 * GIB, 64 * MIB, 4 * GIB),
        ("", 5 * GIB, 3 * GIB, 4 * GIB, 64 * MIB, 4 * GIB),
        ("", 256 * MIB, 0, 128 * MIB, 16 * MIB, 128 * MIB),
        ("max_size: 1GiB", 0, 0, GIB, 64 * MIB, GIB),
        ("max_size: 128KiB", 0, 0, 128 * KIB, 64 * KIB, 128 * KIB),
        ("max_size: 1000001B", 0, 0, 1000001, 122880, 1000001),
        ("max_size: 8KiB, segment_size: 4KiB", 0, 0, 8 * KIB, 4 * KIB, 8 * KIB),
        ("retain: {size: 1MiB}", 100 * GIB, 0, 10 * GIB, 64 * MIB, MIB),
        ("segment_size: 1GiB", 100 * GIB, 0, 10 * GIB, GIB, 5 * GIB),
    ],
)
def test_the_sizes_follow_the_disk(
    text: str, free: int, own: int, max_size: int, segment_size: int, retain_size: int
) -> None:
    """The cap is half of free and own bytes but at most 10 GiB; a segment is an eighth of it within bounds."""
    journal = resolve(journal_of(text), free, own).journal
    expected = (max_size, segment_size, retain_size)
    assert expected == (journal.max_size_bytes, journal.segment_size_bytes, journal.retain_size_bytes)


def test_a_volume_without_room_for_two_segments_is_a_problem() -> None:
    """Where the default cap cannot hold two segments of the size that was asked for, resolve says so."""
    with pytest.raises(ConfigError, match=r"journal\.max_size: .* is less than"):
        resolve(journal_of("segment_size: 1GiB"), 3 * GIB, 0)


@pytest.mark.parametrize("free", [0, 255 * KIB])
def test_a_full_volume_is_no_problem_of_the_config(free: int) -> None:
    """Nobody chose the default cap: on a full volume a start goes on with the smallest, for delivery makes room."""
    assert 128 * KIB == resolve(journal_of(""), free, 0).journal.max_size_bytes


@pytest.mark.parametrize("fifo", ["/j", "/j/reserve", "/j//./reserve", "/j/"])
def test_the_fifo_is_not_the_journal_itself(fifo: str) -> None:
    """A FIFO that is the journal's directory or its reserve would run bytes in a circle: refused."""
    config = apply_flags(default_config(), fifo=fifo, journal="/j/")
    with pytest.raises(ConfigError, match=r"source\.fifo: .* is a path of the journal itself"):
        resolve(config, GIB, 0)


@pytest.mark.parametrize("file", ["/j", "/j/audit.log", "/j/segments/a", "/j//./a", "/k/../j/a"])
def test_the_file_does_not_lie_in_the_journal(file: str) -> None:
    """A file inside the journal's directory is refused, whichever way its path is written; one beside it is not."""
    with pytest.raises(ConfigError, match=r"source\.file: .* lies inside the journal's directory"):
        resolve(apply_flags(default_config(), file=file, journal="/j/"), GIB, 0)
    resolve(apply_flags(default_config(), file=f"/elsewhere{file}", journal="/j/"), GIB, 0)
    resolve(apply_flags(default_config(), file="/journal", journal="/j/"), GIB, 0)


def test_every_problem_of_the_paths_is_told_at_once() -> None:
    """What the complete settings show is told together: path and cap."""
    config = apply_flags(journal_of("segment_size: 1GiB"), file="/var/lib/standpipe/a")
    with pytest.raises(ConfigError) as caught:
        resolve(config, 0, 0)
    assert ["source.file", "journal.max_size"] == [problem.path for problem in caught.value.problems]


@given(st.integers(min_value=128 * KIB, max_value=1 << 50))
def test_a_default_segment_is_whole_pages_and_fits_twice(max_size: int) -> None:
    """The default segment size is a multiple of 4 KiB, within its bounds, and at most half of the cap."""
    size = default_segment_size_bytes(max_size)
    assert 0 == size % (4 * KIB)
    assert 64 * KIB <= size <= 64 * MIB
    assert 2 * size <= max_size


# ---- flags


def test_flags_beat_the_file() -> None:
    """A flag replaces the file's value, and a flag that is not given leaves it."""
    config = parse_config({"source": {"fifo": "/a", "prefix": "p"}, "journal": {"path": "/j", "fsync": "2s"}})
    assert config == apply_flags(config)
    assert replace(config, source=replace(config.source, fifo="/b")) == apply_flags(config, fifo="/b")
    assert replace(config, journal=replace(config.journal, path="/k")) == apply_flags(config, journal="/k")


def test_a_source_of_the_command_line_replaces_the_files_whichever_it_is() -> None:
    """--fifo and --file each beat both keys; where a FIFO takes a file's place, the file's reclaim goes as well."""
    reclaim = {"way": "punch", "pid_file": "/p"}
    fifo = parse_config({"source": {"fifo": "/a", "prefix": "p"}}).source
    file = parse_config({"source": {"file": "/a", "prefix": "p", "reclaim": reclaim}}).source
    configs = [replace(DEFAULT, source=source) for source in (fifo, file)]
    by_fifo = [apply_flags(config, fifo="/b").source for config in configs]
    assert [SourceConfig("/b", None, "p", DEFAULT_RECLAIM)] * 2 == by_fifo
    by_file = [apply_flags(config, file="/b").source for config in configs]
    assert [SourceConfig(None, "/b", "p", DEFAULT_RECLAIM), SourceConfig(None, "/b", "p", file.reclaim)] == by_file


def test_a_pid_file_of_the_command_line() -> None:
    """--pid-file beats source.reclaim.pid_file."""
    config = parse_config({"source": {"file": "/a", "reclaim": {"at": "1MiB", "pid_file": "/p"}}})
    expected = replace(config.source.reclaim, pid_file="/q")
    assert expected == apply_flags(config, pid_file="/q").source.reclaim


def test_reclaiming_a_fifo_of_the_command_line_is_a_problem() -> None:
    """Where the file says how to reclaim and names no file, a FIFO of the command line cannot go with it."""
    config = apply_flags(parse_config({"source": {"reclaim": {"way": "none"}}}), fifo="/f")
    with pytest.raises(ConfigError, match=r"source\.reclaim: works with source\.file only\. Delete the section"):
        resolve(config, GIB, 0)


def test_two_sources_on_the_command_line_are_a_usage_error() -> None:
    """--fifo and --file together are refused."""
    with pytest.raises(ConfigError) as caught:
        apply_flags(default_config(), fifo="/a", file="/b")
    assert '--file: "/b" is given together with --fifo. Keep one of them.' == str(caught.value)


def test_empty_flags_are_a_usage_error() -> None:
    """An empty flag, as from an unset variable, is refused; both are told at once."""
    with pytest.raises(ConfigError) as caught:
        apply_flags(default_config(), fifo="", journal="", pid_file="")
    remedy = "is empty. Give a path, or leave the flag out."
    assert f'--fifo: "" {remedy}\n--journal: "" {remedy}\n--pid-file: "" {remedy}' == str(caught.value)
    with pytest.raises(ConfigError, match="--file: "):
        apply_flags(default_config(), file="")


# ---- whatever YAML can make

NAMES = st.sampled_from(sorted({part for key in KEYS for part in key.path.split(".")} | {"a", "observe"}))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.sampled_from(["stdout", "raw", "gcp", "1s", "64MiB", "0B", "kafka", "\ud800", "9" * 30 + "d"]),
)
DATA = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=3) | SCALARS, below, max_size=5)
        | st.dictionaries(NAMES, below, max_size=5)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=12,
)


def outcome(attempt: Callable[[], Config]) -> list[str]:
    """Return the lines of the ConfigError that an attempt raises, none where it succeeds; let other errors pass."""
    try:
        attempt()
    except ConfigError as error:
        return str(error).split("\n")
    return []


@given(DATA, st.integers(0, 1 << 60), st.integers(0, 1 << 60))
def test_no_data_raises_anything_but_a_config_error(data: object, free: int, own: int) -> None:
    """Whatever the file holds, the outcome is settings or a ConfigError with printable lines."""
    lines = outcome(lambda: resolve(parse_config(data), free, own))
    assert all(line.isprintable() and line for line in lines)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.dictionaries(st.sampled_from(TABLE.child_names(name)), DATA, max_size=6)
            for name in ("source", "source.reclaim", "journal", "journal.retain", "shutdown")
        }
        | {"sinks": st.dictionaries(st.sampled_from(["a", "b", "C"]), st.dictionaries(NAMES, DATA), max_size=3)},
    )
)
def test_no_section_raises_anything_but_a_config_error(data: dict[str, object]) -> None:
    """The same for data that has the right shape and wrong values."""
    lines = outcome(lambda: parse_config(data))
    assert all(line.isprintable() and line for line in lines)


def test_data_that_contains_itself_is_reported() -> None:
    """YAML's aliases can make a map that contains itself; that ends too."""
    data: dict[str, object] = {}
    data["journal"] = data
    with pytest.raises(ConfigError) as caught:
        parse_config(data)
    assert "journal.journal: is not a key of the config. Known here: " in str(caught.value)


# ---- the document


def document_rows() -> dict[str, list[str]]:
    """Return the rows of the document's tables of keys, by key."""
    rows = (line.strip("|").split(" | ") for line in DOCUMENT.splitlines() if line.startswith("| `"))
    return {cells[0].strip(" `"): [cell.strip() for cell in cells] for cells in rows}


def test_the_document_has_every_key_and_no_other() -> None:
    """docs/configuration.md has one row for each key, in the table's order."""
    assert [key.path for key in KEYS] == list(document_rows())


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_the_document_has_type_default_meaning_and_bounds(key: Key) -> None:
    """Each row tells type, choices, default and meaning as the program has them, and names the bounds."""
    _, kind, default, meaning, when = document_rows()[key.path]
    choices = ", ".join(f"`{choice}`" for choice in key.choices)
    empty = '""'
    assert (f"{key.kind.value}: {choices}" if choices else key.kind.value) == kind
    assert (key.default_text if key.default is None else f"`{key.default or empty}`") == default
    assert key.meaning == meaning
    assert [] == [bound for bound in (key.minimum, key.maximum) if bound not in when]


def test_the_document_names_what_is_refused() -> None:
    """Every key and sink type of a later release is named in the document."""
    names = sorted(NOT_IN_THIS_RELEASE | SINK_TYPES_NOT_IN_THIS_RELEASE)
    assert [] == [name for name in names if f"`{name}`" not in DOCUMENT]


def document_blocks(language: str) -> list[str]:
    """Return the document's examples in a language."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def paths_in(value: dict[str, object], path: str = "") -> list[str]:
    """Return the path of every key, as the table of keys writes it."""
    lists = [
        paths_in(below, f"{path}{name}.") if isinstance(below, dict) and name != "add" else [f"{path}{name}"]
        for name, below in value.items()
    ]
    return [re.sub(r"^sinks\.[a-z]+", "sinks.<name>", entry) for entries in lists for entry in entries]


def test_the_documents_examples_load_and_use_every_key() -> None:
    """The examples, with a FIFO, with a file, with secrets, are valid; the first two have every key of every sink."""
    with_fifo, with_file, with_secrets = [yaml.safe_load(block) for block in document_blocks("yaml")]
    assert "/vault/audit/pipe" == parse_config(with_fifo).source.fifo
    assert "/vault/audit/audit.log" == parse_config(with_file).source.file
    assert 2 == len(parse_config(with_secrets).sinks)
    own = {"sinks.<name>.format", "sinks.<name>.url"}
    assert {key.path for key in KEYS} == set(paths_in(with_fifo) + paths_in(with_file)) - own


def test_the_documents_problems_are_the_programs() -> None:
    """The messages that the document shows are what its wrong config gives."""
    text = "journal: {max_sise: 1GiB, fsync: 0s}\nsinks: {console: {type: stdout, format: xml}}\nobserve: {}"
    expected = sorted(f"vault.yaml: {line}" for line in problems_of(text))
    assert expected == sorted(document_blocks("text")[0].splitlines())
