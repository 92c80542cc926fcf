"""What an HTTP answer means for a batch. Pure: the time of day is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from standpipe.sinks.base import Delivered, Poison, Retry, Split
from standpipe.sinks.wording import WORDS_CHARACTERS_MAX, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.sinks.base import Outcome

MAX_RETRY_AFTER_SECONDS = 3600.0  # a server that asks for more is asked again all the same: it may have been mended
EXCERPT_BYTES = 8 * WORDS_CHARACTERS_MAX  # of a body, markup included; the rest is not looked at

REQUEST_TIMEOUT = 408
CONTENT_TOO_LARGE = 413
BAD_REQUEST = 400
UNPROCESSABLE_CONTENT = 422
TOO_EARLY = 425
TOO_MANY_REQUESTS = 429
PASSING = (REQUEST_TIMEOUT, TOO_EARLY, TOO_MANY_REQUESTS)

REASONS = {
    401: "it does not accept our credentials",
    403: "our credentials do not allow it",
    404: "there is nothing at this path",
    405: "it does not take this method at this path",
    415: "it does not take this Content-Type or Content-Encoding",
}


@dataclass(frozen=True, slots=True)
class Response:
    """What the server answered. headers: names in lower case. body: its first 64 KiB. server: for messages."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    server: str = "the server"


def outcome(response: Response, now: float) -> Outcome:
    """Return what an answer means (RFC 9110 section 15, RFC 6585 section 4).

    ==================  ==========================================================================
    2xx                 `Delivered`
    408 425 429 5xx     `Retry`, with Retry-After where it is given
    413                 `Split`
    400 422             `Poison`, not certain: a wrong path or format answers so as well
    all others          `Retry` with config_fault; a redirect is not followed
    ==================  ==========================================================================

    now: seconds since the epoch, for a Retry-After that is a date.
    """
    status = response.status
    if status // 100 == 2:  # noqa: PLR2004 - the class of success
        return Delivered()
    why = describe(response)
    if status in PASSING or status // 100 == 5:  # noqa: PLR2004 - the class of the server's own failures
        return Retry(why, retry_after_seconds(response.headers.get("retry-after", ""), now))
    if status == CONTENT_TOO_LARGE:
        return Split(why)
    if status in (BAD_REQUEST, UNPROCESSABLE_CONTENT):
        return Poison(why, certain=False)
    return Retry(why, config_fault=True)


def describe(response: Response) -> str:
    """Return an answer in words: server, status, what it means, and an excerpt of what the server says itself."""
    text = f"{response.server} answered {response.status}"
    if response.status // 100 == 3:  # noqa: PLR2004 - the class of redirects
        text += ", a redirect, which is not followed" + _target(response.headers.get("location", ""))
    elif response.status in REASONS:
        text += f": {REASONS[response.status]}"
    words = excerpt(response.body)
    return f"{text} ({words})" if words else text


def retry_after_seconds(text: str, now: float) -> float | None:
    """Return how long Retry-After asks to wait (RFC 9110 section 10.2.3: seconds, or an HTTP date).

    None where there is none or it cannot be read; at least 0, and at most an hour.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])  # ten digits are beyond the maximum already
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def excerpt(body: bytes) -> str:
    """Return the start of what a server says as one line of printable text; markup is left out."""
    return one_line(re.sub(r"<[^>]*>", " ", body[:EXCERPT_BYTES].decode("utf-8", "replace")))


def _target(location: str) -> str:
    """Return where a redirect points: scheme and host alone, for the rest may hold a secret."""
    found = re.match(r"https?://[A-Za-z0-9.\-_\[\]:]+(?=[/?#]|$)", location)
    return f" (to {found.group()})" if found else ""
