from __future__ import annotations

import os
import shutil
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self, TypeVar

import boto3  # type: ignore[import-untyped]
import obstore
import pytest
import trustme
from backports import zstd
from obstore.exceptions import AlreadyExistsError

from standpipe.config_sinks import Secret
from standpipe.delivery.sealed_segments import next_sealed
from standpipe.errors import UsageError
from standpipe.journal import identity
from standpipe.journal.keeping import make_seal, write_seal
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEGMENT_NUMBER, Layout
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal import Seal, parse_seal
from standpipe.preflight import FAILED, OK, perform
from standpipe.sinks.base import Context, Delivered, Retry, SealedSegment
from standpipe.sinks.objects import ObjectsSink, open_sink
from standpipe.sinks.objects_key import archive_root, keys_of
from tests.journal.keep_fixture import NOW, add_segment, make_journal, make_keeper, record, run_passes
from tests.journal.kept import Kept
from tests.sinks.objects_archive import read_archive
from tests.sinks.objects_peer import (
    BUCKET,
    ENOUGH_SECONDS,
    PREFIX,
    AzurePeer,
    GcsPeer,
    Peer,
    S3Peer,
    ask,
    objects_below,
    sink_config,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.config_sinks import SinkConfig

Server = TypeVar("Server", S3Peer, AzurePeer, "Bad")

HARD_RECORDS = (
    b'{"time":"2026-01-01T00:00:00.123456789Z","n":9007199254740993,"huge":1e400,"one":1.0,"a":[1,[]],"a":2}\n'
    b'{"time":"2026-01-01T00:00:01Z","text":"\xf0\x9f\x94\x91 \\u0000 \xc3\xbc"}\n'
    b'{"time":"2026-01-01T00:00:02Z","torn\xff\xfe{"time":"2026-01-01T00:00:03Z"}\n'
)


class DirectoryPeer:
    """A local directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.root = directory / "mounted"
        (self.root / "long" / "term").mkdir(parents=True)
        self.url = f"file://{self.root}/{PREFIX}"

    def make_bucket(self) -> Self:
        """Do nothing: the directory is there."""
        return self

    def config(self, **changes: object) -> SinkConfig:
        """See Peer."""
        return sink_config(self.url, self._directory, {}, changes)

    def store(self) -> obstore.store.ObjectStore:
        """See Peer."""
        return obstore.store.LocalStore(str(self.root))

    def stop(self) -> None:
        """See Peer."""
        shutil.rmtree(self.root)


@pytest.fixture(scope="module", params=["s3", "azure", "gcs", "directory"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Start a store; it serves all tests of this file."""
    directory = tmp_path_factory.mktemp("peer")
    kinds = {"s3": S3Peer, "azure": AzurePeer, "gcs": GcsPeer, "directory": DirectoryPeer}
    started: Peer = kinds[request.param](directory)
    try:
        yield started.make_bucket()
    finally:
        started.stop()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a journal of three finished segments and an open one."""
    layout = make_journal(str(tmp_path))
    end = add_segment(layout, 0, HARD_RECORDS)
    for number in range(2):
        end = add_segment(layout, end, b"".join(record(number * 50 + n) for n in range(50)))
    add_segment(layout, end, record(1000), finished=False)
    return layout


def keep(layout: Layout) -> None:
    """Let keep seal and compress everything."""
    with open(os.devnull, "wb") as null:
        keeper = make_keeper(layout, null.fileno())
        run_passes(keeper)
        keeper.close()


def seal_only(layout: Layout) -> None:
    """Seal all finished segments as keep does, and compress none."""
    reader = JournalReader(layout)
    seals: list[Seal] = []
    for segment in reader.segments[:-1]:
        newest = (seals[-1].base, SEGMENT_NUMBER) if seals else None
        seals.append(make_seal(layout, identity.read(layout), segment, seals, newest, NOW))
        write_seal(layout, seals[-1])
    reader.close()


def segments(layout: Layout) -> list[SealedSegment]:
    """Return all sealed segments in order."""
    found: list[SealedSegment] = []
    while segment := next_sealed(layout, found[-1].end if found else 0):
        assert isinstance(segment, SealedSegment)
        found.append(segment)
    return found


def context(layout: Layout) -> Context:
    """Return what the sink knows of the journal."""
    known = identity.read(layout)
    return Context(known.journal_id, known.node)


def opened(peer: Peer, layout: Layout, name: str, **changes: object) -> ObjectsSink:
    """Return a sink that writes below a cluster's name of the test's own."""
    return open_sink(peer.config(cluster=name, **changes), context(layout))


def mine(peer: Peer, name: str) -> dict[str, bytes]:
    """Return what is archived below a cluster's name."""
    return objects_below(peer, f"{PREFIX}/{name}")


def put_strange(peer: Peer, key: str, content: bytes) -> None:
    """Let somebody else create an object."""
    store = peer.store()
    if isinstance(peer, DirectoryPeer):
        obstore.put(store, key, content)
    else:
        obstore.put(store, key, content, mode="create", use_multipart=False)


def full_keys(layout: Layout, name: str, segment: SealedSegment) -> tuple[str, str]:
    """Return the keys of a segment's data and seal, below the bucket."""
    keys = keys_of(archive_root(name, context(layout).node), parse_seal(segment.seal))
    return f"{PREFIX}/{keys.data}", f"{PREFIX}/{keys.seal}"


@pytest.mark.parametrize("compressed", [False, True])
def test_an_archive_reads_back_whole(peer: Peer, layout: Layout, *, compressed: bool) -> None:
    """What was archived is the journal's bytes, and its seals prove it; a second time changes nothing."""
    name = f"whole-{compressed}"
    (keep if compressed else seal_only)(layout)
    sink = opened(peer, layout, name)
    todo = segments(layout)
    assert [compressed] * 3 == [segment.compressed for segment in todo]
    assert [Delivered()] * 3 == [sink.put(segment) for segment in todo]
    first = mine(peer, name)
    raw = read_archive(first, f"{PREFIX}/{name}/{context(layout).node}")
    assert raw.startswith(HARD_RECORDS)
    assert todo[-1].end == len(raw)
    assert [Delivered()] * 3 == [sink.put(segment) for segment in todo]
    assert first == mine(peer, name)
    sink.close()


def test_the_store_refuses_a_second_object_of_a_name(peer: Peer, layout: Layout) -> None:
    """The peer itself says no to another client that creates what is there, and keeps what it has."""
    keep(layout)
    segment = segments(layout)[0]
    assert Delivered() == opened(peer, layout, "second").put(segment)
    data, _ = full_keys(layout, "second", segment)
    before = mine(peer, "second")
    with pytest.raises(AlreadyExistsError):
        obstore.put(peer.store(), data, b"something else", mode="create", use_multipart=False)
    assert before == mine(peer, "second")


def test_a_try_that_was_killed_between_the_two_is_finished_by_the_next(peer: Peer, layout: Layout) -> None:
    """The data is there and the seal is not; the data is found to be ours, and the seal is created."""
    keep(layout)
    segment = segments(layout)[0]
    data, seal = full_keys(layout, "between", segment)
    with open(segment.path, "rb") as file:
        put_strange(peer, data, file.read())
    assert Delivered() == opened(peer, layout, "between").put(segment)
    assert {data, seal} == set(mine(peer, "between"))
    assert segment.seal == mine(peer, "between")[seal]


def test_content_that_was_compressed_otherwise_is_ours_too(peer: Peer, layout: Layout) -> None:
    """Another version of zstd began, this one goes on: what the object unpacks to decides."""
    keep(layout)
    segment = segments(layout)[0]
    data, _ = full_keys(layout, "otherwise", segment)
    put_strange(peer, data, zstd.compress(HARD_RECORDS, 19))
    assert Delivered() == opened(peer, layout, "otherwise").put(segment)


@pytest.mark.parametrize("which", ["data", "same length", "seal"])
def test_somebody_elses_object_is_told_and_left_alone(peer: Peer, layout: Layout, which: str) -> None:
    """Nothing is replaced, and the segment counts as not delivered."""
    name = f"strange-{which.replace(' ', '-')}"
    keep(layout)
    segment = segments(layout)[0]
    data, seal = full_keys(layout, name, segment)
    key = seal if which == "seal" else data
    strange = b"x" * os.stat(segment.path).st_size if which == "same length" else b"somebody else's"
    put_strange(peer, key, strange)
    outcome = opened(peer, layout, name).put(segment)
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert f"another object is there: {peer.url}/" in outcome.why
    assert strange == mine(peer, name)[key]


def test_checks_pass_and_leave_one_object_that_no_reader_takes_for_a_segment(peer: Peer, layout: Layout) -> None:
    """The second time they find their own object, and pass as well."""
    keep(layout)
    sink = opened(peer, layout, "checked")
    for _ in range(2):
        assert [OK, OK] == [result.state for result in perform(sink.checks())]
    assert 1 == len(mine(peer, "checked"))
    assert [Delivered()] * 3 == [sink.put(segment) for segment in segments(layout)]
    assert read_archive(mine(peer, "checked"), f"{PREFIX}/checked/{context(layout).node}")


def test_a_place_that_is_not_there_is_a_fault_of_the_configuration(peer: Peer, layout: Layout) -> None:
    """It is never created: it may be a slip of the pen, or a volume that is not mounted."""
    keep(layout)
    url = peer.url.replace(BUCKET, "nowhere").replace("mounted", "nowhere")
    sink = opened(peer, layout, "nowhere", url=url)
    outcome = sink.put(segments(layout)[0])
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "create it" in outcome.why
    assert FAILED in {result.state for result in perform(sink.checks())}


# Credentials, TLS.


@pytest.fixture
def stopping() -> Iterator[ExitStack]:
    """Return a stack that ends, after the test, what was started in it."""
    with ExitStack() as stack:
        yield stack


def stopped(stack: ExitStack, started: Server) -> Server:
    """See that a server is ended after the test, whatever comes of it."""
    stack.callback(started.stop)
    return started


@pytest.fixture
def strict_s3(tmp_path: Path, stopping: ExitStack) -> S3Peer:
    """Start an S3 that takes signed requests of one user only."""
    peer = stopped(stopping, S3Peer(tmp_path, unauthenticated=4))
    peer.make_bucket()
    iam = boto3.client(
        "iam",
        endpoint_url=peer.endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
    )
    iam.create_user(UserName="writer")
    everything_allowed = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    iam.put_user_policy(UserName="writer", PolicyName="p", PolicyDocument=everything_allowed)
    made = iam.create_access_key(UserName="writer")["AccessKey"]
    peer.key = (made["AccessKeyId"], made["SecretAccessKey"])
    return peer


def test_s3_refuses_a_wrong_key_and_takes_the_right_one_once_its_file_has_it(
    strict_s3: S3Peer, tmp_path: Path, layout: Layout
) -> None:
    """A refused signature is told as a fault of the configuration; a rotated secret is taken up without a restart."""
    keep(layout)
    segment = segments(layout)[0]
    sink = opened(strict_s3, layout, "blue")
    right = (tmp_path / "secret_access_key").read_text()
    (tmp_path / "secret_access_key").write_text("wrong\n")
    outcome = sink.put(segment)
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "403" in outcome.why
    assert "wrong" not in outcome.why
    (tmp_path / "secret_access_key").write_text(right)
    assert Delivered() == sink.put(segment)
    assert 2 == len(mine(strict_s3, "blue"))


def test_azure_refuses_a_wrong_key(tmp_path: Path, layout: Layout, stopping: ExitStack) -> None:
    """A refused signature is told as a fault of the configuration; so is a key that is none."""
    peer = stopped(stopping, AzurePeer(tmp_path)).make_bucket()
    keep(layout)
    segment = segments(layout)[0]
    for key, said in (("d3Jvbmc=", "403"), ("!!", "cannot be used")):
        outcome = opened(peer, layout, "blue", account_key=key).put(segment)
        assert isinstance(outcome, Retry)
        assert outcome.config_fault
        assert said in outcome.why
        assert key not in outcome.why
    assert Delivered() == opened(peer, layout, "blue").put(segment)


def test_a_missing_secret_is_told_and_tried_again(peer: Peer, tmp_path: Path, layout: Layout) -> None:
    """The file may be mounted later; nothing is raised."""
    keep(layout)
    absent = Secret(file=str(tmp_path / "absent"))
    options = dict.fromkeys(("access_key_id", "account_key", "service_account"), absent)
    outcome = opened(peer, layout, "no-secret", **options).put(segments(layout)[0])
    if isinstance(peer, DirectoryPeer):
        assert Delivered() == outcome
    else:
        assert isinstance(outcome, Retry)
        assert outcome.config_fault
        assert "absent" in outcome.why


def test_a_private_ca_is_trusted_where_it_is_named_and_only_there(
    tmp_path: Path, layout: Layout, stopping: ExitStack
) -> None:
    """Without tls.ca the certificate is refused, and the sentence names the option."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    peer = stopped(stopping, S3Peer(tmp_path, certificate=str(tmp_path / "server.pem")))
    keep(layout)
    segment = segments(layout)[0]
    outcome = opened(peer, layout, "blue").put(segment)
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "UnknownIssuer" in outcome.why
    assert "tls.ca" in outcome.why
    # The bucket is not there yet, which the server says only to who has passed TLS.
    for options in ({"tls__ca": str(tmp_path / "ca.pem")}, {"tls__verify": False}):
        outcome = opened(peer, layout, "blue", **options).put(segment)
        assert isinstance(outcome, Retry)
        assert "NoSuchBucket" in outcome.why


# Servers of ours that misbehave.


class Bad(ThreadingHTTPServer):
    """An S3 that behaves as `ways` says, one way a request, and the last one for ever."""

    daemon_threads = True

    def __init__(self, ways: list[str], behind: str = "") -> None:
        super().__init__(("127.0.0.1", 0), BadHandler)
        self.ways = ways
        self.behind = behind
        self.seen: list[str] = []
        self.held: list[bytes] = []
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self._thread.join(ENOUGH_SECONDS)
        self.server_close()


class BadHandler(BaseHTTPRequestHandler):
    """One request; see Bad."""

    server: Bad
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Do as it is told."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append(self.path)
        way = self.server.ways.pop(0) if len(self.server.ways) > 1 else self.server.ways[0]
        if way == "commit, then reset":
            pass_on(self.server.behind, self.path, body, dict(self.headers))
        elif way == "take all":
            self.server.held = [body]
            self._answer(200)
        elif way != "reset":
            self._answer(int(way))
        self.close_connection = True

    def do_GET(self) -> None:
        """Give what was stored last, or an empty list."""
        self._answer(200, b"<ListBucketResult/>" if "list-type" in self.path else b"".join(self.server.held))

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("ETag", '"x"')
        self.send_header("Connection", "close")
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def pass_on(server: str, path: str, body: bytes, headers: dict[str, str]) -> None:
    """Send a PUT on to another server, with its condition."""
    kept = {name: value for name, value in headers.items() if name.lower() == "if-none-match"}
    assert kept
    ask("PUT", server + path, body, kept)


@pytest.mark.parametrize(("way", "said"), [("503", "503"), ("500", "500"), ("429", "429"), ("reset", "")])
def test_a_failure_that_may_pass_is_answered_after_one_try(
    tmp_path: Path, layout: Layout, stopping: ExitStack, way: str, said: str
) -> None:
    """The pump decides when to try again: neither we nor obstore do it."""
    server = stopped(stopping, Bad([way]))
    keep(layout)
    options = {"endpoint": server.endpoint, "access_key_id": "a", "secret_access_key": "b"}
    sink = open_sink(sink_config(f"s3://{BUCKET}", tmp_path, options, {}), context(layout))
    outcome = sink.put(segments(layout)[0])
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert said in outcome.why
    assert 1 == len(server.seen)


def test_a_store_that_cannot_be_reached_or_does_not_answer_is_tried_again(tmp_path: Path, layout: Layout) -> None:
    """Refused, or silent until the timeout: both may pass."""
    keep(layout)
    segment = segments(layout)[0]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        options = {"endpoint": where, "access_key_id": "a", "secret_access_key": "b", "timeout": 0.3}
        sink = open_sink(sink_config(f"s3://{BUCKET}", tmp_path, options, {}), context(layout))
        refused = sink.put(segment)
        silent.listen()
        unanswered = sink.put(segment)
    for outcome, said in ((refused, "connection refused"), (unanswered, "no answer within the timeout")):
        assert isinstance(outcome, Retry)
        assert not outcome.config_fault
        assert said in outcome.why


def test_a_commit_whose_answer_was_lost_is_found_by_the_next_try(
    tmp_path: Path, layout: Layout, stopping: ExitStack
) -> None:
    """The store has it, we do not know: the next try finds it, and there is one object of each name."""
    peer = stopped(stopping, S3Peer(tmp_path)).make_bucket()
    server = stopped(stopping, Bad(["commit, then reset"], peer.endpoint))
    keep(layout)
    segment = segments(layout)[0]
    outcome = opened(peer, layout, "blue", endpoint=server.endpoint).put(segment)
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert [full_keys(layout, "blue", segment)[0]] == list(mine(peer, "blue"))
    assert Delivered() == opened(peer, layout, "blue").put(segment)
    assert 2 == len(mine(peer, "blue"))


def test_the_check_finds_a_store_that_replaces_objects(tmp_path: Path, layout: Layout, stopping: ExitStack) -> None:
    """A store that ignores If-None-Match would make "exactly once" a lie, so it is not good enough."""
    server = stopped(stopping, Bad(["take all"]))
    options = {"endpoint": server.endpoint, "access_key_id": "a", "secret_access_key": "b"}
    sink = open_sink(sink_config(f"s3://{BUCKET}", tmp_path, options, {}), context(layout))
    results = perform(sink.checks())
    assert [OK, FAILED] == [result.state for result in results]
    assert "ignores conditional writes" in results[1].found


# The segment itself.


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_segment_is_never_archived(peer: Peer, layout: Layout, *, compressed: bool) -> None:
    """Its content is not what was sealed: a person is told, and nothing is created."""
    name = f"damaged-{compressed}"
    (keep if compressed else seal_only)(layout)
    segment = segments(layout)[0]
    os.chmod(segment.path, 0o600)
    with open(segment.path, "r+b") as file:
        file.seek(60)
        file.write(b"XX")
    outcome = opened(peer, layout, name).put(segment)
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "sealed" in outcome.why
    assert {} == mine(peer, name)


def test_a_segment_that_keep_compresses_meanwhile_is_asked_for_again(peer: Peer, layout: Layout) -> None:
    """The raw file has gone between the question and the answer; nothing is wrong."""
    seal_only(layout)
    before = segments(layout)[0]
    keep(layout)
    sink = opened(peer, layout, "meanwhile")
    outcome = sink.put(before)
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert Delivered() == sink.put(segments(layout)[0])
    assert COMPRESSED_SUFFIX in segments(layout)[0].path


@pytest.mark.parametrize("what", ["damaged seal", "another range", "another journal"])
def test_a_seal_that_is_not_the_segments_is_not_archived(peer: Peer, layout: Layout, what: str) -> None:
    """An archive in which seal and content differ would prove nothing."""
    keep(layout)
    first, second, _ = segments(layout)
    segment = first
    sink = opened(peer, layout, "unsealed")
    if what == "damaged seal":
        segment = replace(first, seal=first.seal[:-20])
    elif what == "another range":
        segment = replace(first, seal=second.seal)
    else:
        sink = open_sink(peer.config(cluster="unsealed"), Context("another", "node-1"))
    outcome = sink.put(segment)
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert {} == mine(peer, "unsealed")


@pytest.mark.parametrize(("option", "value"), [("url", "ftp://x"), ("cluster", ""), ("node", "n" * 201)])
def test_options_that_cannot_make_a_key_are_refused_at_the_start(tmp_path: Path, option: str, value: str) -> None:
    """The message names the option."""
    with pytest.raises(UsageError, match=rf"sinks\.archive\.{option}"):
        open_sink(sink_config(f"file://{tmp_path}", tmp_path, {}, {option: value}), Context("j", "node-1"))


def test_opening_connects_to_nothing(tmp_path: Path) -> None:
    """A destination that is down must not stop a start, nor must a secret that is not there yet."""
    options = {"endpoint": "http://127.0.0.1:1", "access_key_id": "a", "secret_access_key": "b"}
    config = sink_config(f"s3://{BUCKET}", tmp_path, options, {})
    os.unlink(tmp_path / "access_key_id")
    open_sink(config, Context("j", "node-1")).close()


def test_the_time_of_now_plays_no_part(peer: Peer, layout: Layout) -> None:
    """The date in the key is the first record's, long before today and before the sealing."""
    keep(layout)
    segment = segments(layout)[0]
    assert "/2026-01-01/" in full_keys(layout, "blue", segment)[0]
    assert segment.first_time.startswith("2026-01-01")
    assert NOW < 1_800_000_000


def test_idle_seals_are_archived(peer: Peer, tmp_path: Path) -> None:
    """An object each, to the byte, and no data; a second time changes nothing, and a strange one is told."""
    kept = Kept(tmp_path)
    kept.write()
    kept.wait(2)
    kept.close()
    sink = opened(peer, kept.layout, "idle")
    found = [next_sealed(kept.layout, offset, idle=idle) for offset, idle in ((0, 0), (600, 0), (600, 1))]
    stored = [segment for segment in found if isinstance(segment, SealedSegment)]
    assert [0, 1, 2] == [segment.idle for segment in stored]
    for _ in range(2):
        assert [Delivered()] * 3 == [sink.put(segment) for segment in stored]
    archived = mine(peer, "idle")
    end = f"{600:020d}-{600:020d}"
    by_name = {key.rpartition("/")[2]: content for key, content in archived.items()}
    assert {f"{end}.000001.seal.json": stored[1].seal, f"{end}.000002.seal.json": stored[2].seal} == {
        name: content for name, content in by_name.items() if name.startswith(end)
    }
    assert 4 == len(archived)
    answer = sink.put(replace(stored[1], idle=2))
    assert isinstance(answer, Retry)
    assert answer.config_fault
    sink.close()
