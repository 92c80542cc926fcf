"""The documented reasons for which a request has no response, or a response no request: each a named rule. Pure.

Rules of the first kind look at the half alone: at its path, operation and error. They are what Vault and OpenBao do by
their sources (OpenBao core.go, ha.go, wrapping.go, http/util.go, request_handling.go; Vault audit/broker.go). Rules of
the second kind look at where the half stands, and are applied by evidence.pairing with the breaks of
evidence.pairing_breaks. docs/verify.md lists all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standpipe.records.pair_fields import PairFields

# By the half alone.
AUDIT_TEST = "audit-test"
SEAL_OR_STEP_DOWN = "seal-or-step-down"
BAD_WRAPPING_TOKEN = "bad-wrapping-token"  # noqa: S105 - a rule's name
RATE_LIMIT = "rate-limit"
DEVICE_DISABLED = "device-disabled"
DEVICE_ENABLED = "device-enabled"
STANDBY_FORWARD = "standby-forward"
REFUSED_EARLY = "refused-early"
STREAMING = "streaming"
PLUGIN_ENTRY = "plugin-entry"
HELP_WITHOUT_ID = "help-without-id"
ID_MISSING = "id-missing"

# By where it stands.
BEFORE_THE_HEAD = "before-the-head"
STILL_OPEN = "still-open"
BESIDE_A_GAP = "beside-a-gap"
SERVER_STOPPED = "server-stopped"

# What each rule says of a half, for a person.
RULES = {
    AUDIT_TEST: "the test message of an audit device that was created; it has no response",
    SEAL_OR_STEP_DOWN: "sys/seal and sys/step-down write a request only",
    BAD_WRAPPING_TOKEN: "a wrapping token that is not valid: a request only",
    RATE_LIMIT: "refused by a rate limit quota: a request only",
    DEVICE_DISABLED: "the request that disabled an audit device: its response has no device any more",
    DEVICE_ENABLED: "the request that enabled an audit device came before the device: a response only",
    STANDBY_FORWARD: "a standby that had to forward the request",
    REFUSED_EARLY: "refused before requests are logged (a token used up or revoked meanwhile, a relative path)",
    STREAMING: "a stream such as sys/monitor, answered when it ends",
    PLUGIN_ENTRY: "a plugin's own entry; plugins need not write both",
    HELP_WITHOUT_ID: "help has no request.id in Vault up to 1.21 and OpenBao before 2.6",
    ID_MISSING: "without request.id: removed by the device's exclude, or an internal request",
    BEFORE_THE_HEAD: "the request came before the first record",
    STILL_OPEN: "the response may come after the last record",
    BESIDE_A_GAP: "the other half may be where addresses beside it are missing, left out or torn",
    SERVER_STOPPED: "under way when the server was sealed, stepped down or began anew",
}

AUDIT_TEST_PATH = "sys/audit/test"
STOP_PATHS = ("sys/seal", "sys/step-down")
_AUDIT_DEVICES = "sys/audit/"
_STREAMS = ("sys/monitor", "sys/events/subscribe/")
_REQUEST_ERRORS = (
    ("wrapping token is not valid or does not exist", BAD_WRAPPING_TOKEN),
    ("error validating wrapping token", BAD_WRAPPING_TOKEN),
    ("rate limit quota exceeded", RATE_LIMIT),
)
_FORWARD_ERROR = "please forward to the active node"
_EARLY_ERRORS = ("permission denied", "internal error", "relative paths not supported")
_ENABLING = ("create", "update")


def is_stop(fields: PairFields) -> bool:
    """Tell whether a request says that the server stops serving, or has begun anew: what was under way may be lost."""
    return fields.path in STOP_PATHS or fields.path == AUDIT_TEST_PATH


def explain_request(fields: PairFields) -> str | None:
    """Name the rule by which a request may have no response, from the request alone; None where there is none."""
    path = fields.path
    if path == AUDIT_TEST_PATH:
        return AUDIT_TEST
    if path in STOP_PATHS:
        return SEAL_OR_STEP_DOWN
    if path.startswith(_AUDIT_DEVICES) and fields.operation == "delete":
        return DEVICE_DISABLED
    by_error = next((rule for text, rule in _REQUEST_ERRORS if text in fields.error), None)
    return by_error or _explain_either(fields)


def explain_response(fields: PairFields) -> str | None:
    """Name the rule by which a response may have no request, from the response alone; None where there is none."""
    if fields.path.startswith(_AUDIT_DEVICES) and fields.operation in _ENABLING:
        return DEVICE_ENABLED
    explained = _explain_either(fields)
    if explained is None and any(text in fields.error for text in _EARLY_ERRORS):
        return REFUSED_EARLY
    return explained


def _explain_either(fields: PairFields) -> str | None:
    if _FORWARD_ERROR in fields.error:
        return STANDBY_FORWARD
    if fields.path.startswith(_STREAMS):
        return STREAMING
    if fields.plugin:
        return PLUGIN_ENTRY
    if not fields.request_id:
        return HELP_WITHOUT_ID if fields.operation == "help" else ID_MISSING
    return None
