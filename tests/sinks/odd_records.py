"""Records that destinations round, clamp, flatten or re-encode when they can."""

from __future__ import annotations

from standpipe.records.framing import Record

ODD_BODIES: dict[str, bytes] = {
    "integer beyond 2^53": b'{"n":9007199254740993}',
    "integer beyond 2^63": b'{"n":123456789012345678901234567890,"m":-9223372036854775809}',
    "number beyond double": b'{"n":1e400,"m":-1e400,"tiny":1e-400}',
    "1.0 is not 1": b'{"a":1.0,"b":1,"c":1e0,"d":-0,"e":-0.0,"f":1.10}',
    "more digits than a double": b'{"pi":3.14159265358979323846264338327950288}',
    "arrays": b'{"a":[],"b":[1,"x",null,true,[[]],{}],"c":[1,[2,[3]]]}',
    "order": b'{"z":1,"a":2,"m":3,"B":4}',
    "repeated keys": b'{"a":1,"a":2,"b":{"c":1,"c":1}}',
    "UTF-8": '{"é":"\U0001f600 ß \u2028 \ufeff","ключ":"значение"}'.encode(),
    "escapes": rb'{"a":"\u0000\u001f\n\r\t\"\\\/\u00e9\ud83d\ude00"}',
    "whitespace": b'{ "a" : [ 1 , 2 ] ,\t"b" : { } }',
    "empty": b"{}",
    "null and booleans": b'{"a":null,"b":true,"c":false,"d":"","e":{}}',
    "own envelope": b'{"standpipe":{"id":"mine"},"a":1}',
}

TORN_BODIES: dict[str, bytes] = {
    "fragment": b'{"time":"2026-01-02T03:04:05.678901234Z","type":"request","au',
    "not UTF-8": b"\xff\xfe{\x80\x00",
    "empty line": b"",
    "prefix and NUL": b"prefix\x00\x01\x7f",
}


def record(body: bytes, offset: int = 0, *, torn: bool = False) -> Record:
    """Return a record as the framer makes it of one line."""
    return Record(offset, len(body) + 1, body, torn=torn)


def entry(number: int, offset: int, extra: str = "") -> Record:
    """Return a response's record as Vault writes it; number makes it one of its kind."""
    body = (
        f'{{"time":"2026-01-02T03:04:05.{number:09d}Z","type":"response"{extra},'
        f'"request":{{"id":"request-{number}","operation":"read","path":"secret/data/{number}",'
        '"mount_type":"kv","mount_point":"secret/","namespace":{"id":"a1b2","path":"team/"}}}'
    ).encode()
    return record(body, offset)


def entries(count: int, extra: str = "") -> list[Record]:
    """Return records that follow on."""
    found: list[Record] = []
    for number in range(count):
        found.append(entry(number, found[-1].end if found else 0, extra))
    return found


SEAL = Record(
    4096,
    8192,
    b'{"format":1,"base":4096,"end":12288,"sealed_at":"2026-01-02T04:00:00.250Z","sha256":"00"}',
    torn=False,
    is_seal=True,
)
