"""A real Chromium without a window, driven by the DevTools protocol over two pipes (``--remote-debugging-pipe``).

Messages are JSON, each ended by a NUL byte: https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWER_SECONDS = 60.0  # a start on a busy machine takes some
WATCHED = ("Page", "Network", "Runtime", "Log")


class Browser:
    """One page of a browser. ``events``: everything that it told unasked, in order."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        """Take the ends of the pipes that are ours; `open` comes next."""
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []

    def attach(self) -> None:
        """Make a page and listen to what it does."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in WATCHED:
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, url: str) -> None:
        """Load a page, and wait until it has all it wants."""
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:  # noqa: ANN401 - whatever the expression's is
        """Return the value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]
        return result.get("value")

    def of_method(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of all events of one kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has gone"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))


@contextmanager
def browser(directory: Path) -> Iterator[Browser]:
    """Start a browser that writes below the directory only, and end it."""
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    # The browser reads descriptor 3 and writes 4; a shell puts them there, so that nothing runs between fork and exec.
    script = f'exec "$@" 3<&{commands_out} 4>&{answers_in} {commands_out}<&- {answers_in}>&-'
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    words += ["--remote-debugging-pipe", f"--user-data-dir={directory}/profile", "--hide-scrollbars"]
    environment = {**os.environ, "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
    with (directory / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *words],
            pass_fds=(commands_out, answers_in),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
    os.close(commands_out)
    os.close(answers_in)
    page = Browser(commands_in, answers_out)
    try:
        page.attach()
        yield page
    finally:
        os.close(commands_in)  # the end of its commands is the end of the browser
        try:
            process.wait(ANSWER_SECONDS)
        finally:
            process.kill()
            process.wait()
            os.close(answers_out)
