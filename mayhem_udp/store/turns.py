"""Who is at something: one at a time, and the last thing when nobody is.

Owns the order between a loop, that must never wait, and the jobs that it has given to workers. Never
starts a thread.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """The turns at one object. Whoever holds the guard has it alone."""

    __slots__ = ("_finished_jobs", "_given_jobs", "_is_past", "_last", "guard")

    def __init__(self) -> None:
        self.guard = threading.Lock()
        """For what is short, on whichever thread."""
        self._given_jobs = 0
        """Counted by the loop alone."""
        self._finished_jobs = 0
        """Counted by the jobs alone; they run one at a time."""
        self._last: Callable[[], None] | None = None
        self._is_past = False

    @property
    def has_jobs(self) -> bool:
        """Whether jobs of `later` are still to be run, or running."""
        return self._given_jobs != self._finished_jobs

    @property
    def is_free(self) -> bool:
        """Whether nobody is at it, and nobody will be."""
        return not self.has_jobs and not self.guard.locked()

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Have it alone, after waiting for it: for workers."""
        try:
            with self.guard:
                yield
        finally:
            self._go_by()

    @contextmanager
    def attempt(self) -> Iterator[bool]:
        """Have it alone if it is free at once (True), or do not have it: for the loop."""
        is_mine = self.guard.acquire(blocking=False)
        try:
            yield is_mine
        finally:
            if is_mine:
                self.guard.release()
                self._go_by()

    def later(self, work: Callable[[], int]) -> Callable[[], int]:
        """A job of the work, for a worker, that must be run; `has_jobs` until it was."""
        self._given_jobs += 1

        def job() -> int:
            try:
                return work()
            finally:
                self._finished_jobs += 1
                self._go_by()

        return job

    def at_last(self, work: Callable[[], None]) -> None:
        """Do the last thing: at once, or when whoever is at it is done. Only the first counts."""
        if self._last is None:
            self._last = work
        self._go_by()

    def _go_by(self) -> None:
        """Do the last thing if it is wanted and nobody is at it: whoever leaves comes by here."""
        while self._last is not None and not self._is_past and not self.has_jobs:
            if not self.guard.acquire(blocking=False):
                return
            try:
                if not self._is_past:
                    self._is_past = True
                    self._last()
            finally:
                self.guard.release()
