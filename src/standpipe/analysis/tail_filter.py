"""Which requests a person wants to see. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.analysis.tail_pairs import Exchange


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked; a request must pass all of it, and each question by any one of its answers.

    paths: shell patterns, of the path alone or with its namespace's path in front; a ``*`` matches slashes too, and a
    pattern that ends in a slash stands for all below it. who: texts of which one must be in the display name, entity
    id, client id, accessor, a policy or the remote address, in any case. operations: whole, in any case. since: Unix
    nanoseconds.
    """

    paths: tuple[str, ...] = ()
    who: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    errors: bool = False
    since: int | None = None


class Filter:
    """Answers for one wish."""

    def __init__(self, wish: Wish) -> None:
        """Prepare the patterns."""
        self._wish = wish
        self._paths = [re.compile(translate(_pattern(path))).match for path in wish.paths]
        self._operations = {operation.lower() for operation in wish.operations}
        self._who = [text.casefold() for text in wish.who]

    def wants(self, exchange: Exchange) -> bool:
        """Tell whether a request passes."""
        wish, half = self._wish, exchange.half
        begun = exchange.first.nanoseconds
        return (
            (not wish.errors or exchange.is_fault)
            and (not wish.operations or half.operation in self._operations)
            and (wish.since is None or begun is None or begun >= wish.since)
            and (not self._paths or self._has_path(half.namespace_path, half.path))
            and (not self._who or self._has_who(exchange))
        )

    def _has_path(self, namespace: str, path: str) -> bool:
        return any(match(path) or match(f"{namespace}{path}") for match in self._paths)

    def _has_who(self, exchange: Exchange) -> bool:
        half = exchange.half
        texts: Sequence[str] = (
            half.display_name,
            half.login_name,
            half.entity_id,
            half.client_id,
            half.accessor,
            half.remote_address,
            *half.policies,
        )
        folded = [text.casefold() for text in texts]
        return any(wanted in text for wanted in self._who for text in folded)


def _pattern(path: str) -> str:
    bare = path.lstrip("/")
    return f"{bare}*" if bare.endswith("/") else bare
