"""Every shell example in README and docs is executed, and prints what the page says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import PAGES, Block, blocks, name_of
from tests.docs.session import Step, differences, is_like, on_stage, play, steps

if TYPE_CHECKING:
    from pathlib import Path

WITH_EXAMPLES = [page for page in PAGES if blocks(page, "console")]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_every_example_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """The page's commands, run in order in one shell, print what stands below them and end with 0 or say otherwise."""
    session = [step for block in blocks(page, "console") for step in steps(block)]
    wrong = differences(session, play(tmp_path, page.stem, session))
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(
    ("expected", "output", "like"),
    [
        ("", "", True),
        ("", "x", False),
        ("one", "one", True),
        ("one", "one\ntwo", False),
        ("one", "two", False),
        ("pid …, alive", "pid 17, alive", True),
        ("pid …, alive", "pid , alive", False),
        ("a…b", "a1\n2b", False),
        ("one\n…\nthree", "one\ntwo\nthree", True),
        ("one\n…\nthree", "one\nthree", True),
        ("one\n…", "two", False),
        ("a.c", "abc", False),
    ],
)
def test_the_wildcard(expected: str, output: str, *, like: bool) -> None:
    """``…`` is some text within a line, or any number of lines where it stands alone; all else is literal."""
    assert like == is_like(expected, output)


def test_a_block_becomes_steps() -> None:
    """Commands begin with ``$ ``, go on with ``> ``, and what follows is their output, ``> `` included."""
    block = Block("page.md", 7, "console", "$ cat <<end\n> x\n> end\nx\n> y\n$ true\n")
    assert [Step("page.md:7", "cat <<end\nx\nend", "x\n> y"), Step("page.md:7", "true", "")] == steps(block)


def test_a_difference_and_a_status_are_told(tmp_path: Path) -> None:
    """A wrong output and an exit status that nobody asked for are both found; one that is asked for is not."""
    block = Block("page.md", 1, "console", "$ echo one\ntwo\n$ false\n$ (exit 3)\n$ echo $?\n3\n")
    wrong = differences(steps(block), play(tmp_path, "no page", steps(block)))
    assert [
        "page.md:1\n$ echo one\nthe page says:\ntwo\nit printed:\none",
        "page.md:1\n$ false\nended with 1",
    ] == wrong


def test_the_stage_has_the_paths_of_an_installation(tmp_path: Path) -> None:
    """/vault, /srv and /var/lib/standpipe are there and empty, and nothing that is made in them stays."""
    made = ["/vault/made-on-stage", "/srv/made-on-stage", "/var/lib/standpipe/made-on-stage"]
    script = f"ls /vault/* /srv /var/lib; touch {' '.join(made)}"
    expected = "/srv:\n\n/var/lib:\nstandpipe\n\n/vault/audit:\n\n/vault/config:\n"
    assert expected == on_stage(tmp_path, script)
    assert [] == [path for path in made if os.path.exists(path)]
    assert [] == list((tmp_path / "stage").iterdir())
