"""Archives and exports beside journals: the same records, each once."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from msgspec.structs import replace

from standpipe.analysis.database import open_database
from standpipe.analysis.export import Exported, export
from standpipe.analysis.locations import Wanted, sources_at
from standpipe.analysis.parquet_layout import records_key
from standpipe.analysis.parquet_place import open_place
from standpipe.archive.location import ArchiveOptions
from standpipe.errors import StandpipeError, UsageError
from standpipe.journal.layout import COMPRESSED_SUFFIX
from tests.analysis.audit_world import DAY, LOOKUP, Asked, world, write
from tests.evidence.craft import JOURNAL_ID, Crafted, compress
from tests.sinks.objects_peer import BUCKET, REGION, S3Peer

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = world(120)
ALL = (
    "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM records WHERE torn), "
    "(SELECT count(*) FROM requests), (SELECT sum(length) FROM records), (SELECT count(*) FROM seals)"
)


def figures(locations: list[str], **options: Any) -> tuple[Any, ...]:  # noqa: ANN401 - those of open_database
    """Return counts of what is at some locations."""
    connection = open_database(locations, **options)
    row = connection.execute(ALL).fetchone()
    connection.close()
    assert row is not None
    return row


def expected(requests: list[Asked], *, torn: int, seals: int) -> tuple[int, int, int, int, int]:
    """Return the same counts from the list; a torn record has 7 bytes."""
    lines = [line for asked in requests for line in asked.lines()]
    return len(lines) + torn, torn, len(requests), sum(map(len, lines)) + 7 * torn, seals


def archive(journal: Crafted, root: Path, cluster: str = "blue") -> None:
    """Put the sealed segments of a journal into an archive, as the objects sink names them."""
    for base in journal.bases:
        seal = journal.file(base, ".seal.json")
        if not seal.exists():
            continue
        log = journal.file(base, ".log")
        end = journal.bases[journal.bases.index(base) + 1]
        directory = root / cluster / "n" / "2024-05-06"
        directory.mkdir(parents=True, exist_ok=True)
        packed = compress(log.read_bytes()) if log.exists() else journal.file(base, COMPRESSED_SUFFIX).read_bytes()
        (directory / f"{base:020d}-{end:020d}.log.zst").write_bytes(packed)
        (directory / f"{base:020d}-{end:020d}.seal.json").write_bytes(seal.read_bytes())


@pytest.fixture
def journal(tmp_path: Path) -> Crafted:
    """Return a journal of the world with four sealed segments and a torn record after them."""
    return write(tmp_path / "j", REQUESTS)


def test_an_archive(journal: Crafted, tmp_path: Path) -> None:
    """An archive gives what the sealed segments had."""
    archive(journal, tmp_path / "a")
    assert expected(REQUESTS, torn=0, seals=4) == figures([str(tmp_path / "a")])


def test_a_journal_and_its_archive(journal: Crafted, tmp_path: Path) -> None:
    """What both have counts once, and what retention took from the journal comes from the archive."""
    archive(journal, tmp_path / "a")
    both = [str(tmp_path / "j"), str(tmp_path / "a")]
    assert expected(REQUESTS, torn=1, seals=4) == figures(both)
    assert expected(REQUESTS, torn=1, seals=4) == figures(both[::-1])
    journal.remove(journal.bases[0], ".log", ".seal.json")
    assert expected(REQUESTS, torn=1, seals=4) == figures(both)


def test_an_archives_record_over_a_segments_end(tmp_path: Path) -> None:
    """A record that two objects share is one record, whether they are read together or apart."""
    data = b"".join(line for asked in REQUESTS for line in asked.lines())
    crafted = Crafted(tmp_path / "j")
    directory = tmp_path / "a" / "blue" / "n" / "2024-05-06"
    directory.mkdir(parents=True)
    base = 0
    for end in (1000, 5000, 5010, 30_000, len(data)):
        crafted.add(data[base:end])
        (directory / f"{base:020d}-{end:020d}.log.zst").write_bytes(compress(data[base:end]))
        base = end
    assert expected(REQUESTS, torn=0, seals=0) == figures([str(tmp_path / "a")])
    place = open_place(str(tmp_path / "p"), create=True)
    done = export(sources_at([str(tmp_path / "a")], Wanted(stretch_bytes=0)), place)
    assert data.count(b"\n") == done.records
    assert expected(REQUESTS, torn=0, seals=0) == figures([], parquet=[str(tmp_path / "p")])


def run_export(root: Path, target: Path) -> Exported:
    """Export a journal."""
    return export(sources_at([str(root)], Wanted(stretch_bytes=0)), open_place(str(target), create=True))


def files_of(root: Path) -> dict[str, bytes]:
    """Return the files below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_two_exports_of_one_journal(journal: Crafted, tmp_path: Path) -> None:
    """What two exports have counts once: of the segment that grew between them, the longer file."""
    run_export(tmp_path / "j", tmp_path / "early")
    with open(journal.file(journal.bases[-1], ".log"), "ab") as segment:
        segment.write(b"\n" + b"".join(Asked(9000, LOOKUP, 1, 2, DAY, 5, "ok").lines()))
    run_export(tmp_path / "j", tmp_path / "late")
    both = [str(tmp_path / "late"), str(tmp_path / "early")]
    once = figures([], parquet=both[:1])
    assert [once, once] == [figures([], parquet=both), figures([], parquet=both[::-1])]


