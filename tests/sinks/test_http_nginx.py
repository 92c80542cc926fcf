"""The http sink towards nginx, a server that we did not write and that enforces its limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import BatchConfig, Secret
from standpipe.preflight import OK, perform
from standpipe.sinks.base import Delivered, Retry, Split
from tests.sinks.batches import batch_of
from tests.sinks.certificates import Certificates, make_certificates
from tests.sinks.http_rig import http_sink, numbered, records_of
from tests.sinks.nginx_peer import Nginx
from tests.sinks.test_http import FAITHFUL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NGINX_LIMIT_BYTES = 1 << 20  # client_max_body_size 1m, its default


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates, good and bad."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def nginx(tmp_path: Path, certificates: Certificates) -> Iterator[Nginx]:
    """Return an nginx of the test's own."""
    with Nginx(tmp_path, certificates, users="audit:{PLAIN}s3cret\n") as running:
        yield running


def test_it_takes_a_batch_of_exactly_its_limit_and_refuses_one_byte_more(nginx: Nginx) -> None:
    """A body of 1 MiB passes and is kept as it was sent; a larger one is answered 413, which is Split."""
    (record,) = records_of([b'{"data":"%s"}' % (b"x" * (NGINX_LIMIT_BYTES - 1000))])
    sink = http_sink(nginx.url("/intake"), max_record_size=8 << 20)
    largest = batch_of(sink, [record])
    largest.payloads[0] += b" " * (NGINX_LIMIT_BYTES - len(largest.payloads[0]))
    assert Delivered() == sink.send(largest)
    largest.payloads[0] += b" "
    assert isinstance(sink.send(largest), Split)
    halves = batch_of(sink, [record, record]).halves()
    assert [Delivered(), Delivered()] == [sink.send(half) for half in halves]
    sink.close()
    assert [NGINX_LIMIT_BYTES, len(halves[0].payloads[0]), len(halves[1].payloads[0])] == list(map(len, nginx.bodies))


@pytest.mark.parametrize("form", ["lines", "array"])
def test_a_full_batch_by_our_own_limits_passes(nginx: Nginx, form: str) -> None:
    """Batches that are filled up to the default limits are within nginx's, and so are the parts of a huge record."""
    sink = http_sink(nginx.url("/intake"), format=form)
    (huge,) = records_of([b'{"data":"%s"}' % (b"x" * (3 << 20))])
    parts = batch_of(sink, [huge])
    assert [Delivered()] * len(parts) == [sink.send(parts.pick([index])) for index in range(len(parts))]
    records = numbered(9000)
    full = batch_of(sink, records)
    size = 0
    for count, payload in enumerate(full.payloads):  # noqa: B007 - how many fit is what is asked
        size += len(payload) + sink.limits.record_overhead_bytes
        if size > sink.limits.batch_bytes:
            break
    assert Delivered() == sink.send(full.pick(range(count)))
    sink.close()
    assert NGINX_LIMIT_BYTES - 400 < len(nginx.bodies[-1]) <= NGINX_LIMIT_BYTES


def test_each_record_arrives_unchanged_to_the_byte(nginx: Nginx) -> None:
    """What nginx keeps are the lines that the sink made, with each original object in them verbatim."""
    sink = http_sink(nginx.url("/intake"))
    batch = batch_of(sink, records_of(FAITHFUL))
    assert Delivered() == sink.send(batch)
    sink.close()
    lines = nginx.bodies[0].splitlines(keepends=True)
    assert batch.payloads == lines
    for original, line in zip(FAITHFUL, lines, strict=True):
        assert json.loads(line)["standpipe"]["length"] == len(original) + 1
        assert original[1:].strip() in line


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nothing", "404: there is nothing at this path"),
        ("/static", "405: it does not take this method at this path"),
        ("/moved", "308, a redirect, which is not followed (to https://elsewhere.example)"),
        ("/locked", "401: it does not accept our credentials"),
    ],
)
def test_its_refusals_are_config_faults(nginx: Nginx, path: str, words: str) -> None:
    """A path that is not there, a page, a redirect and a password that is missing keep every record, and are told."""
    sink = http_sink(nginx.url(path))
    outcome = sink.send(batch_of(sink, numbered(1)))
    sink.close()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert words in outcome.why


def test_basic_authentication_is_accepted(nginx: Nginx, tmp_path: Path) -> None:
    """With the right password a batch is taken, after a wrong one was not."""
    (tmp_path / "password").write_text("wrong")
    sink = http_sink(nginx.url("/locked"), username="audit", password=Secret(file=str(tmp_path / "password")))
    batch = batch_of(sink, numbered(1))
    assert isinstance(sink.send(batch), Retry)
    (tmp_path / "password").write_text("s3cret\n")
    assert Delivered() == sink.send(batch)
    assert [OK] == [result.state for result in perform(sink.checks())]
    sink.close()


def test_a_client_certificate_is_accepted(nginx: Nginx, certificates: Certificates) -> None:
    """Over TLS, with a private CA and a certificate of our own, a batch is taken; without the latter it is not."""
    url = nginx.url("/signed", tls=True)
    sink = http_sink(url, tls__ca=certificates.ca)
    outcome = sink.send(batch_of(sink, numbered(1)))
    sink.close()
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    sink = http_sink(url, tls__ca=certificates.ca, tls__cert=certificates.client)
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    sink.close()
    assert len(nginx.bodies) == 1


def test_many_batches_over_kept_connections(nginx: Nginx) -> None:
    """Two hundred batches in a row arrive in order, over one connection."""
    sink = http_sink(nginx.url("/intake"), BatchConfig(in_flight=2))
    batches = [batch_of(sink, [record]) for record in numbered(200)]
    assert [Delivered()] * 200 == [sink.send(batch) for batch in batches]
    assert sink._client._pool is not None
    assert sink._client._pool.num_connections == 1
    sink.close()
    assert [batch.payloads[0] for batch in batches] == nginx.bodies
