"""One thing that is wrong with a journal or a copy of it, or worth a look: what, where, and in which file. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was sealed. ``what`` is one of the words of docs/verify.md."""

    what: str
    file: str
    start: int
    end: int
    detail: str
