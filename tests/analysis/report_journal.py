"""A journal of requests whose every count is known beforehand: what a report must say of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2024, 5, 6, 7, 0, 0)  # noqa: DTZ001 - UTC, as the tables hold times
HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m\u202e"  # what a display name may hold
HOSTILE_PATH = f"secret/data/{HOSTILE}"


@dataclass
class Client:
    """What the client that made the requests counted itself."""

    requests: Counter[str] = field(default_factory=Counter)  # by outcome
    paths: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)
    root: int = 0
    audit_changes: int = 0
    records: int = 0


def _record(kind: str, at: datetime, request: dict[str, object], auth: dict[str, object], error: str) -> bytes:
    entry: dict[str, object] = {"time": f"{at.isoformat()}Z", "type": kind, "auth": auth, "request": request}
    if error:
        entry["error"] = error
    if kind == "response":
        entry["response"] = {"mount_type": "kv"}
    return json.dumps(entry).encode() + b"\n"


def lines(count: int, client: Client, every: timedelta = timedelta(seconds=1.7)) -> Iterator[bytes]:
    """Yield the records of so many requests, and count them."""
    people = ("token-ci", "oidc-ada", "kubernetes-web", HOSTILE)
    for number in range(count):
        at = START + number * every
        who = people[number * number % 4 if number % 50 else 3]
        path = f"secret/data/app-{number * number % 23}" if number % 50 else HOSTILE_PATH
        operation, error, answered = "read", "", True
        if number % 97 == 5:
            who, path, operation = "root", "sys/audit/file", "update"
        elif number % 41 == 3:
            error = "1 error occurred:\n\t* permission denied\n\n"
        elif number % 59 == 7:
            error = "1 error occurred:\n\t* unsupported path\n\n"
        elif number % 211 == 11:
            answered = False
        address = f"10.0.0.{number % 7}"
        request: dict[str, object] = {
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "client_id": f"id-{who}",
            "operation": operation,
            "path": path,
            "mount_point": "secret/" if path.startswith("secret") else "sys/",
            "mount_type": "kv" if path.startswith("secret") else "system",
            "remote_address": address,
        }
        policies = ["root"] if who == "root" else ["default"]
        auth: dict[str, object] = {"display_name": who, "policies": policies, "token_type": "service"}
        took = timedelta(microseconds=300 + (number * 7919 % 1000) ** 2)
        yield _record("request", at, request, auth, error)
        if answered:
            yield _record("response", at + took, request, auth, error)
        outcome = "denied" if "denied" in error else "error" if error else "ok" if answered else "no-response"
        client.records += 2 if answered else 1
        client.requests[outcome] += 1
        client.paths[path] += 1
        client.clients[who] += 1
        client.addresses[address] += 1
        client.root += who == "root"
        client.audit_changes += path.startswith("sys/audit/")


def busy_journal(root: Path, count: int = 2000, segments: int = 8) -> tuple[Crafted, Client]:
    """Return a journal at rest, all but the last segment sealed, and what its client counted."""
    client = Client()
    all_lines = list(lines(count, client))
    journal = Crafted(root)
    share = -(-len(all_lines) // segments)
    for index in range(segments):
        raw = b"".join(all_lines[index * share : (index + 1) * share])
        base = journal.add(raw, mode=0o400 if index < segments - 1 else 0o600)
        if index < segments - 1:
            journal.seal(base)
    return journal, client
