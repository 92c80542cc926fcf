from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from standpipe.config import parse_config
from standpipe.config_keys import KEYS, SINK_TYPES, Key, Kind
from standpipe.config_problem import ConfigError
from standpipe.config_sink_types import sink_keys
from standpipe.config_sinks import BatchConfig, Secret, SelectConfig
from standpipe.config_values import parse_secret, written_number

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.config_sinks import SinkConfig

GENERAL = {key.path.split(".")[2] for key in KEYS if key.path.startswith("sinks.")}
TEXTS_REMEDY = 'Write ["one", "two"].'
PLACE_REMEDY = "Write {file: PATH} or {env: NAME}."
HIDDEN = "hunter2"


def sink_of(text: str) -> SinkConfig:
    """Return one http sink that has these keys."""
    (sink,) = parse_config(yaml.safe_load(f"sinks: {{a: {{type: http, url: 'https://h/', {text}}}}}")).sinks
    return sink


def problems_of(text: str) -> list[str]:
    """Return what is wrong with sinks, one line each."""
    with pytest.raises(ConfigError) as caught:
        parse_config({"sinks": yaml.safe_load(text)})
    return [str(problem) for problem in caught.value.problems]


def http_problems(text: str) -> list[str]:
    """Return what is wrong with one http sink that has these keys."""
    return problems_of(f"{{a: {{type: http, url: 'https://h/', {text}}}}}")


# ---- what arrives


def test_every_general_key_is_read() -> None:
    """Each key that all types have arrives in its setting."""
    sink = sink_of("""start: latest, drop_fields: [auth, request.data], add: {cluster: blue}, deliver_seals: false,
        select: {operations: [read], paths: [secret/, kv/], mount_types: [kv], namespaces: [a/], types: [request],
                 errors: true},
        batch: {size: 1KiB, records: 1, age: 0s, in_flight: 64}""")
    assert SelectConfig(("read",), ("secret/", "kv/"), ("kv",), ("a/",), ("request",), errors=True) == sink.select
    assert BatchConfig(1024, 1, 0.0, 64) == sink.batch
    assert ("latest", ("auth", "request.data"), {"cluster": "blue"}, False) == (
        sink.start,
        sink.drop_fields,
        sink.labels,
        sink.deliver_seals,
    )


def test_what_is_not_given_is_left_to_the_type() -> None:
    """No selection, no sizes of batches; the seals go where the type says so, and not to stdout."""
    sink = sink_of("select: {errors: false}, batch: {}")
    assert (None, None, BatchConfig(), True) == (sink.start, sink.select, sink.batch, sink.deliver_seals)
    (stdout,) = parse_config({"sinks": {"a": {"type": "stdout", "format": "json"}}}).sinks
    assert False is stdout.deliver_seals


def test_options_stand_under_their_dotted_names() -> None:
    """Each in its unit, with the default where it is not given, and None where there is none."""
    sink = sink_of("timeout: 2m, max_record_size: 1MiB, tls: {ca: /ca, verify: false}, headers: {X-A: b}")
    assert ("https://h/", "POST", None) == (sink.text("url"), sink.text("method"), sink.text("username"))
    assert (120.0, 1 << 20, False, "/ca", {"X-A": "b"}) == (
        sink.seconds("timeout"),
        sink.number("max_record_size"),
        sink.flag("tls.verify"),
        sink.text("tls.ca"),
        sink.labels_of("headers"),
    )
    assert {key.path for key in sink_keys("http").KEYS} == set(sink.options)
    assert (30.0, True) == (sink_of("").seconds("timeout"), sink_of("").flag("tls.verify"))


def test_a_secret_arrives_as_its_place() -> None:
    """In a file or in a variable, also in a section."""
    sink = sink_of("token: {file: /run/token}, hmac: {key: {env: HMAC_KEY}}")
    assert Secret(file="/run/token") == sink.secret("token")
    assert Secret(env="HMAC_KEY") == sink.secret("hmac.key")
    assert None is sink.secret("password")


def test_any_number_of_sinks_and_one_to_stdout() -> None:
    """They come in the file's order; a second one of type stdout is named beside the first."""
    http = "{type: http, url: 'https://h/'}"
    sinks = parse_config({"sinks": yaml.safe_load(f"{{b: {http}, s: {{type: stdout}}, a: {http}}}")}).sinks
    assert ["b", "s", "a"] == [sink.name for sink in sinks]
    expected = "sinks.t: writes to stdout, and so does sinks.s. Keep one of them."
    assert [expected] == problems_of(f"{{s: {{type: stdout}}, b: {http}, t: {{type: stdout}}}}")


