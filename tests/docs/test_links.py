"""Links lead somewhere, and no page is out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, LANGUAGES, PAGES, anchors, blocks, links, name_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    """The file is there, and so is the heading behind the ``#``."""
    dead = []
    for link in links(page):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert [] == dead


def test_the_index_has_every_page() -> None:
    """docs/README.md links to each other page of docs/."""
    there = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert set() == there - {link.partition("#")[0] for link in links(DOCS / "README.md")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_how_it_is_kept_true(page: Path) -> None:
    """A fenced block is of a language of which docs/README.md says what the tests do with it."""
    assert [] == [str(block) for block in blocks(page) if block.language not in LANGUAGES]
