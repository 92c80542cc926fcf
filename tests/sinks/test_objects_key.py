from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.journal.seal import Seal
from standpipe.sink_keys.objects_url import Place, parse_url
from standpipe.sinks.objects_key import archive_root, keys_of, safe_name, utc_date

SEAL = Seal(
    journal="j",
    base=64,
    end=128,
    records=1,
    sha256="0" * 64,
    previous=None,
    first_time="2026-03-01T23:30:00.123456789-02:00",
    last_time=None,
    sealed_at="2026-03-05T00:00:00.000Z",
)


def test_a_key_has_cluster_node_date_and_offsets_of_fixed_width() -> None:
    """Names sort as the offsets do, and the seal stands beside the data."""
    keys = keys_of(archive_root("blue", "vault-0"), SEAL)
    stem = "blue/vault-0/2026-03-02/00000000000000000064-00000000000000000128"
    assert (f"{stem}.log.zst", f"{stem}.seal.json") == (keys.data, keys.seal)


def test_the_date_is_that_of_the_first_record_in_utc() -> None:
    """The record's own offset is taken into account; nanoseconds do no harm."""
    assert utc_date("2026-03-01T23:30:00.123456789-02:00", "2026-03-05T00:00:00Z") == "2026-03-02"


@pytest.mark.parametrize("first", [None, "", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_without_a_usable_time_the_date_is_that_of_sealing(first: str | None) -> None:
    """Both stand in the seal, so a second try finds the same name."""
    keys = keys_of("r", replace(SEAL, first_time=first))
    assert keys.data.startswith("r/2026-03-05/")


@settings(max_examples=200)
@given(st.text(max_size=30), st.text(max_size=30))
def test_escaped_names_are_one_harmless_part_and_differ_where_the_names_do(one: str, other: str) -> None:
    """No slash, no dot in front, ASCII only; two names never become one."""
    for escaped in (safe_name(one), safe_name(other)):
        assert escaped.isascii()
        assert not set(escaped) & set("/\\%?#& \n\0")
        assert not escaped.startswith(".")
    assert (one == other) == (safe_name(one) == safe_name(other))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vault-0", "vault-0"),
        ("a/b", "a=2Fb"),
        ("..", "=2E."),
        ("ü", "=C3=BC"),
        ("a=b", "a=3Db"),
        ("gke_p_z", "gke_p_z"),
    ],
)
def test_usual_names_stay_as_they_are(name: str, expected: str) -> None:
    """Only what could do harm is escaped."""
    assert expected == safe_name(name)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket", Place("s3", "bucket", "")),
        ("s3://bucket/a/b/", Place("s3", "bucket", "a/b")),
        ("gs://bucket/a", Place("gs", "bucket", "a")),
        ("az://container/a", Place("az", "container", "a")),
        ("file:///srv/archive", Place("file", "", "/srv/archive")),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: Place) -> None:
    """Scheme, bucket and prefix; a directory has no bucket."""
    assert expected == parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket/a",
        "ftp://bucket",
        "s3://",
        "s3:///a",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://key:secret@bucket/a",
        "s3://bucket/a?x=y",
        "file://host/a",
        "file:///",
        "s3://bucket/" + "a" * 500,
    ],
)
def test_what_is_no_place_is_refused(url: str) -> None:
    """With a sentence that says what is wrong, or what is expected."""
    with pytest.raises(ValueError, match=r"'|prefix"):
        parse_url(url)