# ---- what is refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tokn: {env: A}", "tokn: is not a key of the config. Did you mean token?"),
        ("project: p", "project: is not a key of the config. Known here: type, url, method, "),
        ("tls: {verfy: true}", "tls.verfy: is not a key of the config. Did you mean verify?"),
        ("tls: true", "tls: true is not a section. Write its keys below it."),
        ("select: {path: [a]}", "select.path: is not a key of the config. Did you mean paths?"),
        ("batch: {sise: 1MiB}", "batch.sise: is not a key of the config. Did you mean size?"),
        ("deliver_seals: 1", "deliver_seals: 1 is not true or false. Write true or false."),
        ("tls: {verify: 'no'}", 'tls.verify: "no" is not true or false. Write true or false.'),
        ("select: {errors: }", "select.errors: has no value. Write true or false, or delete the line."),
        ("batch: {records: '5'}", 'batch.records: "5" is not a whole number. Write digits alone, without quotes.'),
        ("batch: {records: 1.5}", "batch.records: 1.5 is not a whole number. Write digits alone, without quotes."),
        ("batch: {records: true}", "batch.records: true is not a whole number. Write digits alone, without quotes."),
        ("batch: {in_flight: 0}", "batch.in_flight: 0 is less than 1. Use 1 or more."),
        ("batch: {in_flight: 65}", "batch.in_flight: 65 is more than 64. Use 64 or less."),
        ("batch: {size: 1023B}", 'batch.size: "1023B" is less than 1KiB. Use 1KiB or more.'),
        ("batch: {age: 2h}", 'batch.age: "2h" is more than 1h. Use 1h or less.'),
        ("drop_fields: auth", f'drop_fields: "auth" is not a list of texts. {TEXTS_REMEDY}'),
        ("drop_fields: ", f"drop_fields: has no value. {TEXTS_REMEDY[:-1]}, or delete the line."),
        ("drop_fields: []", "drop_fields: is empty. Name what it should have, or delete the line."),
        ("drop_fields: [a, '']", "drop_fields: has an empty text in it. Name what it should have, or delete the line."),
        ("drop_fields: [a, b..c]", 'drop_fields: "b..c" has an empty name in it. Write the names of the members from '),
        ("drop_fields: [1]", "drop_fields: 1 is not text. Put it in quotes."),
        ('drop_fields: ["a\\nb"]', 'drop_fields: "a\\nb" holds a line break. Write it on one line.'),
        ("select: {types: [reply]}", 'select.types: "reply" is not request or response. Use one of these.'),
        ("compression: lz4", 'compression: "lz4" is not none, gzip or zstd. Use one of these.'),
        ("timeout: 1ms", 'timeout: "1ms" is less than 100ms. Use 100ms or more.'),
        ("start: now", 'start: "now" is not earliest or latest. Use one of these.'),
        ("headers: {X-A: 1}", "headers.X-A: 1 is not text. Put it in quotes."),
        ("tls: {key: /k}", "tls.key: is given without tls.cert. Give tls.cert, the certificate of this key."),
        ("token: ", f"token: has no value. {PLACE_REMEDY[:-1]}, or delete the line."),
    ],
)
def test_each_problem_names_key_value_and_remedy(text: str, expected: str) -> None:
    """An http sink with one thing wrong gives exactly one line."""
    (line,) = http_problems(text)
    assert line.startswith(f"sinks.a.{expected}")


@pytest.mark.parametrize(("given", "what"), [("", "missing"), (", url: ''", "empty")])
def test_a_required_key(given: str, what: str) -> None:
    """Where it is not there, or empty, one line says what it is for."""
    expected = f"sinks.a.url: is {what}. Give it. Where the batches go, http:// or https://."
    assert [expected] == problems_of(f"{{a: {{type: http{given}}}}}")


@pytest.mark.parametrize("name", ["select", "drop_fields", "add", "deliver_seals", "batch"])
def test_objects_takes_whole_segments(name: str) -> None:
    """What changes or cuts what is sent is refused in words of its own, and never offered."""
    lines = problems_of(f"{{a: {{type: objects, {name}: 1}}}}")
    (line,) = (line for line in lines if line.startswith(f"sinks.a.{name}: "))
    assert line.startswith(f"sinks.a.{name}: does not work with type objects, which stores ")
    (unknown,) = (line for line in problems_of("{a: {type: objects, zzz: 1}}") if line.startswith("sinks.a.zzz"))
    assert f" {name}" not in unknown


def test_everything_is_told_at_once() -> None:
    """Of every sink, its own keys and the general ones."""
    lines = problems_of("{a: {type: http, tmeout: 1s, add: 1, tls: {ca: 1}}, b: {type: loki}, c: {type: http, url: 1}}")
    paths = [line.split(": ")[0] for line in lines]
    assert ["sinks.a.tmeout", "sinks.a.url", "sinks.a.tls.ca", "sinks.a.add", "sinks.b.type", "sinks.c.url"] == paths


