"""Pre-flight checks of an archive: is it there, and does it create objects without ever replacing one.

Whether a store takes objects, and refuses a second one of the same name, shows only where one is created. So the
second check leaves one small object behind, always the same; it is never deleted, because who writes an archive should
not have the right to delete there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.preflight import Result, failed, ok
from standpipe.sinks.objects_contract import StoreError
from standpipe.sinks.objects_key import PROBE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.sinks.objects_contract import ObjectStore

PLACE, CREATE_ONLY = "place", "create-only"
PROBE_CONTENT = b"standpipe check created this object to see that it can; nothing reads it\n"
OTHER_CONTENT = b"standpipe check replaced an object: this store does not refuse that\n"
REMEDY = "Correct the sink's options, or the rights and network on the store's side"


def look(open_store: Callable[[], ObjectStore]) -> list[Result]:
    """List the place. Raises SinkError."""
    try:
        store = open_store()
        store.look()
    except StoreError as error:
        return [failed(PLACE, error.retry.why, REMEDY)]
    return [ok(PLACE, f"{store.where} is there and can be listed")]


def probe(open_store: Callable[[], ObjectStore], root: str) -> list[Result]:
    """Create an object twice, and read it. Raises SinkError."""
    key = f"{root}/{PROBE_NAME}"
    try:
        store = open_store()
        store.create(key, [PROBE_CONTENT])
        replaced = store.create(key, [OTHER_CONTENT])
        found = b"".join(store.blocks(key))
    except StoreError as error:
        return [failed(CREATE_ONLY, error.retry.why, REMEDY)]
    where = f"{store.where}/{key}"
    if replaced or found != PROBE_CONTENT:
        return [
            failed(
                CREATE_ONLY,
                f"{where} was replaced: this store ignores conditional writes, so an archive there is not safe",
                "Use a store, or a version of it, that honours If-None-Match on PUT; then delete this object once",
            )
        ]
    return [ok(CREATE_ONLY, f"objects can be created and read, and none is replaced; {where} was left there")]
