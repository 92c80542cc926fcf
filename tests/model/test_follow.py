"""A live file, followed through everything that its writer and others can do to it, and killed at every system call.

One thing is not drawn: a generation that is deleted while one younger than it waits to be read. After two copytruncates
within one look the first copy is what leads to the second.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standpipe.vault.process import Reloader
from tests.model.follow_rig import Kill, Rig, killed_at
from tests.model.follow_world import World
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Action = tuple[str, tuple[float, ...]]

SIZES = st.one_of(st.integers(3, 11), st.integers(12, 400), st.integers(12, 400), st.integers(400, 200 << 10))


@contextmanager
def fresh_world(*, sees_writers: bool = True, way: str = "punch") -> Iterator[World]:
    """Yield a world in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(directory, way=way, sees_writers=sees_writers)
        world = World(rig)
        try:
            yield world
        finally:
            world.hang_up()
            rig.close()


def crash(world: World, step: int, *, half: bool) -> None:
    """Kill capture at its step-th system call from now on, or at rest where it makes fewer."""
    with killed_at(world.rig, step, half=half):
        try:
            if not world.rig.alive:
                world.rig.start()
            world.rig.work()
        except Kill:
            pass
    world.rig.die()
    world.died()


def die(world: World) -> None:
    """Kill capture between two system calls."""
    if world.rig.alive:
        world.rig.die()
        world.died()


def act(world: World, name: str, values: Sequence[float]) -> None:  # noqa: C901, PLR0912 - one branch an action
    """Do one action."""
    rig = world.rig
    if name == "write":
        world.write(int(values[0]), int(values[1]))
    elif name == "torn":
        world.write(1, 40)  # a file of nothing but a torn line, cut inside it, could as well be a new one
        world.write_torn(int(values[0]))
    elif name == "rest":
        world.write_rest()
    elif name == "rotate":
        world.rotate(creates=bool(values[0]))
        if values[1]:
            world.move()
    elif name == "move":
        world.move()
    elif name == "pause":
        rig.now += values[0]
    elif name == "look":
        world.look()
    elif name == "crash":
        crash(world, int(values[0]), half=bool(values[1]))
    elif name == "die":
        die(world)
    elif name == "stop" and rig.alive:
        rig.stop()
        world.died()
    elif name == "lose source.json":
        die(world)
        world.lose_source_json()
    elif name == "cap":
        rig.cap_bytes = world.seen_end + int(values[0])
        if rig.alive:
            rig.room.set_cap(rig.cap_bytes)
    elif name == "uncap":
        rig.cap_bytes = 1 << 30
        if rig.alive:
            rig.room.set_cap(rig.cap_bytes)
    else:
        act_of_others(world, name, values)


def act_of_others(world: World, name: str, values: Sequence[float]) -> None:
    """Do one action that may destroy bytes."""
    rig = world.rig
    if name == "copytruncate":
        world.copy()
        world.write(int(values[0]), 40)
        world.truncate(0)
    elif name == "truncate":
        world.truncate(values[0])
    elif name == "delete":
        world.delete(world.path)
    elif name == "delete generation":
        if rig.alive and not world.due:  # see the module
            for path in world.generations()[-1:]:
                world.delete(path)
    elif name == "replace":
        world.replace()
    elif name == "power loss":
        die(world)
        if world.last is not None:
            world.power_loss(*values)


def action(name: str, *values: st.SearchStrategy[float]) -> st.SearchStrategy[Action]:
    """Draw one action with its values."""
    return st.tuples(st.just(name), st.tuples(*values))


ONES = st.integers(1, 6)
FRACTIONS = st.floats(0, 1)
STEPS_MAX = 6000  # more system calls than the eventful scenario makes
FLAGS = st.sampled_from([0, 1])
KINDLY = (
    action("write", ONES, SIZES),
    action("write", ONES, SIZES),
    action("torn", SIZES),
    action("rest"),
    action("rotate", FLAGS, FLAGS),
    action("rotate", FLAGS, FLAGS),
    action("move"),
    action("pause", st.sampled_from([1, 6, 70])),
    action("look"),
    action("look"),
    action("crash", st.integers(0, 60), FLAGS),
    action("die"),
    action("stop"),
    action("lose source.json"),
    action("cap", st.integers(0, 100_000)),
    action("uncap"),
)
UNKINDLY = (
    *KINDLY,
    action("copytruncate", st.integers(0, 2)),
    action("copytruncate", st.integers(0, 2)),
    action("truncate", st.one_of(st.just(0.0), FRACTIONS)),
    action("delete"),
    action("delete generation"),
    action("replace"),
)
REBOOTS = (*KINDLY, action("power loss", FRACTIONS, FRACTIONS), action("power loss", FRACTIONS, st.just(1.0)))


