"""Round-trip time of one path.

Owns the latest, minimum and smoothed estimates and the variance (RFC 9002 section 5).
Never reads a clock, never decides loss: `loss` asks, this answers.
"""

from typing import Final

from mayhem_udp.limits import PTO_MAX_NS, RTT_INITIAL_NS
from mayhem_udp.units import MS, SECOND

GRANULARITY_NS: Final = 1 * MS
"""Timers are not trusted below this (RFC 9002 section 6.1.2)."""
MIN_WINDOW_NS: Final = 300 * SECOND
"""A minimum older than this is measured anew: routes change."""


class RoundTrip:
    """The estimates; all zero until the first sample, `smoothed_ns` the initial guess."""

    __slots__ = ("_min_until_ns", "latest_ns", "min_ns", "samples", "smoothed_ns", "variance_ns")

    def __init__(self) -> None:
        self.latest_ns = 0
        self.min_ns = 0
        self.smoothed_ns = RTT_INITIAL_NS
        self.variance_ns = RTT_INITIAL_NS // 2
        self.samples = 0
        self._min_until_ns = 0

    def on_sample(self, *, rtt_ns: int, ack_delay_ns: int, now_ns: int) -> int:
        """Take one sample; returns it with the peer's delay removed (RFC 9002 section 5.3)."""
        assert rtt_ns >= 0, "an ACK cannot precede its datagram"
        rtt_ns = max(rtt_ns, 1)
        self.samples += 1
        if self.min_ns == 0 or rtt_ns <= self.min_ns or now_ns > self._min_until_ns:
            self.min_ns = rtt_ns
            self._min_until_ns = now_ns + MIN_WINDOW_NS
        adjusted = rtt_ns - ack_delay_ns if rtt_ns >= self.min_ns + ack_delay_ns else rtt_ns
        self.latest_ns = adjusted
        if self.samples == 1:
            self.smoothed_ns = adjusted
            self.variance_ns = adjusted // 2
        else:
            self.variance_ns = (3 * self.variance_ns + abs(self.smoothed_ns - adjusted)) // 4
            self.smoothed_ns = (7 * self.smoothed_ns + adjusted) // 8
        return adjusted

    def pto_ns(self, *, ack_delay_max_ns: int, backoff: int) -> int:
        """How long to wait for any acknowledgement before probing (RFC 9002 section 6.2.1).

        Doubles with each step of `backoff`, but only up to `PTO_MAX_NS` (or three round trips, if
        those are longer): a link that comes back after a blackout is to be noticed soon.
        """
        base = self.smoothed_ns + max(4 * self.variance_ns, GRANULARITY_NS) + ack_delay_max_ns
        return min(base << min(backoff, 16), max(PTO_MAX_NS, 3 * self.smoothed_ns, base))
