from __future__ import annotations

from pathlib import Path

import pytest

from standpipe.sink_keys import objects

GOOD = {"url": "s3://bucket/a", "cluster": "blue"}


@pytest.mark.parametrize(
    "options",
    [
        GOOD,
        GOOD | {"access_key_id": "x", "secret_access_key": "y", "session_token": "z", "endpoint": "http://localhost:1"},
        {"url": "gs://bucket", "cluster": "blue", "service_account": "x"},
        {"url": "az://container", "cluster": "blue", "account_name": "x", "account_key": "y"},
        {"url": "file:///srv/archive", "cluster": "blue"},
    ],
)
def test_what_belongs_together_is_accepted(options: dict[str, object]) -> None:
    """Each scheme with its own options."""
    assert [] == objects.problems(options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (GOOD | {"url": "ftp://x"}, "url"),
        (GOOD | {"url": None}, "url"),
        (GOOD | {"account_key": "x"}, "account_key"),
        (GOOD | {"access_key_id": "x"}, "access_key_id"),
        (GOOD | {"secret_access_key": "x"}, "secret_access_key"),
        (GOOD | {"session_token": "x"}, "session_token"),
        (GOOD | {"endpoint": "localhost:9000"}, "endpoint"),
        (GOOD | {"url": "file:///srv/a", "region": "x"}, "region"),
        (GOOD | {"cluster": ""}, "cluster"),
    ],
)
def test_what_cannot_be_meant_is_told_by_its_option(options: dict[str, object], name: str) -> None:
    """With a message and a remedy."""
    ((found, message, remedy),) = objects.problems(options)
    assert name == found
    assert message
    assert remedy


@pytest.mark.parametrize("option", ["url", "endpoint"])
@pytest.mark.parametrize("secret", ["s3://key:s3cret@bucket", "https://u:s3cret@host", "az://c/p?sig=s3cret"])
def test_no_message_shows_a_secret_in_a_url(option: str, secret: str) -> None:
    """What stands in the config by mistake does not go on into a log."""
    found = objects.problems(GOOD | {option: secret})
    assert [option] == [name for name, _, _ in found]
    assert "s3cret" not in str(found)


def test_the_page_names_every_option() -> None:
    """docs/sinks/objects.md has a row for each key."""
    page = (Path(__file__).parents[2] / "docs" / "sinks" / "objects.md").read_text()
    assert [] == [key.path for key in objects.KEYS if f"| `{key.path}` |" not in page]
