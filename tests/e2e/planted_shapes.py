"""How a line of standpipe's stdout looks after other programs have carried it, written down from their formats. Pure.

Each shape takes lines without newlines and yields lines without newlines; ``SHAPES`` has them by name.

- Kubernetes' CRI log files (design proposal kubelet-cri-logging): ``TIME STREAM P|F TEXT``; containerd cuts a line
  into pieces of 16 KiB, all but the last marked P. ``kubectl logs --timestamps`` prints ``TIME TEXT``, with
  ``--prefix`` and a selector ``[pod/NAME/CONTAINER] `` in front.
- Docker's json-file: an object with ``log`` (with the newline, except in a piece of 16 KiB), ``stream``, ``time``.
- Cloud Logging: a LogEntry with ``jsonPayload``, whose keys the service sorts; ``gcloud logging read --format=json``
  prints an array.
- Loki: ``logcli query -o jsonl``: an object with ``labels``, ``line``, ``timestamp``; Grafana's export has lines alone.
- Elasticsearch: a hit with ``_source``: the record's members at its top, or the text in ``message`` (Filebeat) or
  ``event.original`` (Elastic's integrations).
- Kafka: ``kcat -J``: an object with ``topic``, ``partition``, ``offset``, ``key`` and ``payload``, a text.
- OpenTelemetry's file exporter: an ExportLogsServiceRequest a line; the record is a log record's body.
- Syslog, RFC 5424, as rsyslog's RSYSLOG_SyslogProtocol23Format writes it to a file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PIECE_BYTES = 16 << 10  # containerd's and Docker's
OTLP_BATCH = 50
NAME, POD = "standpipe", "openbao-0"


def _time(number: int) -> str:
    return f"2024-05-06T07:{number // 60000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}000000Z"


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def bare(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield them as they are."""
    yield from lines


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + PIECE_BYTES] for at in range(0, len(line), PIECE_BYTES)]


def cri(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a container runtime's log file."""
    for number, line in enumerate(lines):
        *partial, last = _pieces(line)
        time = _time(number).encode()
        for piece in partial:
            yield time + b" stdout P " + piece
        yield time + b" stdout F " + last


def kubectl(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what `kubectl logs --timestamps --prefix` prints."""
    for number, line in enumerate(lines):
        yield b"[pod/%b/%b] %b %b" % (POD.encode(), NAME.encode(), _time(number).encode(), line)


def docker(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield Docker's json-file."""
    for number, line in enumerate(lines):
        # Docker cuts at bytes; the lines of a test that are that long are ASCII.
        texts = [piece.decode() for piece in _pieces(line)]
        texts[-1] += "\n"
        for text in texts:
            yield _dump({"log": text, "stream": "stdout", "time": _time(number)})


def _sorted(value: Any) -> Any:  # noqa: ANN401  it comes from JSON
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _entry(number: int, line: bytes) -> dict[str, Any]:
    payload = json.loads(line, parse_int=float)
    return {
        "insertId": str(payload["standpipe"]["id"]),
        "jsonPayload": _sorted(payload),
        "logName": "projects/p/logs/stdout",
        "receiveTimestamp": _time(number),
        "resource": {"type": "k8s_container", "labels": {"pod_name": POD, "container_name": NAME}},
        "severity": "INFO",
        "timestamp": _time(number),
    }


def google(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield LogEntries one a line, as a log bucket's or a Cloud Storage sink's export has them."""
    for number, line in enumerate(lines):
        yield _dump(_entry(number, line))


def google_array(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what `gcloud logging read --format=json` prints: newest first."""
    entries = [_entry(number, line) for number, line in enumerate(lines)]
    yield from json.dumps(entries[::-1], indent=2, ensure_ascii=False).encode().split(b"\n")


def loki(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what `logcli query --output=jsonl` prints, oldest first."""
    for number, line in enumerate(lines):
        yield _dump({"labels": {"pod": POD}, "line": line.decode(), "timestamp": _time(number)})


def _hit(number: int, source: dict[str, Any]) -> bytes:
    return _dump({"_index": "vault", "_id": f"i{number}", "_score": 1.0, "_source": source})


def elastic_members(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield hits whose source is the record itself."""
    for number, line in enumerate(lines):
        yield _hit(number, json.loads(line) | {"@timestamp": _time(number)})


def elastic_message(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield hits with the text in `message`."""
    for number, line in enumerate(lines):
        yield _hit(number, {"@timestamp": _time(number), "message": line.decode(), "stream": "stdout"})


def elastic_original(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield hits with the text in `event.original`."""
    for number, line in enumerate(lines):
        yield _hit(number, {"@timestamp": _time(number), "event": {"original": line.decode(), "kind": "event"}})


def kafka(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what `kcat -C -J` prints."""
    for number, line in enumerate(lines):
        head = {"topic": "audit", "partition": 0, "offset": number, "tstype": "create", "ts": 1714979289000}
        yield _dump(head | {"broker": 0, "key": None, "payload": line.decode()})


def otlp(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what OpenTelemetry's file exporter writes."""
    batch: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        batch.append({"timeUnixNano": str(1714979289000000000 + number), "body": {"stringValue": line.decode()}})
        if len(batch) == OTLP_BATCH:
            yield _export(batch)
            batch = []
    if batch:
        yield _export(batch)


def _export(batch: list[dict[str, Any]]) -> bytes:
    scope = {"scope": {"name": NAME}, "logRecords": batch}
    attributes = [{"key": "k8s.pod.name", "value": {"stringValue": POD}}]
    return _dump({"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [scope]}]})


def syslog(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines of RFC 5424."""
    for number, line in enumerate(lines):
        yield b"<110>1 %b %b %b 7 audit - %b" % (_time(number).encode(), POD.encode(), NAME.encode(), line)


SHAPES: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "bare": bare,
    "cri": cri,
    "kubectl": kubectl,
    "docker": docker,
    "google": google,
    "google-array": google_array,
    "loki": loki,
    "elastic-members": elastic_members,
    "elastic-message": elastic_message,
    "elastic-original": elastic_original,
    "kafka": kafka,
    "otlp": otlp,
    "syslog": syslog,
}
EXACT = frozenset(SHAPES) - {"google", "google-array", "elastic-members"}
"""Those that carry a record's very bytes."""
