"""What a store's refusal means: a sentence, and whether time alone can mend it. Pure.

obstore tells little by its exceptions' classes and much in their text: a status line with the answer's body, then,
after ``Debug source:``, the chain of causes. Both are read here; a text that nobody foresaw is a failure that may pass.
"""

from __future__ import annotations

import re

from standpipe.sinks.base import Retry
from standpipe.sinks.wording import one_line

DEBUG_MARK = "\n\nDebug source:"

STATUS = re.compile(r"status code: (\d{3})")
CODE = re.compile(r"<Code>(\w{1,64})</Code>|\"(?:reason|code)\":\s*\"(\w{1,64})\"")
CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(\w{1,64})|(CertificateRequired|HandshakeFailure|BadCertificate)")
CREDENTIALS_FROM = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "sts.", "oauth2", "/token")
"""Where credentials come from; a failure there means that there are none to be had."""

PASSING_STATUSES = frozenset(
    {408, 409, 423, 425, 429}
)  # 409: another conditional put is under way; asked anew it is 412
CLIENT_ERRORS = range(300, 500)
PASSING_CODES = frozenset(
    {"RequestTimeout", "SlowDown", "ServerBusy", "OperationTimedOut"}
)  # some stores say them with a 400
PASSING_MARKS = (
    ("kind: Timeout", "no answer within the timeout"),
    ("Connection refused", "connection refused"),
    ("Connection reset", "connection reset"),
    ("dns error", "the host's name cannot be resolved"),
    ("Network is unreachable", "network is unreachable"),
)
"""What obstore's chain of causes says, and what a person is told."""
CLOCK_CODES = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
UNKNOWN_PLACE_CODES = frozenset({"NoSuchBucket", "ContainerNotFound"})
FORBIDDEN = 403
UNAUTHORIZED = 401
NOT_FOUND = 404

CLOCK_REMEDY = "set this machine's clock: the store refuses requests that are dated too early or too late"
RIGHTS_REMEDY = "let these credentials create, read and list objects below the prefix"
PLACE_REMEDY = "create it, or correct url; it is never created for you"


def failure(error: Exception, what: str) -> Retry:
    """Return what an exception of the store means. what: what was tried, for the sentence."""
    text = str(error)
    head, _, debug = text.partition(DEBUG_MARK)
    status = _status(head)
    found = CODE.search(head)
    code = (found[1] or found[2]) if found else ""
    reason, lasting = _judge(error, head, debug, status, code)
    said = f"HTTP {status} {code}".rstrip() if status else one_line(head)
    why = f"{what}: {said}: {reason}" if reason else f"{what}: {said}"
    return Retry(why, config_fault=lasting)


def _status(head: str) -> int:
    found = STATUS.search(head)
    return int(found[1]) if found else 0


def _judge(error: Exception, head: str, debug: str, status: int, code: str) -> tuple[str, bool]:
    """Return (the reason with its remedy, is it lasting)."""
    if status:
        return _judge_answer(head, status, code)
    certificate = CERTIFICATE.search(debug)
    if certificate:
        name = certificate[1] or certificate[2]
        return f"the server's certificate was refused ({name}); name its CA in tls.ca", True
    if any(place in head for place in CREDENTIALS_FROM):
        return "no credentials could be had; give them by environment, instance role or the sink's options", True
    if "BadScheme" in debug:
        return "plain HTTP is used only where endpoint says http://", True
    passing = next((words for mark, words in PASSING_MARKS if mark in debug), "")
    return passing, isinstance(error, ValueError)  # that is obstore's word for options that cannot be used


def _judge_answer(head: str, status: int, code: str) -> tuple[str, bool]:
    if code in CLOCK_CODES or "too skewed" in head or "Date header" in head:
        return CLOCK_REMEDY, True
    if code in UNKNOWN_PLACE_CODES or status == NOT_FOUND:
        return f"there is no such bucket or container; {PLACE_REMEDY}", True
    if code in PASSING_CODES or status in PASSING_STATUSES or status not in CLIENT_ERRORS:
        return "", False
    if status in (UNAUTHORIZED, FORBIDDEN):
        return RIGHTS_REMEDY, True
    return one_line(head.partition("status code: ")[2]), True
