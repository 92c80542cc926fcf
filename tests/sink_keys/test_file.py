from __future__ import annotations

import pytest

from standpipe.sink_keys.file import problems


def test_an_absolute_path_of_a_file_is_right() -> None:
    """That is all it needs."""
    assert problems({"path": "/var/log/vault/audit.jsonl"}) == []


@pytest.mark.parametrize("path", ["", "audit.jsonl", "/var/log/vault/"])
def test_any_other_path_is_told(path: str) -> None:
    """A relative path, a directory and none at all are found in the config."""
    assert ["path"] == [name for name, _, _ in problems({"path": path})]
