"""The report as a real browser shows it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from standpipe.cli.main import main
from tests.analysis.browser import Browser, browser
from tests.analysis.report_journal import busy_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

LIGHT_OK, DARK_OK = "rgb(59, 120, 184)", "rgb(90, 155, 220)"  # --ok of report.css
PHONE, DESK = 390, 1280  # pixels


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser that shows the report of a journal with a hole and an incident."""
    directory = tmp_path_factory.mktemp("report")
    journal, _ = busy_journal(directory / "journal")
    journal.remove(journal.bases[3], ".log")
    journal.incident("torn", 100, 20, {"text": "<img src=x onerror=alert(1)>"})
    output = directory / "report.html"
    assert main(["report", "--journal", str(journal.root), "--output", str(output)]) == 0
    with browser(directory) as page:
        page.open(f"file://{output}")
        yield page


def scheme(page: Browser, name: str) -> None:
    """Let the reader prefer light or dark."""
    page.call("Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-color-scheme", "value": name}])


def size(page: Browser, width: int) -> None:
    """Give the window a width."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)


def test_one_request_and_nothing_in_the_console(shown: Browser) -> None:
    """The browser asks for the file, and for nothing else; no script runs and nobody complains."""
    urls = [event["request"]["url"] for event in shown.of_method("Network.requestWillBeSent")]
    assert [True] == [url.startswith("file:///") and url.endswith("/report.html") for url in urls]
    assert [] == shown.of_method("Log.entryAdded")
    assert [] == shown.of_method("Runtime.consoleAPICalled")
    assert [] == shown.of_method("Runtime.exceptionThrown")
    assert 0 == shown.value("document.querySelectorAll('script, img, iframe, link[rel=stylesheet]').length")


def test_light_and_dark(shown: Browser) -> None:
    """The page and its drawings take the reader's colours."""
    bar = "getComputedStyle(document.querySelector('#time svg [fill=\"var(--ok)\"]')).fill"
    background = "getComputedStyle(document.body).backgroundColor"
    seen, pictures = {}, {}
    for name in ("light", "dark"):
        scheme(shown, name)
        seen[name] = (shown.value(bar), shown.value(background))
        pictures[name] = base64.b64decode(shown.call("Page.captureScreenshot")["data"])
    assert {"light": (LIGHT_OK, "rgb(245, 246, 248)"), "dark": (DARK_OK, "rgb(16, 20, 24)")} == seen
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert pictures["light"] != pictures["dark"]


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_figure_is_wider_than_the_window(shown: Browser, width: int) -> None:
    """What is wide scrolls by itself; the page does not, on a phone neither."""
    size(shown, width)
    assert width == shown.value("document.documentElement.scrollWidth")


def test_every_link_leads_somewhere(shown: Browser) -> None:
    """Each figure's link finds its query on the page."""
    links = "[...document.querySelectorAll('a[href]')]"
    assert shown.value(f"{links}.length") > 20
    assert [] == shown.value(f"{links}.map(a => a.getAttribute('href')).filter(h => !document.querySelector(h))")


def test_paper(shown: Browser) -> None:
    """Printed in the dark, it is black on white all the same, and has pages."""
    scheme(shown, "dark")
    shown.call("Emulation.setEmulatedMedia", media="print")
    style = "getComputedStyle(document.body)"
    assert ["rgb(255, 255, 255)", "rgb(0, 0, 0)"] == shown.value(f"[{style}.backgroundColor, {style}.color]")
    pdf = base64.b64decode(shown.call("Page.printToPDF")["data"])
    scheme(shown, "light")
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") >= 3
