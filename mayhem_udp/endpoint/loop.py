"""The loop: waits until something is to be done, and has it done, on one thread.

Owns the order of a turn: what the sockets have, then the timers that are due, then what was asked to run
soon; each of them once, so that nobody can keep the others waiting for longer than his own callback. A
callback bounds its own work, and comes back in the next turn (`call_soon`, or a socket that stays ready).

It waits in `select`, whose time-outs have microseconds: those of `poll` and `epoll` in Python have
milliseconds, and a pacer at 1 Gbit/s sends every half of one. `select` knows descriptors under 1,024
only: sockets are opened first and are few, so that is enough here, and checked.
"""

import os
import selectors
import signal
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Protocol, Self

from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.gaps import Gaps
from mayhem_udp.errors import Code, MayhemError
from mayhem_udp.mayhem.agenda import Agenda
from mayhem_udp.units import SECOND, US

Callback = Callable[[], object]

DESCRIPTORS_MAX: Final = 1_024
"""FD_SETSIZE: what `select` can watch."""
TIMER_SLACK_NS: Final = 1 * US
"""How much later than asked the kernel may wake us, instead of its 50 µs: half of the lateness measured
(a wait of 50 µs took 139 µs in the median, and takes 79)."""
_WAKE: Final = b"\0"
_PIPE_READ_BYTES: Final = 4_096


class HasDescriptor(Protocol):
    """A socket, or anything else that `select` can wait for."""

    def fileno(self) -> int:
        """Its descriptor."""


class Timer:
    """Something to be done at a time, which may be moved or taken away until then."""

    __slots__ = ("_agenda", "_callback", "_is_ready")

    def __init__(self, agenda: "Agenda[Timer]", callback: Callback) -> None:
        self._agenda = agenda
        self._callback = callback
        self._is_ready = False  # due, and about to be called in this turn

    def set(self, due_ns: int | None) -> None:
        """Have it done at this time, and at no other; None: not at all."""
        self._is_ready = False
        self._agenda.put(self, due_ns)

    def cancel(self) -> None:
        """Have it not done."""
        self.set(None)


