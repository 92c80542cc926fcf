import json
import os

from standpipe.observe.log import LINE_BYTES_MAX, Log


def lines(descriptor: int) -> list[dict[str, object]]:
    """Read what is in a pipe now."""
    os.set_blocking(descriptor, False)
    data = b""
    try:
        while piece := os.read(descriptor, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    return [json.loads(line) for line in data.splitlines()]


def test_a_message_is_one_line_with_its_fields() -> None:
    """Time, severity, role and message come first, then the fields."""
    reader, writer = os.pipe()
    Log("capture", writer).warning("something", offset=5, path="/a\nb")
    (entry,) = lines(reader)
    assert ["time", "severity", "role", "message", "offset", "path"] == list(entry)
    assert ("WARNING", "capture", "something", 5, "/a\nb") == tuple(list(entry.values())[1:])
    os.close(reader)
    os.close(writer)


def test_a_stalled_stderr_makes_nobody_wait() -> None:
    """Where nobody reads, messages are dropped and counted; when the reader is back, whole lines come, in order."""
    reader, writer = os.pipe()
    log = Log("run", writer)
    for number in range(2000):
        log.info("x" * 100, number=number)
    first = lines(reader)
    assert 0 < len(first) < 2000
    log.info("back")
    rest = lines(reader)
    told = [entry["number"] for entry in [*first, *rest] if "number" in entry]
    assert told == list(range(len(told)))
    assert 2000 - len(told) == rest[-1]["dropped_messages"]
    assert "back" == rest[-1]["message"]
    log.info("calm")
    assert ["dropped_messages" not in entry for entry in lines(reader)] == [True]
    os.close(reader)
    os.close(writer)


def test_a_reader_that_has_gone_is_no_failure() -> None:
    """Messages to a stderr without a reader, or a closed one, go nowhere."""
    reader, writer = os.pipe()
    os.close(reader)
    log = Log("run", writer)
    log.error("nobody hears")
    log.error("this")
    os.close(writer)
    Log("run", writer).error("nor this")


def test_a_message_has_a_limit() -> None:
    """A message that is too long is cut, so that it always fits into the pipe of our own."""
    reader, writer = os.pipe()
    Log("run", writer).info("y" * 100_000)
    assert LINE_BYTES_MAX == len(os.read(reader, 1 << 20))
    os.close(reader)
    os.close(writer)


def test_a_file_gets_the_same_lines(tmp_path: object) -> None:
    """A file as stderr is as good as a pipe."""
    descriptor = os.open(f"{tmp_path}/log", os.O_RDWR | os.O_CREAT, 0o600)
    Log("run", descriptor).info("one", size=1)
    assert "one" == json.loads(os.pread(descriptor, 4096, 0))["message"]
    os.close(descriptor)