def test_an_export(journal: Crafted, tmp_path: Path) -> None:
    """An export has every record, beside the date it is of, and again gives the same bytes."""
    done = run_export(tmp_path / "j", tmp_path / "p")
    first = files_of(tmp_path / "p")
    whole = expected(REQUESTS, torn=1, seals=4)
    assert (whole[0], len(first), sum(map(len, first.values()))) == (done.records, done.files, done.bytes)
    dates = {name.split("/")[1] for name in first if name.startswith("records/")}
    assert {"date=1970-01-01", "date=2024-05-06", "date=2024-05-07", "date=2024-05-08"} == dates
    assert whole == figures([], parquet=[str(tmp_path / "p")])
    assert whole == figures([str(tmp_path / "p")])
    run_export(tmp_path / "j", tmp_path / "p")
    again = files_of(tmp_path / "p")
    assert first.keys() == again.keys()
    assert whole == figures([], parquet=[str(tmp_path / "p")])


def test_each_record_lies_below_its_date(journal: Crafted, tmp_path: Path) -> None:
    """What other engines see: the partition's date is that of the times inside; node comes from the path."""
    run_export(tmp_path / "j", tmp_path / "p")
    rows = (
        duckdb.connect()
        .execute(
            f"SELECT count(*) FILTER (CAST(time AS DATE) <> date), count(DISTINCT node), min(node) "
            f"FROM read_parquet('{tmp_path}/p/records/*/*/*.parquet', hive_partitioning = true)"
        )
        .fetchall()
    )
    assert [(0, 1, "n")] == rows


def test_an_export_that_goes_on(journal: Crafted, tmp_path: Path) -> None:
    """The open segment's file is replaced by a longer one; what retention removed from the journal stays exported."""
    run_export(tmp_path / "j", tmp_path / "p")
    more = [Asked(10_000 + n, 1, 1, 1, n, 5, "ok") for n in range(10)]
    with journal.file(journal.bases[-1], ".log").open("ab") as file:
        file.write(b"}\n" + b"".join(line for asked in more for line in asked.lines()))
    for suffixes in ((".log", ".seal.json"),):
        journal.remove(journal.bases[0], *suffixes)
    run_export(tmp_path / "j", tmp_path / "p")
    whole = expected([*REQUESTS, *more], torn=1, seals=4)
    torn_bytes = len(b'{"half}\n')  # what was under way has ended: a torn record now
    assert (whole[0] + 1, 2, whole[2], whole[3] + torn_bytes, 4) == figures([], parquet=[str(tmp_path / "p")])


def test_an_export_and_its_journal(journal: Crafted, tmp_path: Path) -> None:
    """What an export has is not read from the journal as well; what came later is."""
    run_export(tmp_path / "j", tmp_path / "p")
    more = [Asked(10_000 + n, 1, 1, 1, n, 5, "ok") for n in range(10)]
    with journal.file(journal.bases[-1], ".log").open("ab") as file:
        file.write(b'"}\n' + b"".join(line for asked in more for line in asked.lines()))
    whole = expected([*REQUESTS, *more], torn=1, seals=4)
    both = figures([str(tmp_path / "j")], parquet=[str(tmp_path / "p")])
    assert (whole[0] + 1, 2, whole[2]) == both[:3]