# The crash sweep.


class ObeyingWriter(Reloader):
    """A writer that opens its path again at SIGHUP, and two more times closes it a little late."""

    __slots__ = ("_world",)

    def __init__(self, world: World) -> None:
        super().__init__(None, None)
        self._world = world

    def why_not(self) -> str:
        """Return that the writer can be reached."""
        return ""

    def reload(self) -> str:
        """Reach the writer, which writes a last record into the old file first."""
        with self._world.rig.aside():
            self._world.write(1, 50)
            self._world.move()
        return ""


def eventful(way: str) -> Iterator[Action]:
    """Yield a scenario in which everything happens once."""
    yield from (("write", (3, 90)), ("look", ()), ("torn", (60,)), ("look", ()), ("rest", ()))
    yield from (("write", (30, 2000)), ("look", ()), ("write", (1, 50_000)), ("look", ()))  # segments are cut
    yield from (("write", (60, 4000)), ("look", ()), ("write", (20, 4000)), ("look", ()))  # holes are punched
    if way == "punch":
        yield from (("torn", (60,)), ("look", ()), ("rotate", (1, 1)), ("write", (2, 80)), ("look", ()))
        yield from (("write", (2, 300)), ("rotate", (0, 1)), ("write", (1, 70)), ("rotate", (1, 1)), ("look", ()))
        yield from (("write", (2, 300)), ("look", ()), ("write", (1, 90)), ("copytruncate", (0,)), ("look", ()))
        yield from (("write", (3, 700)), ("look", ()), ("truncate", (0.5,)), ("write", (1, 40)), ("look", ()))
    yield from (("write", (9, 3000)), ("look", ()), ("pause", (70,)), ("look", ()), ("write", (1, 33)), ("look", ()))


def sweep_once(way: str, step: int, *, half: bool) -> bool:
    """Play the eventful scenario, killed before one system call and started again; tell whether the kill came."""
    with fresh_world(way=way) as world:
        world.rig.reloader = ObeyingWriter(world)
        killed = False
        with killed_at(world.rig, step, half=half):
            for name, values in eventful(way):
                try:
                    act(world, name, values)
                except Kill:
                    killed = True
                    world.rig.die()
                    world.died()
                world.observe()
        world.settle()
        world.check()
        names = os.listdir(world.rig.directory)
        assert [] == [name for name in names if ".standpipe-" in name]
        return killed


@pytest.mark.parametrize("way", ["punch", "reopen"])
def test_a_kill_at_every_system_call_of_an_eventful_day(way: str) -> None:
    """Whatever system call SIGKILL comes before, or cuts short, the next start goes on exactly."""
    kills = 0
    stride = scale(11, 1)
    for step in range(0, STEPS_MAX, stride):
        if not sweep_once(way, step, half=bool(step // stride % 2)):
            break
        kills += 1
    assert kills > 200 // stride
    assert kills * stride < STEPS_MAX - stride


# Histories that nobody wrote down.


def histories(actions: Sequence[st.SearchStrategy[Action]]) -> st.SearchStrategy[list[Action]]:
    """Draw some twenty actions: four lists, because one alone is mostly short."""
    part = st.lists(st.one_of(*actions), max_size=12)
    return st.tuples(part, part, part, part).map(lambda parts: [one for part in parts for one in part])


def play(history: Sequence[Action], *, sees_writers: bool) -> None:
    """Do all actions, and hold the journal against the oracle after each."""
    with fresh_world(sees_writers=sees_writers) as world:
        for name, values in history:
            act(world, name, values)
            world.observe()
        world.settle()
        world.check()


@settings(max_examples=scale(50, 1500))
@given(histories(KINDLY), st.booleans())
def test_without_cuts_by_others_the_journal_equals_what_was_written(history: list[Action], sees: bool) -> None:  # noqa: FBT001 - drawn
    """However files are rotated and captures die, the journal has every byte once, in order, and no other."""
    play(history, sees_writers=sees)


@settings(max_examples=scale(50, 1500))
@given(histories(UNKINDLY), st.booleans())
def test_the_loss_that_is_told_equals_the_loss_that_happened(history: list[Action], sees: bool) -> None:  # noqa: FBT001 - drawn
    """What others destroyed before it was read is missing and told, with its first byte; nothing else is missing."""
    play(history, sees_writers=sees)


@settings(max_examples=scale(50, 1500))
@given(histories(REBOOTS), st.booleans())
def test_a_source_that_rolls_back_costs_nothing(history: list[Action], sees: bool) -> None:  # noqa: FBT001 - drawn
    """After power losses nothing is missing that source or journal kept, and no loss is told."""
    play(history, sees_writers=sees)
