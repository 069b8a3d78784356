"""Gaps: how long the loop was busy, turn by turn, and with what.

Owns a histogram of the turns' lengths (in eighths of a power of two, so a percentile is right to an
eighth), the longest turn since somebody asked, and the callback that took most of it. While a turn goes
on, another thread can ask what is being done.
Never reads a clock and never judges: whoever asks knows what is too long.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

STEPS: Final = 8
"""Buckets for each power of two."""
_STEP_BITS: Final = STEPS.bit_length() - 1
_BUCKETS: Final = 64 * STEPS


class Gap(Struct, frozen=True):
    """One turn: how long it took, and the callback that took longest in it, by its name."""

    length_ns: int
    busiest: str
    busiest_ns: int


class Gaps:
    """The turns of one loop."""

    def __init__(self) -> None:
        self.begun_ns = 0
        """When the turn began that goes on, or went on last."""
        self._counts = [0] * _BUCKETS
        self._callback: Callable[[], object] | None = None
        self._since_ns = 0
        self._busiest: Callable[[], object] | None = None
        self._busiest_ns = 0
        self._longest: Gap | None = None

    def begin(self, now_ns: int) -> None:
        """A turn begins."""
        self.begun_ns = now_ns
        self._busiest, self._busiest_ns = None, 0

    def enter(self, callback: Callable[[], object], now_ns: int) -> None:
        """A callback of this turn begins, and with it the one before has ended."""
        self._leave(now_ns)
        self._callback, self._since_ns = callback, now_ns

    def end(self, now_ns: int) -> None:
        """The turn ends."""
        self._leave(now_ns)
        length_ns = now_ns - self.begun_ns
        self._counts[_bucket_of(length_ns)] += 1
        if self._longest is None or length_ns > self._longest.length_ns:
            self._longest = Gap(length_ns, name_of(self._busiest), self._busiest_ns)

    def take_longest(self) -> Gap | None:
        """The longest turn since the last call; None when there was none."""
        longest, self._longest = self._longest, None
        return longest

    def percentile_ns(self, share: float) -> int:
        """A length that this share of all turns did not exceed; 0 when there were none."""
        total = sum(self._counts)
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= share * total:
                return _upper_ns(bucket)
        return 0

    @property
    def doing(self) -> str:
        """What is being done at this moment, by its name; empty while the loop waits. From any thread."""
        return name_of(self._callback)

    def _leave(self, now_ns: int) -> None:
        if self._callback is not None and now_ns - self._since_ns >= self._busiest_ns:
            self._busiest, self._busiest_ns = self._callback, now_ns - self._since_ns
        self._callback = None


def name_of(callback: Any) -> str:
    """A callback as a reader of the source knows it: `Daemon.on_readable`."""
    if callback is None:
        return ""
    inner = getattr(callback, "func", callback)  # of a partial
    return str(getattr(inner, "__qualname__", type(inner).__name__))


def _bucket_of(length_ns: int) -> int:
    bits = length_ns.bit_length()
    if bits <= _STEP_BITS + 1:
        return length_ns
    shift = bits - _STEP_BITS - 1
    return (shift << _STEP_BITS) + (length_ns >> shift)


def _upper_ns(bucket: int) -> int:
    """The longest length in a bucket."""
    if bucket < 2 * STEPS:
        return bucket
    shift = (bucket >> _STEP_BITS) - 1
    return ((bucket - (shift << _STEP_BITS) + 1) << shift) - 1
