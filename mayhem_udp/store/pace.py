"""Whether a disk is slow, so that its writes had better be a worker's.

Owns the judgement: what may wait for a device is slow until a first write has shown that it is not. One write
that takes too long makes it slow again, and it has to do well for a while to be trusted again, for longer
each time. Never reads a clock but the one that it was given.
"""

from collections.abc import Callable
from typing import Final

from mayhem_udp.units import GIB, MIB, MS

SLOW_WRITE_NS: Final = 5 * MS
"""A write of a batch into the page cache takes 0.02 to 0.1 ms; the kernel holds a writer up for as long
as 200 ms when too much waits for the device."""
SLOW_JOB_NS: Final = 25 * MS
"""The same for a write by a worker, which afterwards waits for the interpreter's lock, 5 ms at a time, while
the loop is busy: by the other measure most uploads on a busy machine never came back to the loop."""
CALM_MIN_BYTES: Final = 16 * MIB
CALM_MAX_BYTES: Final = GIB


class Pace:
    """The judgement for one file."""

    __slots__ = ("_calm_bytes", "_clock_ns", "_wanted_bytes", "is_slow")

    def __init__(self, clock_ns: Callable[[], int], *, may_wait: bool = True) -> None:
        self._clock_ns = clock_ns
        self.is_slow = may_wait
        self._wanted_bytes = 1
        self._calm_bytes = 0

    def on_write(self, count: int, *, began_ns: int, slow_ns: int = SLOW_WRITE_NS) -> None:
        """A write of `count` bytes, begun at `began_ns`, has just ended; longer than `slow_ns` is slow."""
        if self._clock_ns() - began_ns > slow_ns:
            if self.is_slow:
                self._make_longer()
            self.is_slow = True
            self._calm_bytes = 0
        elif self.is_slow:
            self._calm_bytes += count
            if self._calm_bytes >= self._wanted_bytes:
                self.is_slow = False
                self._make_longer()

    def _make_longer(self) -> None:
        self._wanted_bytes = min(max(2 * self._wanted_bytes, CALM_MIN_BYTES), CALM_MAX_BYTES)
