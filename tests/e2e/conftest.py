"""Two real lives of an OpenBao under standpipe, lived once for all tests that look at what they left."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.planted_journal import remove_tree
from tests.e2e.planted_run import Life
from tests.e2e.run_harness import STANDPIPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLEAN_REQUESTS = 100_000  # two records each
SMALL_REQUESTS = 1000


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the private key that signs the seals of both lives; the public one is beside it, in `.pub`."""
    path = tmp_path_factory.mktemp("keys") / "seals.pem"
    subprocess.run([*STANDPIPE, "keygen", str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def public_key(signing_key: Path) -> Path:
    """Return the public key."""
    return signing_key.with_name(signing_key.name + ".pub")


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, signing_key: Path) -> Iterator[Life]:
    """Return the clean set: 200,000 records of every kind."""
    life = Life(tmp_path_factory.mktemp("clean") / "life", "node-a", "8MiB", signing_key)
    life.run(CLEAN_REQUESTS)
    life.take_copies()
    yield life
    remove_tree(life.directory)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, signing_key: Path) -> Iterator[Life]:
    """Return a smaller one of another node, whose server was started twice."""
    life = Life(tmp_path_factory.mktemp("small") / "life", "node-b", "256KiB", signing_key)
    life.run(SMALL_REQUESTS)
    life.run(SMALL_REQUESTS)
    life.take_copies()
    yield life
    remove_tree(life.directory)
