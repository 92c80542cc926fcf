"""Ctrl-C during the demo."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from standpipe.demo.interrupts import ENDING, Interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Catch the ending signals for one test."""
    before = {number: signal.getsignal(number) for number in ENDING}
    caught = Interrupts()
    caught.install()
    yield caught
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    """Send a signal to this thread, and have it handled; one to the process may go to a library's thread, and late."""
    signal.raise_signal(number)
    signal.getsignal(number)  # the interpreter runs handlers between two calls


def test_a_signal_ends_with_its_status(interrupts: Interrupts) -> None:
    """SIGTERM becomes SystemExit(128 + 15), and a second signal on the way out changes nothing."""
    with pytest.raises(SystemExit) as ended:
        send(signal.SIGTERM)
    assert 143 == ended.value.code
    send(signal.SIGINT)


def send_inside(interrupts: Interrupts, done: list[str]) -> None:
    """Get a signal in a held block, and go on."""
    with interrupts.held():
        send(signal.SIGINT)
        done.append("the whole block")


def test_a_held_signal_waits(interrupts: Interrupts) -> None:
    """Inside the block nothing is interrupted; at its end the signal counts."""
    done: list[str] = []
    with pytest.raises(SystemExit) as ended:
        send_inside(interrupts, done)
    assert (["the whole block"], 130) == (done, ended.value.code)


def test_nothing_interrupts_the_clean_up(interrupts: Interrupts) -> None:
    """After hold_for_good() a signal is noted and no more."""
    interrupts.hold_for_good()
    with interrupts.held():
        send(signal.SIGHUP)
