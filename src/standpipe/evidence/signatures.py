"""Which seals the owner of a trusted key made. Pure: the cryptography is handed in.

Trusted are the keys that the verifier gives, and every key that a trusted one endorsed in the chain, from that seal on.

A seal before the first one whose signature holds is vouched for by it, though it may be unsigned, or signed by a key
that was not given: each seal holds the digest of the one before, so nobody can change the former without the key.
Where a link is broken, that ends. An unsigned one anywhere else is damage: whoever can write to the journal, but has no
key, could have made it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.journal.signature import endorsement_bytes, key_id, parse_public_key, parse_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from standpipe.evidence.journal_facts import SealFacts

WRONG = "signature-wrong"
MISSING = "signature-missing"
UNKNOWN = "signature-unknown"

Verify = Callable[[bytes, bytes, bytes], bool]  # raw public key, signature, data


@dataclass(frozen=True, slots=True)
class Keys:
    """What a verifier trusts, and how to ask. public: raw public keys."""

    public: tuple[bytes, ...]
    verify: Verify


@dataclass(frozen=True, slots=True)
class SignatureFault:
    """A seal that no trusted key vouches for. ``what`` is one of the words above."""

    what: str
    seal: SealFacts
    detail: str


@dataclass(frozen=True, slots=True)
class SignatureFindings:
    """proven: how many seals have a signature of a trusted key."""

    proven: int
    faults: tuple[SignatureFault, ...]


class _Ring:
    """The keys that are trusted at this place in the chain."""

    def __init__(self, keys: Keys) -> None:
        self._verify = keys.verify
        self._by_id = {key_id(public): public for public in keys.public}

    def learn(self, seal: SealFacts) -> str:
        """Trust the key that a seal introduces if a trusted one endorses it; return what is wrong, or nothing."""
        if seal.signing_key is None or seal.signing_key.endorsement is None:
            return ""
        try:
            public = parse_public_key(seal.signing_key.public)
            signature = parse_signature(seal.signing_key.endorsement)
        except ValueError as error:
            return f"the endorsement of its key cannot be read: {error}"
        by = self._by_id.get(signature.key_id)
        if by is None or key_id(public) in self._by_id:
            return ""
        if not self._verify(by, signature.value, endorsement_bytes(public)):
            return f"the key {signature.key_id} did not endorse the key {key_id(public)}"
        self._by_id[key_id(public)] = public
        return ""

    def judge(self, seal: SealFacts) -> tuple[str, str]:
        """Return a word and its detail; two empty texts where a trusted key made the seal."""
        problem = self.learn(seal)
        try:
            signature = parse_signature(seal.signature or "")
        except ValueError as error:
            return WRONG, f"the signature cannot be read: {error}"
        public = self._by_id.get(signature.key_id)
        if public is None:
            return (WRONG, problem) if problem else (UNKNOWN, _unknown(signature.key_id))
        if not self._verify(public, signature.value, seal.signed_bytes):
            return WRONG, f"the key {signature.key_id} did not sign this"
        return "", ""


def _unknown(key: str) -> str:
    return f"it is signed by the key {key}, which was not given, and which no given one endorsed here"


def check_signatures(chain: Iterable[Sequence[SealFacts]], keys: Keys) -> SignatureFindings:
    """Judge every seal. chain: the seals in order, cut into runs in which each links to the one before."""
    ring = _Ring(keys)
    faults: list[SignatureFault] = []
    proven = 0
    for run in chain:
        signed, found = _check_run(ring, run, may_begin_unsigned=not proven)
        proven += signed
        faults.extend(found)
    return SignatureFindings(proven, tuple(faults))


def _check_run(ring: _Ring, run: Sequence[SealFacts], *, may_begin_unsigned: bool) -> tuple[int, list[SignatureFault]]:
    judged = [(seal, *_judge(ring, seal)) for seal in run]
    proven = [index for index, (_, what, _) in enumerate(judged) if not what]
    vouched = proven[0] if proven and may_begin_unsigned else 0
    faults = [
        SignatureFault(what, seal, detail)
        for index, (seal, what, detail) in enumerate(judged)
        if what and not (what != WRONG and index < vouched)
    ]
    return len(proven), faults


def _judge(ring: _Ring, seal: SealFacts) -> tuple[str, str]:
    if seal.signature is None:
        return MISSING, "it is not signed, and no signed seal after it vouches for it"
    return ring.judge(seal)


def linked_runs(seals: Iterable[SealFacts]) -> Iterator[list[SealFacts]]:
    """Cut seals that can be read into runs: each seal of a run names the digest of the one before it."""
    run: list[SealFacts] = []
    for seal in seals:
        if run and seal.previous != run[-1].digest:
            yield run
            run = []
        run.append(seal)
    if run:
        yield run
