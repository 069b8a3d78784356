"""Credit: how far the peer may send a body.

Owns a receiver's window of one body (RFC 9000 section 4): it grows when the sender uses it up within
two round trips (as receive-buffer auto-tuning does, after Dynamic Right-Sizing), so that a long link is
filled without promising memory to everybody. Bytes that need not be sent, because they are here from an
earlier transfer, take no part of it. Never sends: `outbound` asks for the credit to tell.
"""

from collections.abc import Iterable
from typing import Final

from mayhem_udp.limits import BODY_OFFSET_MAX
from mayhem_udp.rangeset import RangeSet

GROWTH: Final = 2
EAGER_ROUND_TRIPS: Final = 2


class ReceiveWindow:
    """The credit of one body, as an absolute offset."""

    __slots__ = ("_consumed", "_highest", "_last_raise_ns", "_max_bytes", "_skipped", "limit", "window_bytes")

    def __init__(self, *, initial_bytes: int, max_bytes: int) -> None:
        self.window_bytes = initial_bytes
        self.limit = initial_bytes
        self._max_bytes = max_bytes
        self._consumed = 0
        self._highest = 0
        self._last_raise_ns = 0
        self._skipped = RangeSet()

    def on_received(self, stop: int) -> None:
        """Bytes up to `stop` have come."""
        self._highest = max(self._highest, stop)

    def on_consumed(self, count: int) -> None:
        """`count` more bytes are where they belong: memory is free again."""
        self._consumed += count

    def backlog_bytes(self, received_bytes: int) -> int:
        """What has come and is not consumed."""
        return received_bytes - self._consumed

    def new_credit(self, *, received_bytes: int, rtt_ns: int, now_ns: int) -> int | None:
        """A higher limit to tell the peer, when half of the window is used up; else None.

        What has come but is not consumed yet counts against the window.
        """
        room = self._missing(self._highest, self.limit)
        if room > self.window_bytes // 2:
            return None
        if now_ns - self._last_raise_ns < EAGER_ROUND_TRIPS * rtt_ns:
            self.window_bytes = min(self.window_bytes * GROWTH, self._max_bytes)
        limit = self._past(self._highest, self.window_bytes - self.backlog_bytes(received_bytes))
        if limit <= self.limit:
            return None
        self._last_raise_ns = now_ns
        self.limit = limit
        return limit

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
