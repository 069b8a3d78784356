"""ACKs that come in lumps: how much more is acknowledged at once than the bandwidth explains.

Owns `extra_bytes`, by which the window is larger so that sending goes on between two lumps
(draft-ietf-ccwg-bbr 5.5.9): the largest of the last ten to twenty round trips.
"""

from mayhem_udp.transport.congestion.bbr.constants import EXTRA_ACKED_ROUNDS
from mayhem_udp.units import SECOND


class Aggregation:
    """The estimate of one path."""

    __slots__ = ("_acked_bytes", "_before", "_now", "_renew_at", "_start_ns", "extra_bytes")

    def __init__(self) -> None:
        self.extra_bytes = 0.0
        self._now = 0.0
        self._before = 0.0
        self._renew_at = 0
        self._start_ns = 0
        self._acked_bytes = 0.0

    def on_ack(
        self, acked_bytes: float, *, rate: float, limit_bytes: float, rounds: int, now_ns: int
    ) -> None:
        """`acked_bytes` arrived where `rate` bytes a second are expected."""
        expected = rate * (now_ns - self._start_ns) / SECOND
        if self._acked_bytes <= expected:
            self._acked_bytes = expected = 0.0
            self._start_ns = now_ns
        self._acked_bytes += acked_bytes
        if rounds >= self._renew_at:
            self._renew_at = rounds + EXTRA_ACKED_ROUNDS
            self._before, self._now = self._now, 0.0
        extra = min(self._acked_bytes - expected, limit_bytes)
        self._now = max(self._now, extra)
        self.extra_bytes = max(self._now, self._before)
