"""`standpipe verify` as a script calls it, and what the clients say that it must find."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.planted_requests import AUDIT_TEST, Ask
from tests.e2e.run_harness import STANDPIPE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Range = tuple[int, int]

RULE_BY_PATH = {
    AUDIT_TEST.path: "audit-test",
    "sys/seal": "seal-or-step-down",
    "sys/wrapping/unwrap": "bad-wrapping-token",
    "sys/wrapping/lookup": "bad-wrapping-token",
    "limited/x": "rate-limit",
}


def explained_by(asked: Iterable[Ask]) -> dict[str, int]:
    """Return how many requests have no response, by the rule that explains it (docs/verify.md)."""
    return dict(Counter(RULE_BY_PATH[ask.path] for ask in asked if not ask.answered))


@dataclass(frozen=True)
class Verdict:
    """What `verify --json` said."""

    status: int
    found: dict[str, Any]
    stderr: str

    @property
    def short(self) -> tuple[int, str, list[Any], list[Any]]:
        """Return exit status, verdict, holes and damage."""
        return self.status, self.found["verdict"], self.found["holes"], self.found["damaged"]

    def words_at(self, place: Range) -> set[str]:
        """Return the words for damage that touches a range."""
        return {each["what"] for each in self.found["damaged"] if overlaps((each["from"], each["to"]), place)}

    def elsewhere(self, place: Range) -> list[dict[str, Any]]:
        """Return the damage that does not touch a range."""
        return [each for each in self.found["damaged"] if not overlaps((each["from"], each["to"]), place)]

    @property
    def chain(self) -> tuple[int, int, int]:
        """Return how many seals there are, how many are signed, and how many links are broken."""
        found = self.found["chain"]
        return found["seals"], found["signed"], found["broken"]

    @property
    def unpaired(self) -> tuple[int, int, dict[str, int]]:
        """Return unpaired requests and responses, and the explained ones by rule."""
        found = self.found["unpaired"]
        return found["requests"], found["responses"], found["explained"]


CLEAN: tuple[int, str, list[Any], list[Any]] = (0, "complete", [], [])


def overlaps(one: Range, other: Range) -> bool:
    """Say whether two ranges share an address; one without length is where it begins."""
    return one[0] < max(other[1], other[0] + 1) and other[0] < max(one[1], one[0] + 1)


def verify(*arguments: str | Path, stdin: bytes | None = None) -> Verdict:
    """Call it, and read its answer."""
    command = [*STANDPIPE, "verify", "--json", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, input=stdin)
    messages = done.stderr.decode()
    assert done.stdout, f"no answer: {done.returncode} {messages}"
    return Verdict(done.returncode, json.loads(done.stdout), messages)
