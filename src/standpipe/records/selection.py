"""Which records a destination gets: the ``select`` of its config.

A record must pass everything that is asked; each question is passed by any one of its answers. What a record does not
say (old versions of Vault leave members out, Enterprise's ``exclude`` can remove any) passes no question but an empty
path.

==============  =======================================================================================================
question        passed by a record of which
==============  =======================================================================================================
`operations`    ``request.operation`` is exactly one of them
`types`         ``type`` is exactly one of them: ``request`` is not ``kmip-request``
`mount_types`   ``request.mount_type``, or else ``response.mount_type``, is exactly one of them
`namespaces`    ``request.namespace.path`` is exactly one of them. Slashes around either do not count; ``root``, or an
                empty text, is the root namespace, which has no path. A namespace does not stand for those inside it
`paths`         ``request.path`` begins with one of them, or does so when the namespace's path is put in front of it:
                ``secret/`` is that mount in every namespace, ``team/secret/`` that of ``team/`` (and, elsewhere, a
                mount at ``team/secret/``). Slashes in front of what is asked do not count, nor does one ``*`` at its
                end: every path is the beginning of others
`errors`        ``error`` has content, of any type
==============  =======================================================================================================

A torn record always passes: it could be anything. Seals are none of the selection's business and pass as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from standpipe.records.fields import parse_fields

if TYPE_CHECKING:
    from standpipe.config_sinks import SelectConfig
    from standpipe.records.framing import Record

ROOT_NAMESPACE = "root"  # how Vault's own tools call the namespace without a path


class Selects(Protocol):
    """Answers for one destination."""

    def wants(self, record: Record) -> bool:
        """Tell whether a record passes. Raises nothing."""


class Selection:
    """Answers for one destination; see the module's docstring."""

    __slots__ = ("_asks", "_errors", "_mount_types", "_namespaces", "_operations", "_paths", "_types")

    def __init__(self, config: SelectConfig) -> None:
        self._operations = frozenset(config.operations)
        self._types = frozenset(config.types)
        self._mount_types = frozenset(config.mount_types)
        self._namespaces = frozenset(_namespace(name) for name in config.namespaces)
        self._paths = tuple(path.lstrip("/").removesuffix("*") for path in config.paths)
        self._errors = config.errors
        self._asks = bool(
            self._operations or self._types or self._mount_types or self._namespaces or self._paths or self._errors
        )

    def wants(self, record: Record) -> bool:
        """Tell whether a record passes. Raises nothing."""
        if not self._asks or record.torn or record.is_seal:
            return True
        fields = parse_fields(record.body)
        if (
            (self._errors and not fields.has_error)
            or (self._types and fields.type not in self._types)
            or (self._operations and fields.operation not in self._operations)
            or (self._mount_types and fields.mount_type not in self._mount_types)
            or (self._namespaces and fields.namespace_path.strip("/") not in self._namespaces)
        ):
            return False
        if not self._paths or fields.path.startswith(self._paths):
            return True
        namespace = fields.namespace_path.strip("/")
        return f"{namespace}/{fields.path}".startswith(self._paths)


def _namespace(name: str) -> str:
    bare = name.strip("/")
    return "" if bare == ROOT_NAMESPACE else bare
