"""A writer like Vault: one write(2) for each record, made beforehand. A program of its own, so that its CPU is its own.

    python -m bench.writer FIFO COUNT RATE SECONDS [stamps]

Writes COUNT records (RATE a second, evenly; 0: as fast as they are taken), for SECONDS at most, and prints one
JSON object: when it began and ended (CLOCK_MONOTONIC), and how many records and bytes it wrote. With `stamps`
(needs a RATE) each record's `time` is the wall clock's, just before its write.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from itertools import cycle, islice

RECORD_BYTES = 1900  # with the newline; a usual audit record of a kv read has 1.5 to 2.5 kB
POOL_RECORDS = 2048  # different ones, so that they neither stay in a core's cache nor compress to nothing
TIME_START = len(b'{"time":"')
TIME_END = TIME_START + len(b"2026-01-02T03:04:05.000000000Z")
CHECK_RECORDS = 1000  # records between two looks at the clock
LONGEST_PAIR_BYTES = 110  # a key with its digest, and the key of the padding
SEED = 1


def _hmac(source: random.Random) -> str:
    return f"hmac-sha256:{source.randbytes(32).hex()}"


def _compact(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode()


def make_record(number: int, source: random.Random) -> bytes:
    """Return one record of RECORD_BYTES in Vault's form: hexadecimal digests are most of it."""
    data: dict[str, str] = {}
    entry: dict[str, object] = {
        "time": f"2026-01-02T03:04:{number // 1000 % 60:02d}.{number % 1000:03d}000000Z",
        "type": "response",
        "auth": {
            "client_token": _hmac(source),
            "accessor": _hmac(source),
            "display_name": "kubernetes-payments",
            "policies": ["default", "payments-read"],
            "token_type": "service",
            "token_ttl": 3600,
        },
        "request": {
            "id": source.randbytes(16).hex(),
            "operation": "read",
            "mount_type": "kv",
            "client_token": _hmac(source),
            "namespace": {"id": "root"},
            "path": f"secret/data/payments/{number}",
            "remote_address": "10.1.2.3",
            "remote_port": 40000 + number,
        },
        "response": {"mount_type": "kv", "data": data},
    }
    while len(_compact(entry)) < RECORD_BYTES - LONGEST_PAIR_BYTES:
        data[f"key-{len(data)}"] = _hmac(source)
    data["pad"] = ""
    data["pad"] = "x" * (RECORD_BYTES - 1 - len(_compact(entry)))
    return _compact(entry) + b"\n"


def make_pool() -> list[bytes]:
    """Return the records that are written in turn; the same ones in every run."""
    source = random.Random(SEED)  # noqa: S311  repeatable, not secret
    return [make_record(number, source) for number in range(POOL_RECORDS)]


def stamped(record: bytes, now_ns: int) -> bytes:
    """Return a record with another `time`, of the same length: nanoseconds since the epoch, as Vault writes it."""
    seconds, nanoseconds = divmod(now_ns, 1_000_000_000)
    text = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"
    return record[:TIME_START] + text.encode() + record[TIME_END:]


def write_saturated(descriptor: int, pool: list[bytes], count: int, deadline: float) -> int:
    """Write as fast as the reader takes; return how many."""
    write, records, done = os.write, cycle(pool), 0
    while done < count and time.monotonic() < deadline:
        for record in islice(records, min(CHECK_RECORDS, count - done)):
            write(descriptor, record)
        done += min(CHECK_RECORDS, count - done)
    return done


def write_paced(
    descriptor: int, pool: list[bytes], count: int, deadline: float, rate: float, *, stamps: bool = False
) -> int:
    """Write one record every 1/rate seconds; whoever is late writes what is due at once. Return how many."""
    began = time.monotonic()
    for done, record in enumerate(islice(cycle(pool), count)):
        now = time.monotonic()
        if now >= deadline:
            return done
        due = began + done / rate
        if due > now:
            time.sleep(due - now)
        os.write(descriptor, stamped(record, time.time_ns()) if stamps else record)
    return count


def main(arguments: list[str]) -> None:
    """Be the program."""
    path, count, rate, seconds = arguments[0], int(arguments[1]), float(arguments[2]), float(arguments[3])
    pool = make_pool()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    began = time.monotonic()
    if rate:
        done = write_paced(descriptor, pool, count, began + seconds, rate, stamps="stamps" in arguments[4:])
    else:
        done = write_saturated(descriptor, pool, count, began + seconds)
    result = {"began": began, "ended": time.monotonic(), "records": done, "bytes": done * RECORD_BYTES}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
