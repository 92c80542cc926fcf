"""What the suite asks of a destination: a thin adapter around a real peer, with what it can do and what it received.

A case never talks to the sink's code; it sees a destination from outside, through this.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.testing.journals import JOURNAL_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from standpipe.testing.faulty_proxy import FaultyProxy

# Capabilities: what a sink and its destination can do. A case that needs one which is missing is not in their table.

RECORDS = "records"  # takes records, with the envelope
SEGMENTS = "segments"  # takes whole segments
NETWORK = "network"  # reached over TCP, so that a proxy can stand in between
ORDER = "order"  # what it received has an order of arrival, within a stream
SEVERAL_IN_FLIGHT = "several in flight"  # sends several batches at once, unless it is told to send one at a time
DROPS_REPEATS = "drops repeats"  # drops itself what one producer sends again
BATCHES = "batches"  # shows which records came in one batch
TLS = "TLS"
CLIENT_CERTIFICATE = "client certificate"  # asks for one
CREDENTIALS = "credentials"  # asks for something secret, and can stop and begin again to take it
REFUSES_RECORDS = "refuses records"  # can refuse single records for ever
REFUSES_UNNAMED = "refuses unnamed"  # says that some records of a batch were refused, and not which
SIZE_LIMIT = "size limit"  # can refuse what is too large, as its protocol says it
GOES_AWAY = "goes away"  # can itself be away for a while; what has NETWORK can by the proxy


@dataclass(frozen=True, slots=True)
class Received:
    """One thing that arrived, as often as it arrived.

    after: None where the envelope has none, as a seal's. part: ``2/3`` where a record came in parts. payload: all that
    arrived for it in a form that two equal sendings make equal, with what stands beside it in the protocol: key, time,
    headers. content: the record's members without our envelope as JSON values, or ``{"raw": …}`` as the envelope's
    rules say; a whole segment's bytes. stream: within which order counts; batch: which of the requests it came in.
    """

    id: str
    offset: int
    length: int
    after: int | None
    part: str
    payload: bytes
    content: object
    seal: bool = False
    stream: str = ""
    batch: int = 0


def received_json(text: bytes, *, payload: bytes | None = None, stream: str = "", batch: int = 0) -> Received:
    """Return what arrived as a JSON object with our envelope in it; payload: where that is more than the text."""
    members = json.loads(text)
    return received_members(members, payload=text if payload is None else payload, stream=stream, batch=batch)


def received_members(members: Mapping[str, object], *, payload: bytes, stream: str = "", batch: int = 0) -> Received:
    """Return what arrived as members, ``standpipe`` among them."""
    content = dict(members)
    envelope = content.pop("standpipe")
    if not isinstance(envelope, dict) or envelope["journal"] != JOURNAL_ID:
        raise ValueError(f"no envelope of the case's journal: {envelope!r}")
    return Received(
        id=str(envelope["id"]),
        offset=int(envelope["offset"]),
        length=int(envelope["length"]),
        after=int(envelope["after"]) if "after" in envelope else None,
        part=str(envelope.get("part", "")),
        payload=payload,
        content=content,
        seal=envelope.get("kind") == "seal",
        stream=stream,
        batch=batch,
    )


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files; all but the CAs' hold key and chain. ca signed all but `stranger`; hosts are localhost."""

    ca: str
    server: str
    expired: str
    other_name: str
    client: str
    other_ca: str
    stranger: str


@dataclass(frozen=True, slots=True)
class Wish:
    """How a case wants a destination. port: where clients reach it, a proxy's on localhost; 0 where it has no proxy.

    directory: an empty one of its own. proxy: it stands at `port`. tls: certificate and key of the server, "" for none.
    client_ca: it asks for clients' certificates of this CA; client: one of them, for the adapter's own use.
    credentials: it asks for a secret.
    """

    directory: str
    port: int = 0
    proxy: FaultyProxy | None = None
    tls: str = ""
    client_ca: str = ""
    client: str = ""
    credentials: bool = False


class Destination(ABC):
    """An adapter; those that can do more than the least say so in their Kind and override the methods for it."""

    port = 0
    """Where it really listens on 127.0.0.1, and where the proxy leads; 0 without NETWORK."""

    secrets: tuple[str, ...] = ()
    """What must never be seen anywhere but in the secret's own file."""

    @abstractmethod
    def config(self) -> dict[str, object]:
        """Return the sink's section of the config, with Wish.port as the destination's address, without `tls`."""

    @abstractmethod
    def received(self) -> list[Received]:
        """Return all that has arrived so far, in order, what came again as well."""

    def _unable(self, capability: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} declares {capability!r} and does not override its methods")

    def expire_credentials(self) -> None:
        """CREDENTIALS: refuse from now on what the sink has."""
        raise self._unable(CREDENTIALS)

    def renew_credentials(self) -> None:
        """CREDENTIALS: take something new, and put it where the config says that the secret is."""
        raise self._unable(CREDENTIALS)

    def refuse_records(self, marker: str) -> None:  # noqa: ARG002 - for those who override it
        """REFUSES_RECORDS: refuse every record with this word in it, for ever."""
        raise self._unable(REFUSES_RECORDS)

    def refuse_unnamed(self, marker: str) -> None:  # noqa: ARG002 - for those who override it
        """REFUSES_UNNAMED: leave every record with this word in it out, and say only how many were left out."""
        raise self._unable(REFUSES_UNNAMED)

    def refuse_larger_than(self, size_bytes: int) -> None:  # noqa: ARG002 - for those who override it
        """SIZE_LIMIT: refuse requests that are larger."""
        raise self._unable(SIZE_LIMIT)

    def go_away(self) -> None:
        """GOES_AWAY: be not there."""
        raise self._unable(GOES_AWAY)

    def come_back(self) -> None:
        """GOES_AWAY: be there again, with all that had arrived."""
        raise self._unable(GOES_AWAY)


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: one type of sink with one destination. open: gives the destination, running."""

    name: str
    peer: str
    capabilities: frozenset[str]
    open: Callable[[Wish], AbstractContextManager[Destination]]
