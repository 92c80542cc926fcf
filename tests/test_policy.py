"""The rules of the test run itself, each seen to bite on a small run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.leftovers import mounts_of
from tests.skip_policy import is_allowed, parse_allowed
from tests.tier import TIER_VARIABLE, scale, tier

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFTEST = """
import tests.leftovers
pytest_plugins = ('tests.leftovers', 'tests.skip_policy')
tests.leftovers.PATIENCE_SECONDS = 0
"""


def run_small(directory: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one small file under this project's plugins."""
    (directory / "conftest.py").write_text(CONFTEST)
    (directory / "test_small.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(directory)]
    command += ["--basetemp", str(directory / "base"), str(directory)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": REPOSITORY, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_clean_run_passes(tmp_path: Path) -> None:
    """A run in which every test runs, passes and tidies up exits with 0."""
    done = run_small(tmp_path, "def test_good():\n    pass\n")
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\n@pytest.mark.skip(reason='lazy')\ndef test_bad():\n    pass\n",
        "import pytest\ndef test_bad():\n    pytest.skip('lazy')\n",
        "import pytest\npytest.skip('lazy', allow_module_level=True)\n",
        "import pytest\npytest.importorskip('no_such_module', reason='lazy')\n",
        "import pytest\n@pytest.fixture\ndef f():\n    pytest.skip('lazy')\ndef test_bad(f):\n    pass\n",
        "import pytest\n@pytest.mark.xfail(reason='lazy')\ndef test_bad():\n    assert False\n",
        "import pytest\n@pytest.mark.xfail(reason='lazy')\ndef test_bad():\n    pass\n",
    ],
    ids=["mark", "call", "module", "import", "fixture", "xfail", "xpass"],
)
def test_unlisted_skip_fails_the_run(tmp_path: Path, body: str) -> None:
    """A skip that no list allows, or any xfail, fails a run in which all else passes, and is named."""
    (tmp_path / "test_other.py").write_text("def test_good():\n    pass\n")
    done = run_small(tmp_path, body)
    assert 1 == done.returncode
    assert "skipped without leave" in done.stdout


def test_run_without_tests_fails(tmp_path: Path) -> None:
    """A run that executes no test fails (pytest's exit status 5)."""
    assert 5 == run_small(tmp_path, "").returncode


def test_process_left_behind_fails_the_run(tmp_path: Path) -> None:
    """A daemon that a test forgot, orphaned and in a session of its own, fails the run; its test is named."""
    fifo = tmp_path / "end"
    os.mkfifo(fifo)
    end = os.open(fifo, os.O_RDWR)  # the daemon lives until this test writes a line
    body = (
        "import subprocess\n\ndef test_forgets():\n"
        f"    subprocess.run(['sh', '-c', 'setsid sh -c \"read line\" < {fifo} > {fifo}.out 2>&1 &'], check=True)\n"
    )
    try:
        done = run_small(tmp_path, body)
    finally:
        os.write(end, b"\n")
        os.close(end)
    assert 1 == done.returncode
    assert "left behind by the tests" in done.stdout
    assert "test_small.py::test_forgets" in done.stdout


def test_mounts_of_a_directory() -> None:
    """Mounts below a directory and binds of its files elsewhere are ours; its neighbours are not."""
    lines = [
        "36 35 98:0 / /base/my\\040mount rw - ext4 /dev/loop0 rw",
        "37 35 98:0 /base/boot_id /proc/sys/kernel/random/boot_id rw - ext4 /dev/vda rw",
        "38 35 98:0 / /baseball rw - ext4 /dev/loop1 rw",
        "39 35 98:0 / /base rw - tmpfs tmpfs rw",
    ]
    assert [
        "mount /base/my mount (of /)",
        "mount /proc/sys/kernel/random/boot_id (of /base/boot_id)",
    ] == list(mounts_of("/base", "\n".join(lines)))


def test_allow_list_lines() -> None:
    """Comments and empty lines mean nothing; a line without a reason is refused."""
    assert ["tests/a.py::test_b[x-1]"] == parse_allowed(["# why", "", "tests/a.py::test_b[x-1] : no such kernel\n"])
    with pytest.raises(ValueError, match="no reason given"):
        parse_allowed(["tests/a.py::test_b"])


def test_allow_list_patterns() -> None:
    """A star stands for anything, a bracket only for itself."""
    assert is_allowed("tests/a.py::test_b[x-1]", ["tests/a.py::test_b[*]"])
    assert is_allowed("tests/a.py::test_b[x-1]", ["tests/a.py::test_b[x-1]"])
    assert not is_allowed("tests/a.py::test_bx", ["tests/a.py::test_b[x-1]"])


def test_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tier picks the count; an unknown tier is refused rather than taken for the short one."""
    monkeypatch.delenv(TIER_VARIABLE, raising=False)
    assert ("short", 1) == (tier(), scale(1, 9))
    monkeypatch.setenv(TIER_VARIABLE, "long")
    assert ("long", 9) == (tier(), scale(1, 9))
    monkeypatch.setenv(TIER_VARIABLE, "longer")
    with pytest.raises(ValueError, match="longer"):
        tier()
