from __future__ import annotations

import re
from pathlib import Path

import pytest

from standpipe.evidence.pairing_rules import RULES, explain_request, explain_response
from standpipe.records.pair_fields import REQUEST, RESPONSE, PairFields

ROOT = Path(__file__).parents[2]


def record(kind: str = REQUEST, request_id: str = "i", **more: str) -> PairFields:
    """Return what a usual record says, but for what is given."""
    return PairFields(kind=REQUEST if kind == REQUEST else RESPONSE, request_id=request_id, **more)


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("audit-test", record(path="sys/audit/test", operation="update")),
        ("seal-or-step-down", record(path="sys/seal")),
        ("seal-or-step-down", record(path="sys/step-down")),
        ("bad-wrapping-token", record(error="wrapping token is not valid or does not exist")),
        ("bad-wrapping-token", record(error="1 error occurred:\n\t* error validating wrapping token: x\n\n")),
        ("rate-limit", record(error='request path "kv/a": rate limit quota exceeded')),
        ("device-disabled", record(path="sys/audit/file", operation="delete")),
        ("standby-forward", record(error="please forward to the active node")),
        ("streaming", record(path="sys/monitor")),
        ("plugin-entry", record(plugin="kmip")),
        ("help-without-id", record(request_id="", operation="help")),
        ("id-missing", record(request_id="", operation="read")),
        (None, record(path="sys/sealed", operation="read")),
        (None, record(path="sys/audit/file", operation="update")),
        (None, record(error="permission denied")),
    ],
)
def test_requests(rule: str | None, fields: PairFields) -> None:
    """Each reason for which a request has no response is named, and the usual request has none."""
    assert rule == explain_request(fields)


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("device-enabled", record(RESPONSE, path="sys/audit/file", operation="update")),
        ("refused-early", record(RESPONSE, error="1 error occurred:\n\t* permission denied\n\n")),
        ("refused-early", record(RESPONSE, error="relative paths not supported")),
        ("standby-forward", record(RESPONSE, error="please forward to the active node")),
        ("streaming", record(RESPONSE, path="sys/events/subscribe/kv")),
        ("plugin-entry", record(RESPONSE, plugin="kmip")),
        ("help-without-id", record(RESPONSE, request_id="", operation="help")),
        ("id-missing", record(RESPONSE, request_id="")),
        (None, record(RESPONSE, path="sys/audit/file", operation="delete")),
        (None, record(RESPONSE, path="kv/a", error="no handler for route")),
        (None, record(RESPONSE, path="sys/seal")),
    ],
)
def test_responses(rule: str | None, fields: PairFields) -> None:
    """Each reason for which a response has no request is named, and the usual response has none."""
    assert rule == explain_response(fields)


def test_the_page_lists_the_rules() -> None:
    """The table of docs/verify.md has every rule, and no other, and every rule is said in words."""
    page = (ROOT / "docs" / "verify.md").read_text()
    table = page[page.index("| rule | what is alone") :].partition("\n\n")[0]
    assert sorted(RULES) == sorted(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    assert all(RULES.values())
