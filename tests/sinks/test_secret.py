from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import Secret
from standpipe.errors import SinkError
from standpipe.sinks.secret import MAX_SECRET_BYTES, read_secret

if TYPE_CHECKING:
    from pathlib import Path

WHAT = "the token of sink web"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" a b ", " a b "),
    ],
)
def test_one_newline_at_the_end_is_no_part_of_it(tmp_path: Path, content: bytes, expected: str) -> None:
    """Editors and `echo` put a newline behind a secret; nothing else is taken away."""
    (tmp_path / "token").write_bytes(content)
    assert expected == read_secret(Secret(file=str(tmp_path / "token")), WHAT)


def test_it_is_read_anew_each_time(tmp_path: Path) -> None:
    """A token that was rotated is used from then on."""
    path = tmp_path / "token"
    path.write_text("old")
    assert read_secret(Secret(file=str(path)), WHAT) == "old"
    path.write_text("new")
    assert read_secret(Secret(file=str(path)), WHAT) == "new"


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    """Kubernetes mounts a secret as a link to the current version."""
    (tmp_path / "..data").write_text("s3cret")
    (tmp_path / "token").symlink_to("..data")
    assert read_secret(Secret(file=str(tmp_path / "token")), WHAT) == "s3cret"


def test_it_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable is a place for a secret as well."""
    monkeypatch.setenv("WEB_TOKEN", "s3cret\n")
    assert read_secret(Secret(env="WEB_TOKEN"), WHAT) == "s3cret"


def refusal(secret: Secret) -> str:
    """Return the words of the error, after a look for the secret in all of it."""
    with pytest.raises(SinkError) as caught:
        read_secret(secret, WHAT)
    chain = f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"
    assert "s3cret" not in chain
    assert caught.value.remedy
    return str(caught.value)


def test_a_missing_one_is_named() -> None:
    """The message says what is missing, and where it was looked for."""
    assert "the token of sink web cannot be read: No such file or directory: /no/such/token" in refusal(
        Secret(file="/no/such/token")
    )
    assert "the environment variable NO_SUCH_TOKEN is not set" in refusal(Secret(env="NO_SUCH_TOKEN"))


@pytest.mark.parametrize("content", [b"", b"\n", b"s3cret\xff", b"s3cret" + b"x" * MAX_SECRET_BYTES])
def test_what_is_no_secret_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    """An empty file, bytes that are no text and a huge file are refused, and nothing of them is in the error."""
    (tmp_path / "token").write_bytes(content)
    assert str(tmp_path / "token") in refusal(Secret(file=str(tmp_path / "token")))


def test_a_fifo_does_not_make_it_wait(tmp_path: Path) -> None:
    """What is no regular file is refused at once, a FIFO that nobody writes to included."""
    os.mkfifo(tmp_path / "token")
    assert "is not a regular file" in refusal(Secret(file=str(tmp_path / "token")))
    assert "is not a regular file" in refusal(Secret(file=str(tmp_path)))


def test_the_place_is_all_that_a_secret_shows() -> None:
    """The configuration holds where a secret is, so its repr cannot show the secret itself."""
    assert repr(Secret(env="WEB_TOKEN")) == "Secret(file=None, env='WEB_TOKEN')"
