"""Credit: how far the peer may send a body.

Owns a receiver's window of one body (RFC 9000 section 4): it grows when the sender uses it up within
two round trips (as receive-buffer auto-tuning does, after Dynamic Right-Sizing), and the next body's begins
where this one's got to, so that a long link is filled without promising memory to everybody; and the pool that
the windows of one connection grow from, so that all of them together stay within its memory. Bytes that need
not be sent, because they are here from an earlier transfer, take no part of it. Never sends: `outbound` asks
for the credit to tell.
"""

from collections.abc import Iterable
from typing import Final

from mayhem_udp.limits import BODY_OFFSET_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.memory import Memory

GROWTH: Final = 2
EAGER_ROUND_TRIPS: Final = 2


class CreditPool:
    """What the windows of one connection may grow to in all, above what every body is promised."""

    __slots__ = ("_memory", "_promised_bytes", "_windows", "granted_bytes", "needed_bytes")

    def __init__(self, memory: Memory, *, promised_bytes: int) -> None:
        self._memory = memory
        self._promised_bytes = promised_bytes
        """What is set aside for the promises to all bodies that there may be."""
        self._windows = 0
        self.granted_bytes = 0
        """By how much the windows are larger than promised."""
        self.needed_bytes = 0
        """The largest window that a body has grown to by its use: the next one goes the same way, and need not grow."""

    def open(self) -> None:
        """One more window."""
        self._windows += 1

    def close(self, growth_bytes: int) -> None:
        """A window is closed that had grown by so much."""
        self._windows -= 1
        self.granted_bytes -= growth_bytes

    def resize(self, growth_bytes: int, *, wanted_bytes: int) -> int:
        """How much a window may be larger than promised that is so already, or wants to be.

        An equal part of the pool at most, of what the others leave in it, and of what memory there is.
        """
        pool_bytes = max(self._memory.max_bytes - self._promised_bytes, 0)
        left_bytes = pool_bytes - (self.granted_bytes - growth_bytes)
        most = min(pool_bytes // self._windows, left_bytes, self._memory.share_bytes)
        growth = max(min(wanted_bytes, most), 0)
        self.granted_bytes += growth - growth_bytes
        return growth


class ReceiveWindow:
    """The credit of one body, as an absolute offset."""

    __slots__ = (
        "_consumed",
        "_highest",
        "_last_raise_ns",
        "_low_water_bytes",
        "_max_bytes",
        "_pool",
        "_promise_bytes",
        "_skipped",
        "_wanted_bytes",
        "limit",
        "window_bytes",
    )

    def __init__(self, *, initial_bytes: int, max_bytes: int, promise_bytes: int, pool: CreditPool) -> None:
        """`promise_bytes` is what the peer may send before it is told more; then it has `initial_bytes`."""
        self.window_bytes = promise_bytes
        self.limit = promise_bytes
        self._promise_bytes = promise_bytes
        self._wanted_bytes = max(initial_bytes, promise_bytes, min(pool.needed_bytes, max_bytes))
        self._low_water_bytes = (
            promise_bytes // 2 if promise_bytes >= self._wanted_bytes else promise_bytes * 3 // 4
        )
        """With less credit than this left, the peer is told more: early, where there is more to tell."""
        self._pool = pool
        pool.open()
        self._max_bytes = max(max_bytes, promise_bytes)
        self._consumed = 0
        self._highest = 0
        self._last_raise_ns = 0
        self._skipped = RangeSet()

    def on_received(self, stop: int) -> None:
        """Bytes up to `stop` have come."""
        self._highest = max(self._highest, stop)

    def on_consumed(self, count: int, *, window_bytes: int = 0) -> None:
        """`count` more bytes are where they belong: memory is free again.

        The next credit makes a window of `window_bytes`, however slowly the last one was used up.
        """
        self._consumed += count
        self._wanted_bytes = max(min(window_bytes, self._max_bytes), self._wanted_bytes)

    def backlog_bytes(self, received_bytes: int) -> int:
        """What has come and is not consumed."""
        return received_bytes - self._consumed

    def new_credit(self, *, received_bytes: int, rtt_ns: int, now_ns: int) -> int | None:
        """A higher limit to tell the peer, when half of the window is used up; else None.

        What has come but is not consumed yet counts against the window.
        """
        room = self._missing(self._highest, self.limit)
        if room > self._low_water_bytes:
            return None
        if now_ns - self._last_raise_ns < EAGER_ROUND_TRIPS * rtt_ns:
            self._wanted_bytes = max(min(self.window_bytes * GROWTH, self._max_bytes), self._wanted_bytes)
            self._pool.needed_bytes = max(self._wanted_bytes, self._pool.needed_bytes)
        self._resize(self._wanted_bytes)
        limit = self._past(self._highest, self.window_bytes - self.backlog_bytes(received_bytes))
        if limit <= self.limit:
            return None
        self._last_raise_ns = now_ns
        self._low_water_bytes = self.window_bytes // 2
        self.limit = limit
        return limit

    def _resize(self, wanted_bytes: int) -> None:
        growth = self.window_bytes - self._promise_bytes
        wanted = wanted_bytes - self._promise_bytes
        self.window_bytes = self._promise_bytes + self._pool.resize(growth, wanted_bytes=wanted)

    def close(self) -> None:
        """The body has ended: others may have what it had."""
        self._pool.close(self.window_bytes - self._promise_bytes)

    def skip(self, ranges: Iterable[tuple[int, int]], *, received_bytes: int) -> int | None:
        """These ranges will not be sent; returns a higher limit to tell the peer, if that makes one."""
        for start, stop in ranges:
            self._skipped.add(start, stop)
        limit = self._past(self._highest, self.window_bytes - self.backlog_bytes(received_bytes))
        if limit <= self.limit:
            return None
        self.limit = limit
        return limit

    def _missing(self, start: int, stop: int) -> int:
        """How many bytes of `[start, stop)` are to be sent."""
        if not self._skipped:
            return stop - start
        return stop - start - sum(end - begin for begin, end in self._skipped.overlap(start, stop))

    def _past(self, start: int, count: int) -> int:
        """The offset up to which `count` bytes from `start` on are to be sent."""
        position = start
        if self._skipped:
            for begin, end in self._skipped.overlap(start, BODY_OFFSET_MAX):
                if begin - position > count:
                    break
                count -= begin - position
                position = end
        return position + count
