"""What log collectors and viewers put in front of a line of text. Pure.

Sources: CRI's log format (kubernetes/design-proposals, kubelet-cri-logging.md); ``kubectl logs --prefix --timestamps``;
``docker compose logs``; syslog as RFC 5424, as RFC 3164, and as rsyslog's and syslog-ng's files have it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TIME = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_CRI = re.compile(rb"(%b) (stdout|stderr) ([PF])(?::\S*)? (.*)" % _TIME, re.DOTALL)
_KUBECTL = re.compile(rb"(?:\[[^\]\s]+\] )?(?:%b )?(?=\{)" % _TIME)
_COMPOSE = re.compile(rb"[\w.-]+ +\| ")
_SYSLOG_5424 = re.compile(
    rb'(?:\d+ )?<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*+")*+\])+) ?(?:\xef\xbb\xbf)?'
)
_SYSLOG_OLD = re.compile(
    rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|%b) \S+ [^:\[\s{]+(?:\[\d+\])?: ?" % _TIME
)
_OWN_DATA = re.compile(rb'\[standpipe@\d+((?: [a-z]+="[^"\\\]]*")+)\]')
_PAIR = re.compile(rb' ([a-z]+)="([^"\\\]]*)"')
_ENVELOPE = b'{"standpipe":{'


class Framed(NamedTuple):
    """A line's text and what stood around it. piece: a part of a longer line, more follows."""

    form: str
    text: bytes
    stream: str = ""
    piece: bool = False
    data: dict[str, str] | None = None  # our own structured data of a syslog message


def unframe(line: bytes) -> Framed | None:
    """Return the text of a line that something stands in front of; None where nothing known does."""
    first = line[:1]
    if first.isdigit():
        cri = _CRI.match(line)
        if cri is not None:
            return Framed("cri", cri[4], cri[2].decode(), cri[3] == b"P")
    if first.isdigit() or first == b"<":
        syslog = _SYSLOG_5424.match(line)
        if syslog is not None:
            return Framed("syslog", line[syslog.end() :], data=_own_data(syslog[1]))
    if first == b"[" or first.isdigit():
        kubectl = _KUBECTL.match(line)
        if kubectl is not None:
            return Framed("kubectl", line[kubectl.end() :])
    for form, pattern in (("compose", _COMPOSE), ("syslog", _SYSLOG_OLD)):
        match = pattern.match(line)
        if match is not None and line[match.end() : match.end() + 1] == b"{":
            return Framed(form, line[match.end() :])
    place = line.find(_ENVELOPE)
    return Framed("text", line[place:]) if place > 0 else None


def _own_data(data: bytes) -> dict[str, str] | None:
    own = _OWN_DATA.search(data)
    if own is None:
        return None
    return {name.decode(): value.decode("utf-8", "replace") for name, value in _PAIR.findall(own[1])}
