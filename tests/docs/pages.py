"""The pages for people, taken apart: fenced blocks, tables, headings, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PROSE = [README, *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))]
PAGES = [*PROSE, *sorted(DOCS.rglob("*.md"))]
LANGUAGES = {  # what a block's first word may be, and what the tests do with it; docs/README.md tells the readers
    "console",  # commands after `$ `, executed; the rest is their output, compared
    "sh",  # needs a cluster, or a server of your own: its words are checked against the program
    "yaml",  # a config, or a part of a pod: loaded
    "text",  # output, a layout, a formula: compared with the program's own words by a test that names it
    "json",  # parsed
    "",  # a picture, or a usage line
}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; ``line`` is where its fence stands."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """Name the place."""
        return f"{self.page}:{self.line}"


def name_of(path: Path) -> str:
    """Return a page's path below the repository."""
    return str(path.relative_to(ROOT))


def blocks(path: Path, *languages: str) -> list[Block]:
    """Return the page's fenced blocks, those of some languages only where any are named."""
    text = path.read_text(encoding="utf-8")
    found = [
        Block(name_of(path), text[: match.start()].count("\n") + 1, match[1], match[2])
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def prose(path: Path) -> str:
    """Return the page without its blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    """Return the targets of all links outside blocks."""
    return LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings: lower case, punctuation away, spaces to hyphens."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(path)))
    return {heading.replace(" ", "-") for heading in kept}


def section(path: Path, heading: str) -> str:
    """Return what stands below a heading, up to the next one of the same depth or higher."""
    text = path.read_text(encoding="utf-8")
    match = re.search(rf"^(#+) {re.escape(heading)}$\n(.*)", text, re.MULTILINE | re.DOTALL)
    assert match, f"{name_of(path)} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(match[1])}}} ", match[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row, without the rulers; headings are rows as well."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def codes(text: str) -> list[str]:
    """Return everything between single backticks, in order."""
    return re.findall(r"`([^`]+)`", text)


def first_codes(text: str) -> list[str]:
    """Return the code words of the first cell of every table row."""
    return [word for row in rows(text) for word in codes(row[0])]


def tables(text: str) -> list[list[list[str]]]:
    """Return the rows of each table, in order, without headings and rulers."""
    found = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    return [rows(table)[1:] for table in found]


def table_headed(text: str, first_heading: str) -> list[list[str]]:
    """Return the rows of the one table whose first column has this heading."""
    (found,) = re.findall(rf"^\| {re.escape(first_heading)} \|.*\n(?:\|.*\n?)+", text, re.MULTILINE)
    return rows(found)[1:]
