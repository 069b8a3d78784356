"""Workers: a few threads for what may block on a disk, so that the loop never does.

Owns the order and the bounds. Jobs of one key (a transfer) run one after the other in the order given;
jobs of different keys run side by side, and keys take turns, so that a slow disk holds up its own
transfers, and the others only when every thread is stuck in one. What a job gave or raised comes back on
the loop's thread. Threads are started when there is work for them, and none holds up the process's end.
Never times anything: a job that hangs is the disk's, and shows in `unfinished`.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple

from mayhem_udp.endpoint.loop import Loop
from mayhem_udp.errors import Code, TransferError
from mayhem_udp.units import SECOND

Job = Callable[[], Any]
Done = Callable[[Any, BaseException | None], None]
"""Takes what the job gave and None, or None and what it raised."""

JOBS_MAX: Final = 16_384
"""Jobs that wait or run; one more is refused, and ends its transfer."""


class _Errand(NamedTuple):
    job: Job
    done: Done


def _refused() -> TransferError:
    return TransferError(
        "the disks are too far behind to take more work",
        code=Code.BUSY,
        remedy="try again later, or lower limits.transfers_max",
    )


class Workers:
    """A pool of at most `threads_max` threads. All but the threads' own work is for the loop's thread."""

    def __init__(self, loop: Loop, *, threads_max: int, jobs_max: int = JOBS_MAX) -> None:
        self._loop = loop
        self._threads_max = threads_max
        self._jobs_max = jobs_max
        self._changed = threading.Condition()  # guards the six below
        self._waiting: dict[Hashable, deque[_Errand]] = {}  # by key; a key is here while it has any job
        self._turns: deque[Hashable] = deque()  # keys with a job to begin, the next one first
        self._finished: deque[tuple[Done, Any, BaseException | None]] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._is_closed = False
        self.unfinished = 0
        """Jobs whose result has not been handed back."""

    def submit(self, key: Hashable, job: Job, done: Done) -> None:
        """Run `job` on a thread after the earlier ones of its key, then `done` on the loop's thread.

        Raises `TransferError` when too many jobs wait already.
        """
        with self._changed:
            assert not self._is_closed, "no work is given to closed workers"
            if self.unfinished >= self._jobs_max:
                raise _refused()
            self.unfinished += 1
            queue = self._waiting.get(key)
            if queue is not None:  # one of this key runs, or waits for a thread
                queue.append(_Errand(job, done))
                return
            self._waiting[key] = deque((_Errand(job, done),))
            self._turns.append(key)
            if self._idle >= len(self._turns) or len(self._threads) >= self._threads_max:
                self._changed.notify()
                return
            thread = threading.Thread(target=self._work, name=f"worker {len(self._threads)}", daemon=True)
            self._threads.append(thread)
        thread.start()

    def close(self, *, wait_max_ns: int = 10 * SECOND) -> int:
        """Let all jobs run to their end, hand back their results here and now, and stop the threads.

        Returns how many were not done in time; their threads are left behind.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting, timeout=wait_max_ns / SECOND)
        self._hand_back()
        return self.unfinished

    def _work(self) -> None:
        """A thread's life."""
        while True:
            with self._changed:
                self._idle += 1
                while not self._turns:
                    if self._is_closed:
                        return
                    self._changed.wait()
                self._idle -= 1
                key = self._turns.popleft()
                job, done = self._waiting[key].popleft()
            result, error = None, None
            try:
                result = job()
            except BaseException as raised:  # noqa: BLE001  # it is handed to who asked for the job
                error = raised
            self._finish(key, done, result, error)
            del job, done, result, error  # else this thread would hold them until its next job

    def _finish(self, key: Hashable, done: Done, result: Any, error: BaseException | None) -> None:
        with self._changed:
            self._finished.append((done, result, error))
            if self._waiting[key]:
                self._turns.append(key)  # behind the other keys; this thread may well be the one to go on
            else:
                del self._waiting[key]
                if self._is_closed:
                    self._changed.notify_all()
            is_first = len(self._finished) == 1
        if is_first:
            self._loop.call_from_thread(self._hand_back)

    def _hand_back(self) -> None:
        with self._changed:  # all of them: who finishes from here on is the first again, and calls
            finished, self._finished = self._finished, deque()
        try:
            while finished:
                done, result, error = finished.popleft()
                self.unfinished -= 1
                done(result, error)
        finally:
            if finished:  # one of them raised; the others come next
                with self._changed:
                    self._finished.extendleft(reversed(finished))
                self._loop.call_soon(self._hand_back)


class InlineWorkers:
    """The same without threads, for simulators and tests: jobs run when `run` is called, in their order.

    So results never come while a job is being given, as with the real ones.
    """

    def __init__(self, *, jobs_max: int = JOBS_MAX) -> None:
        self._jobs_max = jobs_max
        self._waiting: deque[_Errand] = deque()

    @property
    def unfinished(self) -> int:
        """Jobs whose result has not been handed back."""
        return len(self._waiting)

    def submit(self, _key: Hashable, job: Job, done: Done) -> None:
        """Have `job` run, and `done` called, by `run`; raises `TransferError` when too many wait."""
        if len(self._waiting) >= self._jobs_max:
            raise _refused()
        self._waiting.append(_Errand(job, done))

    def run(self) -> int:
        """Run the jobs that wait, and those that they bring about; returns how many there were."""
        count = 0
        while self._waiting:
            job, done = self._waiting.popleft()
            count += 1
            try:
                result = job()
            except BaseException as raised:  # noqa: BLE001  # it is handed to who asked for the job
                done(None, raised)
            else:
                done(result, None)
        return count

    def close(self, *, wait_max_ns: int = 0) -> int:
        """Run what waits; nothing is left after that, and no time is needed."""
        assert wait_max_ns >= 0, "a time to wait is not negative"
        self.run()
        return self.unfinished
