"""What Cloud Logging's answer to entries:write means for a batch. Pure.

An error is JSON: ``{"error":{"code":<HTTP status>,"message":…,"status":<name of a google.rpc.Code>,"details":[…]}}``
(https://cloud.google.com/apis/design/errors). With ``partial_success`` an error may carry a
``google.logging.v2.WriteLogEntriesPartialErrors`` that names the refused entries by index, each with a status; all the
others were written. Without one nothing was written (logging.proto, WriteLogEntriesRequest.partial_success).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from standpipe.sinks.base import Delivered, PerRecord, Poison, Retry, Split
from standpipe.sinks.http_answer import describe, excerpt, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.sinks.base import Outcome
    from standpipe.sinks.http_answer import Response

PARTIAL_ERRORS = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
MAX_RETRY_DELAY_SECONDS = 3600.0  # as for Retry-After

HTTP_OK = 200

# google/rpc/code.proto; only the names that Logging's own documents or the gRPC status page give to what comes to us
CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
PASSING = frozenset(
    {
        "CANCELLED",
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "ABORTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)
REFUSED = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE"})

_REQUEST_SIZE = re.compile(r"(payload|request).{0,40}(size|too large)|size.{0,40}(payload|request)", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,10}(?:\.\d{1,9})?)s")

REMEDIES = {
    "UNAUTHENTICATED": "the token was not accepted: check the credentials of this sink",
    "PERMISSION_DENIED": "give the service account the role roles/logging.logWriter on the project, "
    "and enable the Cloud Logging API there",
    "NOT_FOUND": "there is no such project: check the option `project`",
    "FAILED_PRECONDITION": "check that billing and the Cloud Logging API are enabled in the project",
}


def gcp_outcome(response: Response, count: int) -> Outcome:
    """Return what an answer means for a batch of `count` entries that was sent with partial_success.

    ==================================================  =====================================================
    200                                                 `Delivered`
    an error that names entries                         `PerRecord`: each by its own code, as below
    RESOURCE_EXHAUSTED UNAVAILABLE INTERNAL ABORTED …   `Retry` (RetryInfo is honoured where it is there)
    INVALID_ARGUMENT for the size of the request, 413   `Split`
    INVALID_ARGUMENT OUT_OF_RANGE                       `Poison`, not certain: something in the request
    PERMISSION_DENIED UNAUTHENTICATED NOT_FOUND …       `Retry` with config_fault
    no error of Google's form                           by the HTTP status, see http_answer.outcome
    ==================================================  =====================================================
    """
    if response.status == HTTP_OK:
        return Delivered()
    error = _error(response.body)
    if error is None:
        if PARTIAL_ERRORS.encode() in response.body:  # longer than what is read of an answer: ask in smaller batches
            return Split(f"{response.server} refused so many entries of one batch that its answer was cut")
        return outcome(response, 0.0)  # no Retry-After as a date is known from Google
    faults = _faults(error, count)
    if faults:
        return PerRecord(faults)
    code = _code(error)
    words = f"{response.server} answered {response.status} {code}: {_message(error)}"
    return _overall(code, words, error) if code else outcome(response, 0.0)


def needs_new_token(response: Response) -> bool:
    """Tell whether the token was not accepted, so that the next try should fetch another one."""
    return response.status == 401  # noqa: PLR2004 - UNAUTHENTICATED, https://cloud.google.com/apis/design/errors


def words_of(response: Response) -> tuple[str, str, str]:
    """Return code, message and remedy of an answer, for a check; the code is "" where it is not Google's."""
    error = _error(response.body)
    if error is None:
        return "", describe(response), ""
    code = _code(error)
    return code, _message(error), REMEDIES.get(code, "")


def _overall(code: str, words: str, error: Mapping[str, object]) -> Outcome:
    if code in PASSING:
        return Retry(words, after_seconds=_retry_delay(error))
    if code in REFUSED:
        if _REQUEST_SIZE.search(_message(error)):
            return Split(words)
        return Poison(words, certain=False)
    return Retry(_with_remedy(code, words), config_fault=True)


def _faults(error: Mapping[str, object], count: int) -> dict[int, Retry | Poison]:
    faults: dict[int, Retry | Poison] = {}
    for detail in _details(error, PARTIAL_ERRORS):
        errors = detail.get("logEntryErrors")
        for index, status in errors.items() if isinstance(errors, dict) else ():
            if index.isascii() and index.isdigit() and int(index) < count:
                faults[int(index)] = _fault(status if isinstance(status, dict) else {})
    return faults


def _fault(status: Mapping[str, object]) -> Retry | Poison:
    """Return what the status of one entry means. Its `code` is a number of google.rpc.Code."""
    number = status.get("code")
    code = CODES[number] if isinstance(number, int) and 0 <= number < len(CODES) else "UNKNOWN"
    words = f"Cloud Logging refused it: {code}: {_message(status)}"
    if code in PASSING:
        return Retry(words)
    if code in REFUSED:
        return Poison(words, certain=True)
    return Retry(_with_remedy(code, words), config_fault=True)


def _with_remedy(code: str, words: str) -> str:
    remedy = REMEDIES.get(code, "")
    return f"{words}; {remedy}" if remedy else words


def _error(body: bytes) -> dict[str, object] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(answer, list) and answer:  # some Google front ends wrap it
        answer = answer[0]
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else None


def _code(error: Mapping[str, object]) -> str:
    """Return the name of its google.rpc.Code; "" where it has none that is known."""
    status = error.get("status")
    return status if isinstance(status, str) and status in CODES else ""


def _message(error: Mapping[str, object]) -> str:
    message = error.get("message")
    return excerpt(message.encode("utf-8", "replace")) if isinstance(message, str) else ""


def _details(error: Mapping[str, object], kind: str) -> list[dict[str, object]]:
    details = error.get("details")
    if not isinstance(details, list):
        return []
    return [detail for detail in details if isinstance(detail, dict) and detail.get("@type") == kind]


def _retry_delay(error: Mapping[str, object]) -> float | None:
    """Return what google.rpc.RetryInfo asks for (a Duration in JSON: ``"3.5s"``)."""
    for detail in _details(error, RETRY_INFO):
        delay = detail.get("retryDelay")
        found = _DELAY.fullmatch(delay) if isinstance(delay, str) else None
        if found:
            return min(float(found[1]), MAX_RETRY_DELAY_SECONDS)
    return None
