"""What the config says about one sink: what all of them have, and what its type has. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STDOUT, OBJECTS = "stdout", "objects"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in a file, or in an environment variable; exactly one of them. Never the secret itself."""

    file: str | None = None
    env: str | None = None


@dataclass(frozen=True, slots=True)
class SelectConfig:
    """Which records a sink gets. An empty tuple asks nothing; a record must pass all that ask.

    operations: `request.operation`; paths: prefixes of `request.path`; mount_types: `request.mount_type`; namespaces:
    `request.namespace.path`; types: `request` or `response`; errors: only records with an `error`.
    """

    operations: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    mount_types: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    errors: bool = False


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """What a person wants a batch to be; None leaves it to the sink's type."""

    size_bytes: int | None = None
    records: int | None = None
    age_seconds: float | None = None
    in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """One sink. `options` holds what its type has, by dotted name (`tls.ca`), with defaults filled in."""

    name: str
    type: str
    start: str | None = None
    select: SelectConfig | None = None
    drop_fields: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    deliver_seals: bool = False
    batch: BatchConfig = BatchConfig()
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, name: str) -> str | None:
        """Return an option that is a text, None where it has no value."""
        value = self.options.get(name)
        return value if isinstance(value, str) else None

    def flag(self, name: str) -> bool:
        """Return an option that is true or false."""
        return self.options.get(name) is True

    def number(self, name: str) -> int:
        """Return an option that is a whole number or a size in bytes; 0 where it has no value."""
        value = self.options.get(name)
        return int(value) if isinstance(value, int | float) else 0

    def seconds(self, name: str) -> float:
        """Return an option that is a time."""
        value = self.options.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an option that is a list of texts."""
        value = self.options.get(name)
        return tuple(text for text in value if isinstance(text, str)) if isinstance(value, tuple) else ()

    def labels_of(self, name: str) -> Mapping[str, str]:
        """Return an option that is a map of text to text."""
        value = self.options.get(name)
        return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}

    def secret(self, name: str) -> Secret | None:
        """Return where an option's secret is; None where there is none."""
        value = self.options.get(name)
        return value if isinstance(value, Secret) else None
