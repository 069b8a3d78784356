"""Credit: how far the peer may send a body.

Owns a receiver's window of one body (RFC 9000 section 4): it grows when the sender uses it up within
two round trips (as receive-buffer auto-tuning does, after Dynamic Right-Sizing), so that a long link is
filled without promising memory to everybody. Never sends: `outbound` asks for the credit to tell.
"""

from typing import Final

GROWTH: Final = 2
EAGER_ROUND_TRIPS: Final = 2


class ReceiveWindow:
    """The credit of one body, as an absolute offset."""

    __slots__ = ("_consumed", "_highest", "_last_raise_ns", "_max_bytes", "limit", "window_bytes")

    def __init__(self, *, initial_bytes: int, max_bytes: int) -> None:
        self.window_bytes = initial_bytes
        self.limit = initial_bytes
        self._max_bytes = max_bytes
        self._consumed = 0
        self._highest = 0
        self._last_raise_ns = 0

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
        room = self.limit - self._highest
        if room > self.window_bytes // 2:
            return None
        if now_ns - self._last_raise_ns < EAGER_ROUND_TRIPS * rtt_ns:
            self.window_bytes = min(self.window_bytes * GROWTH, self._max_bytes)
        limit = self._highest + self.window_bytes - self.backlog_bytes(received_bytes)
        if limit <= self.limit:
            return None
        self._last_raise_ns = now_ns
        self.limit = limit
        return limit