@pytest.mark.parametrize(
    "value",
    [
        HIDDEN,
        271828,
        [HIDDEN],
        {},
        {HIDDEN: 1},
        {"value": HIDDEN},
        {"file": ""},
        {"file": ["hunter2"]},
        {"file": "hunter2\0"},
        {"file": "/a", "env": HIDDEN},
        {"env": "hunter2!"},
        {"env": "271828"},
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(value: object) -> None:
    """Whatever stands where the place of a secret should, the message tells how to name one and shows nothing of it."""
    with pytest.raises(ConfigError) as caught:
        parse_config({"sinks": {"a": {"type": "http", "url": "https://h/", "token": value}}})
    message = str(caught.value)
    assert message.startswith("sinks.a.token: ")
    assert message.endswith(PLACE_REMEDY)
    assert "hunter2" not in message
    assert "271828" not in message


def test_the_name_of_a_secret_is_text() -> None:
    """Half a character names no file."""
    assert ("names no file", PLACE_REMEDY[:-1]) == parse_secret({"file": "\ud800"})


@pytest.mark.parametrize(
    "text", ["url: 'https://me:hunter2@h/'", "url: 'https://hunter2@h'", "headers: {X-Next: 'http://me:hunter2@h'}"]
)
def test_an_address_with_a_password_is_refused_and_never_shown(text: str) -> None:
    """In an option of any name; the remedy names the options for secrets."""
    (line,) = problems_of(f"{{a: {{type: http, {text}}}}}")[-1:]
    path = "sinks.a.url" if text.startswith("url") else "sinks.a.headers.X-Next"
    message = "the value (not shown) is an address with a user or a password in it"
    assert f"{path}: {message}. Delete them there, and use token, password or hmac.key." == line


# ---- the tables


@pytest.mark.parametrize("sink_type", SINK_TYPES)
def test_the_table_of_each_type(sink_type: str) -> None:
    """Names are its own and each there once; a section is no key; a seal's default and an extra are given."""
    keys = sink_keys(sink_type)
    paths = [key.path for key in keys.KEYS]
    assert len(set(paths)) == len(paths)
    assert set() == {path.split(".")[0] for path in paths} & GENERAL
    assert [] == [path for path in paths if any(other.startswith(f"{path}.") for other in paths)]
    assert isinstance(keys.DELIVER_SEALS, bool)
    assert isinstance(keys.EXTRA, str)


@pytest.mark.parametrize(
    ("sink_type", "key"),
    [(sink_type, key) for sink_type in SINK_TYPES for key in sink_keys(sink_type).KEYS],
    ids=lambda value: value.path if isinstance(value, Key) else value,
)
def test_defaults_and_bounds_are_written_as_in_the_file(sink_type: str, key: Key) -> None:
    """A default is a value that the key takes, or described in words; a bound is a number of the key's kind."""
    assert sink_type in SINK_TYPES
    assert key.meaning.endswith(".")
    assert (key.default is None) == bool(key.default_text or key.required)
    for bound in filter(None, (key.minimum, key.maximum)):
        assert None is not written_number(key.kind, bound)
    if key.default is None:
        return
    if key.kind in (Kind.SIZE, Kind.DURATION, Kind.INTEGER):
        number = written_number(key.kind, key.default)
        assert None is not number
        assert (written_number(key.kind, key.minimum) or 0) <= number
        assert number <= (written_number(key.kind, key.maximum) or number)
    assert key.kind is not Kind.CHOICE or key.default in key.choices
    assert key.kind is not Kind.BOOLEAN or key.default in ("true", "false")
    assert key.kind not in (Kind.SECRET, Kind.LABELS)


@pytest.mark.parametrize(
    ("sinks", "expected"),
    [
        (None, set()),
        ("{a: {type: stdout}}", {"stdout"}),
        ("{a: {type: stdout}, b: {type: http, url: 'https://h/'}}", {"stdout", "http"}),
    ],
)
def test_only_the_tables_of_configured_types_are_loaded(tmp_path: Path, sinks: str | None, expected: set[str]) -> None:
    """Whoever writes to stdout alone does not pay for the other types."""
    path = tmp_path / "c.yaml"
    path.write_text(f"sinks: {sinks}")
    arguments = f"{str(path) if sinks else None!r}, journal={str(tmp_path)!r}"
    code = f"import sys; from standpipe.config_file import load_settings; load_settings({arguments})"
    code += "; print(*(name for name in sys.modules if name.startswith('standpipe.sink')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert expected == loaded & set(SINK_TYPES)
    assert "standpipe.sinks" not in done.stdout.split()
