"""Audit records of a small world whose requests are known one by one: what a query must find is counted from the list.

Imports nothing from standpipe. The numbers of a request decide all about it, so that every kind is there many times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.evidence.craft import Crafted

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400_000  # milliseconds
DENIED = "1 error occurred:\n\t* permission denied\n\n"
FAILED = "1 error occurred:\n\t* invalid username or password\n\n"
LOGIN, READ, LIST, WRITE, TOKEN, POLICY, AUDIT, SEAL, DELETE, LOOKUP = KINDS = range(10)
PATHS = {
    LOGIN: ("update", "auth/userpass/login/{who}", "auth/userpass/", "userpass"),
    READ: ("read", "secret/data/app/{thing}", "secret/", "kv"),
    LIST: ("list", "secret/metadata/app/", "secret/", "kv"),
    WRITE: ("create", "kv1/app/{thing}", "kv1/", "kv"),
    TOKEN: ("update", "auth/token/create", "auth/token/", "token"),
    POLICY: ("update", "sys/policies/acl/p{thing}", "sys/", "system"),
    AUDIT: ("update", "sys/audit/file{thing}", "sys/", "system"),
    SEAL: ("update", "sys/seal", "sys/", "system"),
    DELETE: ("delete", "secret/data/app/{thing}", "secret/", "kv"),
    LOOKUP: ("read", "auth/token/lookup-self", "auth/token/", "token"),
}


@dataclass(frozen=True)
class Asked:
    """One request of the world. Times in milliseconds since 2024-05-06; duration None: no response's record."""

    number: int
    kind: int
    who: int
    thing: int
    at: int
    duration: int | None
    outcome: str

    @property
    def operation(self) -> str:
        """Its operation."""
        return PATHS[self.kind][0]

    @property
    def path(self) -> str:
        """Its path."""
        return PATHS[self.kind][1].format(who=self.name, thing=self.thing)

    @property
    def mount(self) -> str:
        """Its mount point."""
        return PATHS[self.kind][2]

    @property
    def name(self) -> str:
        """The display name; client 0 is root and has no entity."""
        return "root" if self.who == 0 else f"user-{self.who}"

    @property
    def entity(self) -> str | None:
        """The entity's id."""
        return None if self.who == 0 else f"entity-{self.who}"

    @property
    def address(self) -> str:
        """The remote address."""
        return f"10.0.0.{self.who % 3}"

    @property
    def accessor(self) -> str:
        """The token's."""
        return f"hmac-sha256:{self.who:064x}"

    def lines(self) -> list[bytes]:
        """Return its records, each with its newline."""
        auth: dict[str, object] = {
            "accessor": self.accessor,
            "display_name": self.name,
            "policies": ["root"] if self.who == 0 else ["default", f"team-{self.who}"],
            "token_type": "service",
        }
        if self.entity:
            auth["entity_id"] = self.entity
        request = {
            "id": f"id-{self.number:08d}",
            "operation": self.operation,
            "path": self.path,
            "mount_point": self.mount,
            "mount_type": PATHS[self.kind][3],
            "namespace": {"id": "root"},
            "remote_address": self.address,
            "remote_port": 40_000 + self.number % 1000,
        }
        error = {"denied": DENIED, "error": FAILED}.get(self.outcome)
        entry: dict[str, object] = {"time": text(self.at), "type": "request", "auth": auth, "request": request}
        if self.outcome == "denied":
            entry["error"] = error
        found = [entry]
        if self.duration is not None:
            answer: dict[str, object] = {"mount_point": self.mount}
            if self.kind == LIST:
                answer["data"] = {"keys": [f"k{n}" for n in range(self.thing)]}
            if self.kind == LOGIN and self.outcome == "ok":
                answer["auth"] = {"display_name": f"userpass-{self.name}", "token_ttl": 600 + self.who}
            response = {**entry, "time": text(self.at + self.duration), "type": "response", "response": answer}
            if error is not None:
                response["error"] = error
            found.append(response)
        return [json.dumps(entry).encode() + b"\n" for entry in found]


def text(milliseconds: int) -> str:
    """Return a time as Vault writes it."""
    day, rest = divmod(milliseconds, DAY)
    return (
        f"2024-05-{6 + day:02d}T{rest // 3_600_000:02d}:{rest // 60_000 % 60:02d}:{rest // 1000 % 60:02d}"
        f".{rest % 1000:03d}456789Z"
    )


def shown(milliseconds: int) -> str:
    """Return a time as queries show it."""
    return text(milliseconds)[:-4] + "Z"


def world(count: int = 400) -> list[Asked]:
    """Return the requests, in order; every tenth kind, client, outcome and so on meets every other."""
    found = []
    for number in range(count):
        kind = KINDS[number * 7 % 10]
        outcome = "ok"
        duration: int | None = 1 + number * 13 % 97
        if kind == SEAL:
            duration, outcome = None, "no-response"
        elif number % 9 == 4:
            outcome = "denied"
        elif number % 9 == 7 or (kind == LOGIN and number % 4 == 0):
            outcome = "error"
        found.append(
            Asked(number, kind, number // 3 % 5, 1 + number // 10 % 6, number * 3 * DAY // count, duration, outcome)
        )
    return found


def write(root: Path, requests: list[Asked], segments: int = 4) -> Crafted:
    """Write a journal of sealed segments, every other one compressed, and an open one with a torn record at its end."""
    journal = Crafted(root)
    each = len(requests) // segments + 1
    for first in range(0, len(requests), each):
        lines = [line for asked in requests[first : first + each] for line in asked.lines()]
        base = journal.seal(journal.add(b"".join(lines)))
        if first // each % 2:
            journal.compress(base)
    journal.add(b'{"torn\n{"half', mode=0o600)
    return journal
