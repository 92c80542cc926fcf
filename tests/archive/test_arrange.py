"""Names in an archive, sorted into nodes and segments."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.archive.arrange import ArchivedSegment, arrange, in_order, with_seal
from standpipe.archive.location import ArchiveOptions, is_url, place_of
from standpipe.errors import UsageError
from standpipe.journal.seal import Seal, encode_seal
from standpipe.sink_keys.objects_url import Place
from standpipe.sinks.objects_key import archive_root, keys_of, plain_name, safe_name

SEAL = Seal(
    journal="first",
    base=0,
    end=64,
    records=1,
    sha256="0" * 64,
    previous=None,
    first_time="2026-03-01T10:00:00Z",
    last_time=None,
    sealed_at="2026-03-01T11:00:00.000Z",
)


def segment(base: int, end: int, journal: str = "", sealed_at: str = "2026-03-01T11:00:00.000Z") -> ArchivedSegment:
    """Return a segment of a node; journal "": its seal cannot be read."""
    found = ArchivedSegment("blue", "n", base, end, "2026-03-01", data_key=f"{base}")
    if not journal:
        return found
    seal = replace(SEAL, journal=journal, base=base, end=end, sealed_at=sealed_at)
    return with_seal(found, encode_seal(seal))


def pair(root: str, seal: Seal = SEAL) -> list[tuple[str, int]]:
    """Return the names of a segment's two objects, as a store lists them."""
    keys = keys_of(root, seal)
    return [(keys.data, 10), (keys.seal, 500)]


@pytest.mark.parametrize(
    ("location", "above"),
    [((), "blue/node-1"), (("srv", "blue"), "node-1"), (("srv", "blue", "node-1"), ""), (("x",), "y/z/blue/node-1")],
)
def test_an_archive_may_be_opened_above_or_below_its_root(location: tuple[str, ...], above: str) -> None:
    """Cluster and node come from the names, and what is missing there from the location."""
    names = [(key.removeprefix("/"), size) for key, size in pair(above)]
    (node,) = arrange(names, location).nodes
    assert (node.cluster, node.node, node.root) == ("blue", "node-1", above)


def test_data_and_seal_become_one_segment() -> None:
    """What the names say of it: addresses, date, sizes, both keys."""
    (node,) = arrange(reversed(pair("blue/n")), ()).nodes
    keys = keys_of("blue/n", SEAL)
    expected = ArchivedSegment("blue", "n", 0, 64, "2026-03-01", 0, keys.data, 10, keys.seal)
    assert (expected,) == node.segments
    assert expected.raw_bytes == 64


def test_the_seals_of_empty_intervals_at_one_address_are_told_apart() -> None:
    """They have a number, and no data, and come before the segment at that address."""
    stem = f"blue/n/2026-03-01/{64:020d}-{64:020d}"
    names = [(f"{stem}.log.zst", 9), *((f"{stem}.{number:06d}.seal.json", 500) for number in (2, 1))]
    (node,) = arrange(names, ()).nodes
    assert [(1, False), (2, False), (0, True)] == [(found.number, bool(found.data_key)) for found in node.segments]


def test_what_is_no_part_of_an_archive_is_named() -> None:
    """Unfinished files are told from strangers; the check's object is neither."""
    names = [
        ("blue/n/standpipe-check", 1),
        ("blue/n/2026-03-01/notes.txt", 1),
        (f"blue/n/{0:020d}-{64:020d}.log.zst", 1),
        (f"blue/n/2026-03-01/{0:020d}-{64:020d}.log.zst.j.tmp", 1),
        (f"blue/n/2026-03-01/{0:020d}-{64:020d}.log", 1),
    ]
    listing = arrange(names, ())
    assert listing.nodes == ()
    assert listing.foreign == tuple(sorted([names[1][0], names[2][0], names[4][0]]))
    assert listing.unfinished == (names[3][0],)


def test_journals_come_in_the_order_of_their_age_and_segments_in_that_of_their_addresses() -> None:
    """Two journals of one node both begin at 0."""
    young = [segment(base, base + 10, "a", "2026-03-09T00:00:00.000Z") for base in (10, 0)]
    old = [segment(base, base + 10, "b") for base in (20, 0, 10)]
    ordered = [(found.journal_id, found.base) for found in in_order([*young, *old])]
    assert ordered == [("b", 0), ("b", 10), ("b", 20), ("a", 0), ("a", 10)]


def test_a_segment_without_a_seal_goes_to_the_journal_in_which_its_addresses_are_free() -> None:
    """The hole between two segments of the old journal is filled, not the young journal's."""
    young = [segment(base, base + 10, "a", "2026-03-09T00:00:00.000Z") for base in (0, 10)]
    ordered = in_order([*young, segment(0, 10, "b"), segment(20, 30, "b"), segment(10, 20)])
    assert [("b", 0), ("b", 10), ("b", 20)] == [(found.journal_id, found.base) for found in ordered[:3]]


def test_a_segment_that_fits_no_journal_goes_to_the_newest() -> None:
    """Also where there is none at all it is not lost."""
    journals = [segment(0, 10, "b"), segment(0, 10, "a", "2026-03-09T00:00:00.000Z")]
    assert [found.journal_id for found in in_order([*journals, segment(5, 8)])] == ["b", "a", "a"]
    assert [found.journal_id for found in in_order([segment(5, 8)])] == [""]


def test_bytes_that_are_no_seal_are_kept_with_the_reason() -> None:
    """Nothing is raised: a damaged seal is for evidence to tell."""
    found = with_seal(segment(0, 10), b"{}")
    assert (found.seal_bytes, found.seal) == (b"{}", None)
    assert "has format None" in found.problem


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=30))
def test_escaped_names_come_back(name: str) -> None:
    """Whatever a node's name holds, a person reads it as it was."""
    assert plain_name(safe_name(name)) == name


@pytest.mark.parametrize("text", ["=", "=2f", "a=41", "=ZZ", "\udcff", ".", ""])
def test_what_was_never_escaped_by_us_stays(text: str) -> None:
    """A stranger's directory keeps its name."""
    assert plain_name(text) == text


def test_cluster_and_node_are_read_unescaped() -> None:
    """As the config had them."""
    (node,) = arrange(pair(archive_root("blue/green", "näh e")), ()).nodes
    assert (node.cluster, node.node) == ("blue/green", "näh e")


def test_a_location_is_a_url_or_a_path() -> None:
    """A relative path begins where we are."""
    assert place_of("s3://bucket/pre/fix", "/w") == Place("s3", "bucket", "pre/fix")
    assert place_of("file:///srv/archive", "/w") == Place("file", "", "/srv/archive")
    assert place_of("archive/", "/w") == Place("file", "", "/w/archive")
    assert place_of("/", "/w") == Place("file", "", "/")
    assert [True, False, False] == [is_url(text) for text in ("az://c/p", "http://x", "s3")]
    assert ArchiveOptions().timeout_seconds == 120


def test_a_location_that_cannot_be_one_is_refused() -> None:
    """With a remedy."""
    with pytest.raises(UsageError, match="Give a directory, or the sink's url"):
        place_of("s3:///x", "/")
