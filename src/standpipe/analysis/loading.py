"""Many stretches into files of rows, by as many processes as there are cores; small ones without any.

Workers are plain children with a pipe each, not multiprocessing's: nothing is forked beside the database's threads, and
a worker ends when its pipe does, whatever becomes of us.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

import msgspec

from standpipe.analysis.load_worker import Answer, Job, perform
from standpipe.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from standpipe.analysis.sources import Stretch

ALONE_BYTES = 8 << 20  # below, reading takes less time than starting workers: 0.1 s
WORKERS_MAX = 8  # the database that takes in what they write is kept busy by some six
FILES_AHEAD = 2  # files of rows, a worker, that may wait for the database: bounds the disk space of the way


def load_files(stretches: Sequence[Stretch], directory: str) -> Iterator[tuple[Stretch, str]]:
    """Yield each stretch with a file of its rows, which the caller deletes; in any order.

    Raises JournalError for what cannot be read.
    """
    jobs = [Job(stretch, f"{directory}/rows-{number}.ndjson") for number, stretch in enumerate(stretches)]
    if sum(stretch.bytes for stretch in stretches) <= ALONE_BYTES:
        for job in jobs:
            _check(job, perform(job))
            yield job.stretch, job.path
        return
    count = min(WORKERS_MAX, len(os.sched_getaffinity(0)), len(jobs))
    with ExitStack() as stack:
        workers = [_Worker(stack) for _ in range(count)]
        threads = stack.enter_context(ThreadPoolExecutor(count))
        yield from _work_off(jobs, workers, threads)


def _work_off(
    jobs: Sequence[Job], workers: list[_Worker], threads: ThreadPoolExecutor
) -> Iterator[tuple[Stretch, str]]:
    waiting = deque(jobs)
    free = list(workers)
    busy: dict[Future[Answer], tuple[Job, _Worker]] = {}
    done: deque[Job] = deque()
    while waiting or busy or done:
        while waiting and free and len(done) < FILES_AHEAD * len(workers):
            job, worker = waiting.popleft(), free.pop()
            busy[threads.submit(worker.perform, job)] = (job, worker)
        finished, _ = wait(busy, timeout=0 if done else None, return_when=FIRST_COMPLETED)
        for future in finished:
            job, worker = busy.pop(future)
            _check(job, future.result())
            free.append(worker)
            done.append(job)
        if done and not (finished and waiting and free):  # first hand out work, then give away what is done
            job = done.popleft()
            yield job.stretch, job.path


def _check(job: Job, answer: Answer) -> None:
    if answer.error:
        where = f"{job.stretch.location} cannot be read between {job.stretch.start} and {job.stretch.end}"
        raise JournalError(f"{where}: {answer.error}", answer.remedy)


class _Worker:
    """One child; used by one thread at a time. It is stopped when the stack unwinds."""

    def __init__(self, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "standpipe.analysis.load_worker"]
        self._process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=False)
        )
        stack.callback(self._process.terminate)

    def perform(self, job: Job) -> Answer:
        """Have a job done. Raises JournalError where the child died of it."""
        try:
            _pipe(self._process.stdin).write(msgspec.json.encode(job) + b"\n")
            _pipe(self._process.stdin).flush()
            line = _pipe(self._process.stdout).readline()
        except BrokenPipeError:
            line = b""
        if not line:
            return Answer(error=f"the process that read it ended (status {self._process.wait()})")
        return msgspec.json.decode(line, type=Answer)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the worker was started without its pipes")
    return pipe
