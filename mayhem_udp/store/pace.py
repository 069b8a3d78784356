"""Whether a disk is slow, so that its writes had better be a worker's.

Owns the judgement: one write that takes too long makes a disk slow, and it has to do well for a while to
be trusted again, for longer each time. Never reads a clock but the one that it was given.
"""

from collections.abc import Callable
from typing import Final

from mayhem_udp.units import GIB, MIB, MS

SLOW_WRITE_NS: Final = 5 * MS
"""A write of a batch into the page cache takes 0.02 to 0.1 ms; the kernel holds a writer up for as long
as 200 ms when too much waits for the device."""
CALM_MIN_BYTES: Final = 16 * MIB
CALM_MAX_BYTES: Final = GIB


class Pace:
    """The judgement for one file."""

    __slots__ = ("_calm_bytes", "_clock_ns", "_wanted_bytes", "is_slow")

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self.is_slow = False
        self._wanted_bytes = CALM_MIN_BYTES
        self._calm_bytes = 0

    def on_write(self, count: int, *, began_ns: int) -> None:
        """A write of `count` bytes, begun at `began_ns`, has just ended."""
        if self._clock_ns() - began_ns > SLOW_WRITE_NS:
            if not self.is_slow:
                self.is_slow = True
            else:
                self._wanted_bytes = min(2 * self._wanted_bytes, CALM_MAX_BYTES)
            self._calm_bytes = 0
        elif self.is_slow:
            self._calm_bytes += count
            if self._calm_bytes >= self._wanted_bytes:
                self.is_slow = False
                self._wanted_bytes = min(2 * self._wanted_bytes, CALM_MAX_BYTES)
