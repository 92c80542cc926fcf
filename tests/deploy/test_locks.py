"""requirements/: pinned by hash, subsets of one another, and in step with pyproject.toml."""

from __future__ import annotations

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.test_pod_yaml import REPOSITORY

LOCKS = ["core", "demo", "dev"]


def read_lock(name: str) -> dict[str, tuple[str, set[str]]]:
    """Return version and hashes of each package in a lock file."""
    with open(os.path.join(REPOSITORY, "requirements", f"{name}.txt"), encoding="utf-8") as file:
        entries = re.sub(r"\\\n", " ", file.read()).splitlines()
    locked: dict[str, tuple[str, set[str]]] = {}
    for entry in entries:
        if not entry.startswith("#"):
            requirement = Requirement(entry.split(" --hash")[0])
            version = str(requirement.specifier)
            locked[canonicalize_name(requirement.name)] = (version, set(re.findall(r"--hash=(\S+)", entry)))
    return locked


def wanted(name: str) -> list[Requirement]:
    """Return what pyproject.toml asks for on behalf of a lock file."""
    with open(os.path.join(REPOSITORY, "pyproject.toml"), "rb") as file:
        data = tomllib.load(file)
    project, groups = data["project"], data["dependency-groups"]
    texts = list(project["dependencies"])
    if name != "core":
        texts += project["optional-dependencies"]["demo"] + groups["build"]
    if name == "dev":
        texts += [text for text in groups["dev"] if isinstance(text, str)]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", LOCKS)
def test_exact_and_hashed(name: str) -> None:
    """Every entry names one version and at least one SHA-256; no address of a registry is in the file."""
    for version, hashes in read_lock(name).values():
        assert version.startswith("==")
        assert hashes
        assert all(one.startswith("sha256:") for one in hashes)
    with open(os.path.join(REPOSITORY, "requirements", f"{name}.txt"), encoding="utf-8") as file:
        assert "://" not in file.read()


@pytest.mark.parametrize("name", LOCKS)
def test_in_step_with_pyproject(name: str) -> None:
    """Everything that pyproject.toml asks for is locked, in a version that it allows."""
    locked = read_lock(name)
    for requirement in wanted(name):
        version, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version.removeprefix("=="))


def test_subsets() -> None:
    """The lock core is a part of demo, and demo of dev, in the same versions: one virtual environment serves all."""
    core, demo, dev = (read_lock(name) for name in LOCKS)
    assert core == {name: demo[name] for name in core}
    assert demo == {name: dev[name] for name in demo}