class Loop:
    """One thread's loop. Everything but `call_from_thread` is for that thread alone."""

    def __init__(self, *, clock: Callable[[], int] = monotonic_ns) -> None:
        self._clock = clock
        self._selector = selectors.SelectSelector()
        self._agenda: Agenda[Timer] = Agenda()
        self._ready_timers: deque[Timer] = deque()
        self._soon: deque[Callback] = deque()
        self._from_threads: deque[Callback] = deque()
        self._is_woken = False
        self._is_running = False
        self._changes = 0  # how often what is watched has changed
        self._signals: dict[int, tuple[Callback, Any]] = {}
        self._wakeup_before: int | None = None
        self._pipe_out, self._pipe_in = os.pipe()
        for descriptor in (self._pipe_out, self._pipe_in):
            os.set_blocking(descriptor, False)
        self.gaps = Gaps()
        """How long the turns took."""
        self._selector.register(self._pipe_out, selectors.EVENT_READ, (self._on_pipe, None))

    # --- What to do, and when ------------------------------------------------------------------------

    def watch(self, what: HasDescriptor, on_readable: Callback) -> None:
        """Call back in every turn in which `what` is readable."""
        if what.fileno() >= DESCRIPTORS_MAX:
            raise MayhemError(
                "too many files are open to watch one more socket",
                code=Code.TOO_MANY_OPEN_FILES,
                remedy="lower limits.open_files_max",
            )
        self._selector.register(what, selectors.EVENT_READ, (on_readable, None))

    def watch_writable(self, what: HasDescriptor, on_writable: Callback | None) -> None:
        """Call back as well in every turn in which `what`, already watched, is writable; None: no more."""
        on_readable, _ = self._selector.get_key(what).data
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_writable else 0)
        self._selector.modify(what, events, (on_readable, on_writable))
        self._changes += 1

    def unwatch(self, what: HasDescriptor) -> None:
        """Forget `what`; to be done before it is closed."""
        self._selector.unregister(what)
        self._changes += 1

    def timer(self, callback: Callback) -> Timer:
        """A timer that is not set yet."""
        return Timer(self._agenda, callback)

    def call_at(self, due_ns: int, callback: Callback) -> Timer:
        """Call back once at that time, or in the next turn when it has passed."""
        timer = self.timer(callback)
        timer.set(due_ns)
        return timer

    def call_soon(self, callback: Callback) -> None:
        """Call back in the next turn, without waiting for anything before it."""
        self._soon.append(callback)

    def call_from_thread(self, callback: Callback) -> None:
        """Call back in the next turn; from any thread."""
        self._from_threads.append(callback)
        if not self._is_woken:
            self._is_woken = True
            try:
                os.write(self._pipe_in, _WAKE)
            except (BlockingIOError, OSError):
                return  # full: it is readable anyway; closed: nobody waits any more

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call back in the loop, not wherever the signal strikes; from the main thread only."""
        if not self._signals:
            self._wakeup_before = signal.set_wakeup_fd(self._pipe_in, warn_on_full_buffer=False)
        before = signal.signal(number, _let_the_pipe_tell)
        kept = self._signals.get(number)
        self._signals[number] = (callback, kept[1] if kept else before)

    # --- Running -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turn until `stop`."""
        self._is_running = True
        while self._is_running:
            self.turn()

    def stop(self) -> None:
        """Let `run` end after this turn."""
        self._is_running = False

    def turn(self, *, wait_max_ns: int | None = None) -> None:
        """Wait for something, at most that long, and do all that is to be done then.

        What a callback raises comes out here. What it kept from being called is called in the next turn.
        """
        events = self._selector.select(self._wait_s(wait_max_ns))
        self.gaps.begin(self._clock())
        try:
            self._do(events)
        finally:
            self.gaps.end(self._clock())

    def close(self) -> None:
        """Give back what belongs to the system: the signals, the pipe, the selector."""
        for number, (_, before) in self._signals.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)
        self._signals.clear()
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
            self._wakeup_before = None
        self._selector.close()
        os.close(self._pipe_out)
        os.close(self._pipe_in)

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _wait_s(self, wait_max_ns: int | None) -> float | None:
        if self._soon or self._ready_timers:
            return 0
        due_ns = self._agenda.next_ns()
        if due_ns is None:
            return None if wait_max_ns is None else wait_max_ns / SECOND
        wait_ns = max(due_ns - self._clock(), 0)
        return (wait_ns if wait_max_ns is None else min(wait_ns, wait_max_ns)) / SECOND

    def _do(self, events: list[tuple[selectors.SelectorKey, int]]) -> None:
        changes = self._changes
        for key, mask in events:
            on_readable, on_writable = key.data
            if mask & selectors.EVENT_READ and (changes == self._changes or self._is_watched(key)):
                self._call(on_readable)
            if not mask & selectors.EVENT_WRITE or not on_writable:
                continue
            if changes == self._changes or self._is_watched(key):
                self._call(on_writable)
        for timer in self._agenda.pop_due(now_ns=self.gaps.begun_ns):
            timer._is_ready = True  # noqa: SLF001  # a timer is this module's own
            self._ready_timers.append(timer)
        while self._ready_timers:
            timer = self._ready_timers.popleft()
            if timer._is_ready:  # noqa: SLF001  # likewise
                timer._is_ready = False  # noqa: SLF001  # likewise
                self._call(timer._callback)  # noqa: SLF001  # likewise
        for _ in range(len(self._soon)):  # what these add is for the next turn
            self._call(self._soon.popleft())

    def _call(self, callback: Callback) -> None:
        self.gaps.enter(callback, self._clock())
        callback()

    def _is_watched(self, key: selectors.SelectorKey) -> bool:
        """Whether a callback before this one has not unwatched or changed it."""
        now = self._selector.get_map().get(key.fd)  # a closed socket has no descriptor to look for
        return now is not None and now.data == key.data

    def _on_pipe(self) -> None:
        told = os.read(self._pipe_out, _PIPE_READ_BYTES)
        self._is_woken = False  # before the queue is emptied: who adds to it afterwards writes again
        while self._from_threads:
            self._soon.append(self._from_threads.popleft())
        for number in dict.fromkeys(told):
            if number in self._signals:
                self._soon.append(self._signals[number][0])


def _let_the_pipe_tell(_number: int, _frame: FrameType | None) -> None:
    """A signal's handler: the number is in the loop's pipe already."""


def sharpen_timers() -> None:
    """Ask the kernel to wake this thread closer to the time; where it will not, all goes on as before."""
    try:
        with open(f"/proc/{threading.get_native_id()}/timerslack_ns", "w", encoding="ascii") as slack:
            slack.write(str(TIMER_SLACK_NS))
    except OSError:
        return
