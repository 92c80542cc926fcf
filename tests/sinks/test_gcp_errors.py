from __future__ import annotations

import json

import pytest
from google.cloud.logging_v2.types import WriteLogEntriesPartialErrors

from standpipe.sinks.base import Delivered, Outcome, PerRecord, Poison, Retry, Split
from standpipe.sinks.gcp_errors import gcp_outcome
from standpipe.sinks.http_answer import Response
from tests.sinks.gcp_peer import retry_info, status


def outcome(answer: tuple[int, bytes], count: int = 3) -> Outcome:
    """Return what an answer means."""
    return gcp_outcome(Response(answer[0], {}, answer[1]), count)


def partial(codes: dict[int, int]) -> tuple[int, bytes]:
    """Return an answer in which some entries were refused, by index and google.rpc.Code."""
    errors = WriteLogEntriesPartialErrors.pb(WriteLogEntriesPartialErrors())
    for index, code in codes.items():
        errors.log_entry_errors[index].code = code
        errors.log_entry_errors[index].message = f"entry {index}"
    return status("INVALID_ARGUMENT", "some", [errors])


def test_success() -> None:
    """200 is the whole batch."""
    assert Delivered() == outcome((200, b"{}"))


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "ABORTED", "DEADLINE_EXCEEDED"])
def test_passing_errors(code: str) -> None:
    """What may pass is tried again, and nobody is called."""
    found = outcome(status(code, "later"))
    assert isinstance(found, Retry)
    assert (None, False) == (found.after_seconds, found.config_fault)
    assert code in found.why


def test_retry_info_is_honoured() -> None:
    """Where Google says how long to wait, that is passed on."""
    found = outcome(status("RESOURCE_EXHAUSTED", "quota", [retry_info(7)]))
    assert isinstance(found, Retry)
    assert 7.0 == found.after_seconds


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("PERMISSION_DENIED", "roles/logging.logWriter"),
        ("UNAUTHENTICATED", "credentials"),
        ("NOT_FOUND", "project"),
    ],
)
def test_configuration_faults(code: str, remedy: str) -> None:
    """What only a person can mend is said so, with the remedy."""
    found = outcome(status(code, "no"))
    assert isinstance(found, Retry)
    assert found.config_fault
    assert remedy in found.why


def test_invalid_request_is_not_certain() -> None:
    """An error of the whole request does not say which entry it was."""
    found = outcome(status("INVALID_ARGUMENT", "bad entry"))
    assert isinstance(found, Poison)
    assert not found.certain


def test_request_too_large_is_split() -> None:
    """A request over the limit is sent in smaller ones, in Google's words or as HTTP has it."""
    assert isinstance(outcome(status("INVALID_ARGUMENT", "Request payload size exceeds the limit: 10 bytes.")), Split)
    assert isinstance(outcome((413, b"<html>")), Split)


def test_single_entries_by_their_codes() -> None:
    """Each entry that is named is judged by its own code: refused for ever, later, or a person's business."""
    found = outcome(partial({0: 3, 1: 8, 2: 7}))
    assert isinstance(found, PerRecord)
    refused, later, denied = found.faults[0], found.faults[1], found.faults[2]
    assert isinstance(refused, Poison)
    assert refused.certain
    assert isinstance(later, Retry)
    assert not later.config_fault
    assert isinstance(denied, Retry)
    assert denied.config_fault


def test_index_beyond_the_batch_is_ignored() -> None:
    """An index that no entry has names nothing; then the error is the whole request's."""
    assert isinstance(outcome(partial({3: 3})), Poison)


def test_cut_answer_is_split() -> None:
    """An answer with more errors than are read of it makes smaller batches; nothing is guessed."""
    code, body = partial(dict.fromkeys(range(3), 3))
    assert isinstance(outcome((code, body[:-20])), Split)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"1", b'{"error":1}', b'{"error":{"details":1}}', b"\xff"])
def test_answers_that_are_not_googles(body: bytes) -> None:
    """Whatever a proxy answers in between is judged by the HTTP status."""
    later, denied = outcome((502, body)), outcome((403, body))
    assert isinstance(later, Retry)
    assert not later.config_fault
    assert isinstance(denied, Retry)
    assert denied.config_fault


def test_message_is_one_short_line() -> None:
    """Google's words are cut and cleaned: they may quote what was sent."""
    body = json.dumps({"error": {"status": "INTERNAL", "message": "a\nb\x1b[31m" + "x" * 9999}}).encode()
    found = outcome((500, body))
    assert isinstance(found, Retry)
    assert len(found.why) < 400
    assert found.why.isprintable()
