from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from standpipe.config import parse_config
from standpipe.config_sink_types import sink_keys
from standpipe.config_sinks import SinkConfig
from standpipe.errors import SinkError
from standpipe.preflight import perform
from standpipe.sinks.base import Context
from standpipe.sinks.registry import open_sink, sink_checks

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = Context("01234567-89ab-cdef-0123-456789abcdef", "node-1")
NEVER_SECONDS = 0.2  # of patience with a server that never answers; the test waits for no answer but this one
EXTRAS = {"gcp": "google.auth", "kafka": "confluent_kafka", "objects": "obstore"}

OPEN = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))
from standpipe.config_sinks import SinkConfig
from standpipe.errors import SinkError
from standpipe.sinks.base import Context
from standpipe.sinks.registry import open_sink
try:
    open_sink(SinkConfig("cloud", {sink_type!r}), Context("j", "n"))
except SinkError as error:
    print(error.message, error.remedy, sep="\\n")
"""


def http(port: int, name: str = "intake", more: str = "") -> tuple[SinkConfig, ...]:
    """Return the config of one http sink at this port of the loopback interface."""
    url = f"http://127.0.0.1:{port}/{more}"
    return parse_config({"sinks": {name: {"type": "http", "url": url}}}).sinks


def opened_without(sink_type: str, *missing: str) -> subprocess.CompletedProcess[str]:
    """Open a sink in a fresh interpreter in which some modules cannot be imported."""
    code = OPEN.format(missing=list(missing), sink_type=sink_type)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("sink_type", "module"), EXTRAS.items())
def test_a_missing_extra_names_the_sink_and_the_command(sink_type: str, module: str) -> None:
    """Where the library of a type is not installed, the person learns which pip command installs it."""
    done = opened_without(sink_type, module)
    message, remedy = done.stdout.splitlines()
    assert message.startswith(f"the sink cloud of type {sink_type} needs a library that cannot be loaded: ")
    assert module.partition(".")[0] in message
    assert f"Run: pip install 'standpipe[{sink_type}]'" == remedy


@pytest.mark.parametrize(("sink_type", "module"), [("kafka", "standpipe.records.envelope"), ("http", "urllib3")])
def test_a_fault_of_ours_is_not_disguised(sink_type: str, module: str) -> None:
    """A module of our own, or of what every installation has, is no missing extra: the ImportError stays one."""
    done = opened_without(sink_type, module)
    assert (1, "") == (done.returncode, done.stdout)
    assert f"import of {module}" in done.stderr


@pytest.mark.parametrize("sink_type", EXTRAS)
def test_the_extras_are_those_of_the_tables(sink_type: str) -> None:
    """The test above asks for what the table of the type says."""
    assert sink_type == sink_keys(sink_type).EXTRA


def test_a_sink_is_opened_and_nothing_is_connected_to() -> None:
    """A destination that is down stops no start."""
    (config,) = http(1)
    sink = open_sink(config, CONTEXT)
    sink.close()


def test_stdout_has_no_check() -> None:
    """There is nothing to ask; every other sink has one check, named as in the config."""
    stdout = SinkConfig("console", "stdout")
    assert ["sinks.intake"] == [check.name for check in sink_checks([stdout, *http(1)], CONTEXT)]


def test_a_destination_that_is_down(unused_port: int) -> None:
    """Nobody listens: the result fails and says so, under the sink's name."""
    (result,) = perform(sink_checks(http(unused_port), CONTEXT))
    assert ("sinks.intake", "failed") == (result.name, result.state)
    assert f"127.0.0.1:{unused_port}" in result.found
    assert result.remedy


def test_a_destination_that_never_answers() -> None:
    """The check ends after its time, and the next one is done all the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sinks = [*http(port), *http(port, "second")]
        results = perform(sink_checks(sinks, CONTEXT, NEVER_SECONDS))
    assert ["sinks.intake", "sinks.second"] == [result.name for result in results]
    assert {("failed", f"no answer within {NEVER_SECONDS} s")} == {(result.state, result.found) for result in results}


def test_a_sink_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result fails with the words and the remedy of the error."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delitem(sys.modules, "standpipe.sinks.kafka", raising=False)
    config = SinkConfig("a", "kafka")
    with pytest.raises(SinkError) as caught:
        open_sink(config, CONTEXT)
    (result,) = perform(sink_checks([config], CONTEXT))
    assert ("sinks.a", "failed", caught.value.message, caught.value.remedy) == (
        result.name,
        result.state,
        result.found,
        result.remedy,
    )


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """What the options name and is not there fails, and the result says which file."""
    ca = str(tmp_path / "ca.pem")
    sinks = parse_config({"sinks": {"a": {"type": "http", "url": "https://127.0.0.1:1/", "tls": {"ca": ca}}}}).sinks
    (result,) = perform(sink_checks(sinks, CONTEXT))
    assert ("sinks.a", "failed") == (result.name, result.state)
    assert ca in result.found


def test_a_secret_that_cannot_be_read() -> None:
    """It is as certain as a refusal: the result fails, for every type in the same way."""
    token = {"token": {"env": "NO_SUCH_VARIABLE_OF_STANDPIPE"}}
    url = "http://127.0.0.1:1/"
    sinks = parse_config(
        {"sinks": {"a": {"type": "http", "url": url, **token}, "b": {"type": "otlp", "endpoint": url, **token}}}
    ).sinks
    results = perform(sink_checks(sinks, CONTEXT))
    assert [("sinks.a", "failed"), ("sinks.b", "failed")] == [(result.name, result.state) for result in results]
    assert all("NO_SUCH_VARIABLE_OF_STANDPIPE" in result.found for result in results)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_check_that_fails_itself() -> None:
    """A fault of the sink's code ends neither the command nor in a good result; its traceback is on stderr."""
    (result,) = perform(sink_checks([SinkConfig("a", "no-such-type")], CONTEXT))
    assert ("sinks.a", "unknown") == (result.name, result.state)


@pytest.fixture
def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