def test_an_export_of_a_part_and_the_archive(journal: Crafted, tmp_path: Path) -> None:
    """Where an export has the first segments of an archive, the archive gives the others only."""
    archive(journal, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "part")
    for path in (tmp_path / "part").rglob("*-*.*"):
        if int(path.name[:20]) >= journal.bases[2]:
            path.unlink()
    run_export(tmp_path / "part", tmp_path / "p")
    assert expected(REQUESTS, torn=0, seals=4) == figures([str(tmp_path / "a")], parquet=[str(tmp_path / "p")])


def test_since_over_an_export(journal: Crafted, tmp_path: Path) -> None:
    """Both times hold for exports too."""
    run_export(tmp_path / "j", tmp_path / "p")
    options: dict[str, Any] = {"since": datetime(2024, 5, 7, tzinfo=UTC), "until": datetime(2024, 5, 8, tzinfo=UTC)}
    connection = open_database([], parquet=[str(tmp_path / "p")], **options)
    day = connection.execute("SELECT min(time) >= '2024-05-07', max(time) < '2024-05-08' FROM records").fetchall()
    connection.close()
    assert [(True, True)] == day
    assert figures([str(tmp_path / "j")], **options)[2] == figures([], parquet=[str(tmp_path / "p")], **options)[2]


def test_an_object_store(journal: Crafted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive in S3 is read, an export written there, read back by dates, and written again with the facts kept."""
    archive(journal, tmp_path / "a")
    peer = S3Peer(tmp_path).make_bucket()
    try:
        for path in (tmp_path / "a").rglob("*"):
            if path.is_file():
                peer.store().put(f"long/{path.relative_to(tmp_path / 'a')}", path.read_bytes())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", peer.key[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", peer.key[1])
        monkeypatch.setenv("AWS_REGION", REGION)
        monkeypatch.setenv("AWS_ENDPOINT_URL", peer.endpoint)
        sealed = expected(REQUESTS, torn=0, seals=4)
        options = ArchiveOptions(region=REGION, endpoint=peer.endpoint)
        assert sealed == figures([f"s3://{BUCKET}/long"], archive=options)
        target = f"s3://{BUCKET}/lake"
        sources = sources_at([f"s3://{BUCKET}/long"], Wanted(archive=options, stretch_bytes=0))
        done = export(sources, open_place(target, create=True))
        again = export([replace(source, seals=[]) for source in sources], open_place(target))
        assert (sealed[0], done) == (done.records, again)
        assert sealed == figures([], parquet=[target])
        day: dict[str, Any] = {"since": datetime(2024, 5, 7, tzinfo=UTC), "until": datetime(2024, 5, 8, tzinfo=UTC)}
        assert figures([str(tmp_path / "a")], **day) == figures([], parquet=[target], **day)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
        with pytest.raises(StandpipeError, match=r"s3://.*nowhere.* cannot be listed") as caught:
            open_database([], parquet=["s3://nowhere-at-all/x"])
        assert 1 == len(str(caught.value).splitlines())
    finally:
        peer.stop()


def test_a_node_with_an_odd_name() -> None:
    """A node's name cannot leave its directory."""
    assert "records/date=2024-05-06/node=..%2F%20x/j-00000000000000000005.parquet" == records_key(
        "2024-05-06", "../ x", "j", 5
    )


def test_a_place_that_is_none(tmp_path: Path) -> None:
    """A URL of another kind, and a directory without an export, are refused."""
    with pytest.raises(UsageError, match="no place for Parquet"):
        open_place("ftp://x/y")
    with pytest.raises(UsageError, match="holds no export"):
        open_database([], parquet=[str(tmp_path)])
    (tmp_path / "records").mkdir()
    with pytest.raises(UsageError, match="Name it with --parquet"):
        sources_at([str(tmp_path)], Wanted())


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    """A file that was not finished is not left beside the others."""
    place = open_place(str(tmp_path), create=True)

    def write_half() -> None:
        with place.writing("records/x.parquet") as path:
            shutil.copy("/dev/null", path)
            raise StandpipeError("stop")

    with pytest.raises(StandpipeError, match="stop"):
        write_half()
    assert [] == os.listdir(tmp_path / "records")


def test_the_journal_is_named(journal: Crafted, tmp_path: Path) -> None:
    """Each file is named by journal and segment."""
    run_export(tmp_path / "j", tmp_path / "p")
    names = {path.stem for path in (tmp_path / "p" / "records").rglob("*.parquet")}
    assert {f"{JOURNAL_ID}-{base:020d}" for base in journal.bases} == names
