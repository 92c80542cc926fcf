"""Requests and their responses, shaped and sized like OpenBao's, for what looks into records. Pure."""

from __future__ import annotations

import json
from hashlib import sha256

PAIRS_A_SECOND = 1000
OVERLAPPING = 8  # requests under way at once


def _hmac(text: str) -> str:
    return "hmac-sha256:" + sha256(text.encode()).hexdigest()


def _auth(client: int) -> dict[str, object]:
    return {
        "accessor": _hmac(f"accessor {client}"),
        "client_token": _hmac(f"token {client}"),
        "display_name": f"approle-{client}",
        "entity_id": f"00000000-0000-4000-8000-{client:012d}",
        "policies": ["default", "reader"],
        "policy_results": {"allowed": True, "granting_policies": [{"name": "reader", "type": "acl"}]},
        "token_policies": ["default", "reader"],
        "token_issue_time": "2026-03-01T00:00:00Z",
        "token_ttl": 2764800,
        "token_type": "service",
    }


_TEMPLATE = json.dumps(
    {
        "time": "@TIME@",
        "type": "@TYPE@",
        "auth": _auth(7),
        "request": {
            "id": "@ID@",
            "client_id": "0" * 36,
            "client_token": _hmac("token"),
            "client_token_accessor": _hmac("accessor"),
            "mount_accessor": "kv_12345678",
            "mount_class": "secret",
            "mount_point": "secret/",
            "mount_type": "kv",
            "namespace": {"id": "root"},
            "operation": "read",
            "path": "secret/data/app/@PATH@",
            "remote_address": "10.0.0.7",
            "remote_port": 51234,
        },
    },
    separators=(",", ":"),
)
_RESPONSE = json.dumps({"mount_type": "kv", "data": {"data": {"value": _hmac("value")}}}, separators=(",", ":"))


def _record(kind: str, number: int, microseconds: int) -> bytes:
    seconds, micro = divmod(microseconds, 1_000_000)
    time = f"2026-03-01T{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{micro:06d}789Z"
    text = (
        _TEMPLATE.replace("@TIME@", time)
        .replace("@TYPE@", kind)
        .replace("@ID@", f"{number:08x}-0000-4000-8000-000000000000")
        .replace("@PATH@", str(number % 5000))
    )
    if kind == "response":
        text = f'{text[:-1]},"response":{_RESPONSE}}}'
    return text.encode() + b"\n"


def audit_pairs(first: int, count: int) -> bytes:
    """Return requests numbered from first, each with its response a few records later; all are answered."""
    lines: list[bytes] = []
    step = 1_000_000 // PAIRS_A_SECOND
    for start in range(first, first + count, OVERLAPPING):
        numbers = range(start, min(start + OVERLAPPING, first + count))
        lines += [_record("request", number, number * step) for number in numbers]
        lines += [_record("response", number, number * step + OVERLAPPING * step) for number in numbers]
    return b"".join(lines)
