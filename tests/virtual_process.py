"""What a process has that ends with it: open files, and work under way; in virtual time.

Owns a disk that knows which descriptors are open, so that a crash is what it is (everything open is gone,
and nothing else happens), and workers whose jobs take time.
"""

import os
from heapq import heappop, heappush
from typing import NamedTuple

from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.store.disk import RealDisk


class CountedDisk(RealDisk):
    """The real disk of one process: `crash` closes all that it has open, as the end of a process does."""

    made = []  # noqa: RUF012  # one list for all: at the end of a test, all of its processes end

    def __init__(self):
        super().__init__()
        self.open = set()
        self.is_gone = False
        self.made.append(self)

    def close(self, file):
        if file in self.open:  # generators of a process that crashed are closed late, by the collector
            self.open.remove(file)
            os.close(file)

    def crash(self):
        self.is_gone = True
        for file in list(self.open):
            self.close(file)

    @classmethod
    def end_all(cls):
        """No process outlives its test: a thousand descriptors are more than `select` can watch."""
        while cls.made:
            cls.made.pop().crash()

    def _count(self, file):
        assert not self.is_gone, "a process that crashed opens nothing"
        self.open.add(file)
        return file

    def open_root(self, path):
        return self._count(RealDisk.open_root(path))

    def open_path(self, path):
        return self._count(RealDisk.open_path(path))

    def open_folder(self, folder, name):
        return self._count(RealDisk.open_folder(folder, name))

    def open_file(self, folder, name):
        return self._count(RealDisk.open_file(folder, name))

    def create_file(self, folder, name):
        return self._count(RealDisk.create_file(folder, name))

    def reopen_file(self, folder, name):
        return self._count(RealDisk.reopen_file(folder, name))

    def duplicate(self, file):
        return self._count(os.dup(file))


class Job(NamedTuple):
    """A job that is done at its time, not before; those of one key in their order."""

    due_ns: int
    number: int
    job: object
    done: object


class LateWorkers(InlineWorkers):
    """Workers whose jobs take time: `draw_ns` says how much the next one takes."""

    def __init__(self, clock_ns, draw_ns):
        super().__init__()
        self._clock_ns = clock_ns
        self._draw_ns = draw_ns
        self._jobs = []
        self._count = 0
        self._last_ns = {}

    def submit(self, key, job, done):
        due_ns = max(self._clock_ns() + self._draw_ns(), self._last_ns.get(key, 0))
        self._last_ns[key] = due_ns
        self._count += 1
        heappush(self._jobs, Job(due_ns, self._count, job, done))

    def run(self):
        while self._jobs and self._jobs[0].due_ns <= self._clock_ns():
            each = heappop(self._jobs)
            super().submit(None, each.job, each.done)
        return super().run()

    @property
    def unfinished(self):
        return len(self._jobs) + super().unfinished

    def next_due_ns(self):
        return self._jobs[0].due_ns if self._jobs else None
