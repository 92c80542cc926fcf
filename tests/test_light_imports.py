"""capture, hold and relay load the standard library only, and the light part of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENTRIES = [
    "standpipe.cli.plain",
    "standpipe.processes.capture",
    "standpipe.processes.hold",
    "standpipe.processes.relay",
]
# Together they would take a bare Python from 10 MB to 16 MB; capture has 12.
HEAVY = {"typing", "dataclasses", "argparse", "logging", "subprocess", "threading", "hashlib", "pathlib", "tempfile"}


def modules_after(statement: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter has loaded after a statement."""
    # -S: a .pth file of the environment may import anything; the paths are handed over instead
    code = f"import sys; sys.path[:] = {sys.path!r}; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("entry", ENTRIES)
def test_standard_library_only(entry: str) -> None:
    """Importing the module loads no package besides the standard library's and standpipe's."""
    loaded = {name.split(".")[0] for name in modules_after(f"import {entry}")}
    assert set() == loaded - set(sys.stdlib_module_names) - {"standpipe", "__main__"}


@pytest.mark.parametrize("entry", ENTRIES)
def test_light_part_only(entry: str) -> None:
    """Importing the module loads none of the heavy modules, not even through another one."""
    assert set() == modules_after(f"import {entry}") & HEAVY


def test_the_look_is_a_real_one() -> None:
    """A module that does load heavy and third-party ones is seen to."""
    loaded = modules_after("import click")
    assert {"click", "typing"} <= loaded
