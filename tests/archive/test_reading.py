"""Archives that the real objects sink wrote, into a directory and into moto's S3, read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from standpipe.archive.location import ArchiveOptions
from standpipe.archive.reading import Archive, ObjectGoneError, UndecodableError, open_archive
from standpipe.errors import ArchiveError
from standpipe.journal import identity
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal import SEAL_BYTES_MAX
from tests.archive.archived import SEGMENT_BYTES, archive_all, make_archive, make_sealed, objects_of
from tests.sinks.objects_peer import REGION, S3Peer

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.journal.layout import Layout


def sealed_bytes(layout: Layout) -> bytes:
    """Return what a journal's sealed segments hold."""
    reader = JournalReader(layout)
    data = b"".join(reader.read(offset, SEGMENT_BYTES) for offset in range(0, 3 * SEGMENT_BYTES, SEGMENT_BYTES))
    reader.close()
    return data


def assert_is_archived(archive: Archive, layout: Layout) -> None:
    """Assert that the archive holds one node, and all that the journal has sealed, in order."""
    (node,) = archive.nodes()
    segments = node.segments()
    known = identity.read(layout)
    assert {("blue", "n-1", known.journal_id)} == {(s.cluster, s.node, s.journal_id) for s in segments}
    assert [index * SEGMENT_BYTES for index in range(3)] == [segment.base for segment in segments]
    assert sealed_bytes(layout) == b"".join(block for segment in segments for block in node.blocks(segment))


def test_a_directory_reads_back_what_was_archived(tmp_path: Path) -> None:
    """The raw bytes, the seals to the byte, the sizes on disk."""
    (layout,) = make_archive(tmp_path / "archive", tmp_path, "n-1")
    archive = open_archive(str(tmp_path / "archive"))
    assert_is_archived(archive, layout)
    for segment in archive.nodes()[0].segments():
        found = objects_of(tmp_path / "archive", segment.base)
        assert found["seal"].read_bytes() == segment.seal_bytes
        assert found["data"].stat().st_size == segment.data_bytes


def test_s3_reads_back_what_was_archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials come from the environment."""
    peer = S3Peer(tmp_path).make_bucket()
    try:
        layout = make_sealed(tmp_path / "n-1", "n-1")
        archive_all(layout, peer.config())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", peer.key[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", peer.key[1])
        archive = open_archive(peer.url, ArchiveOptions(region=REGION, endpoint=peer.endpoint))
        assert_is_archived(archive, layout)
        (node,) = archive.nodes()
        segment = node.segments()[0]
        peer.store().delete(f"long/term/{segment.data_key}")
        with pytest.raises(ObjectGoneError, match=segment.data_key):
            list(node.blocks(segment))
    finally:
        peer.stop()


def test_nodes_are_listed_by_cluster_and_name(tmp_path: Path) -> None:
    """Each with its own segments and place."""
    make_archive(tmp_path / "archive", tmp_path, "n-2", "n-1", segments=1)
    nodes = open_archive(str(tmp_path / "archive")).nodes()
    assert [("blue", "n-1"), ("blue", "n-2")] == [(node.cluster, node.node) for node in nodes]
    assert nodes[0].where == f"file://{tmp_path}/archive/blue/n-1"


def test_damaged_data_is_told_from_data_that_has_gone(tmp_path: Path) -> None:
    """A changed byte and a cut file cannot be unpacked; a removed file is gone."""
    root = tmp_path / "archive"
    make_archive(root, tmp_path, "n-1")
    (node,) = open_archive(str(root)).nodes()
    first, second, third = node.segments()
    data = objects_of(root, first.base)["data"]
    data.write_bytes(data.read_bytes()[:-60])
    changed = bytearray(objects_of(root, second.base)["data"].read_bytes())
    changed[20] ^= 1
    objects_of(root, second.base)["data"].write_bytes(changed)
    objects_of(root, third.base)["data"].unlink()
    for segment in (first, second):
        with pytest.raises(UndecodableError, match="cannot be unpacked"):
            list(node.blocks(segment))
    with pytest.raises(ObjectGoneError, match="is not there"):
        list(node.blocks(third))


def test_a_place_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """Not an empty archive."""
    with pytest.raises(ArchiveError, match="there is no directory"):
        open_archive(str(tmp_path / "nowhere")).nodes()


def test_a_stranger_in_the_directory_is_not_opened(tmp_path: Path) -> None:
    """Symbolic links are not followed; what is no object of ours is listed as foreign."""
    root = tmp_path / "archive"
    make_archive(root, tmp_path, "n-1", segments=1)
    (root / "loop").symlink_to(root)
    (root / "blue" / "notes.txt").write_text("hello")
    assert open_archive(str(root)).list().foreign == ("blue/notes.txt",)


def test_a_seal_beyond_all_measure_is_not_read_to_its_end(tmp_path: Path) -> None:
    """It is said to be too large."""
    root = tmp_path / "archive"
    make_archive(root, tmp_path, "n-1", segments=1)
    with objects_of(root, 0)["seal"].open("ab") as file:
        file.truncate(1 << 40)
    (segment,) = open_archive(str(root)).nodes()[0].segments()
    assert "larger than" in segment.problem
    assert len(segment.seal_bytes) <= SEAL_BYTES_MAX + (1 << 20)
