"""A fixed rate, whatever happens: for a link of one's own whose rate is known, and for measuring.

Takes nothing for congestion, so it must never be let loose on a link that others use. The window only
bounds what is unacknowledged; while ACKs come back at all it never is what holds the rate.
"""

from typing import Final

from mayhem_udp.limits import ACK_DELAY_MAX_NS, RTT_INITIAL_NS
from mayhem_udp.transport.congestion.base import AckSample, Rates
from mayhem_udp.transport.congestion.bursts import quantum_bytes
from mayhem_udp.units import BITS_PER_BYTE, SECOND

WINDOW_RTTS: Final = 2
"""A loss is noticed an eighth of a round trip after its ACK would have come (RFC 9002 section 6.1.2),
and the round trip itself varies: twice the smoothed one covers both."""
WINDOW_MIN_QUANTA: Final = 4
"""One burst being sent, one on its way, one being received, one more."""


class Fixed:
    """The controller."""

    def __init__(self, *, max_datagram_bytes: int, rates: Rates, now_ns: int) -> None:
        assert rates.fixed_bps > 0, "a fixed rate has to be said"
        self._rates = rates
        self._rate_bps = rates.capped(rates.fixed_bps)
        self._rtt_ns = RTT_INITIAL_NS
        self._datagram_bytes = 0
        self._quantum = 0
        self.on_datagram_bytes(max_datagram_bytes)

    @property
    def window_bytes(self) -> int:
        span_ns = WINDOW_RTTS * self._rtt_ns + ACK_DELAY_MAX_NS
        return max(self._rate_bps * span_ns // (BITS_PER_BYTE * SECOND), WINDOW_MIN_QUANTA * self._quantum)

    @property
    def pacing_rate_bps(self) -> int:
        return self._rate_bps

    @property
    def send_quantum_bytes(self) -> int:
        return self._quantum

    def on_sent(self, *, now_ns: int, sent_bytes: int, in_flight_bytes: int) -> None:
        """Nothing follows from it."""

    def on_ack(self, sample: AckSample) -> None:
        """Follow the round trip; losses change nothing."""
        self._rtt_ns = sample.rtt_smoothed_ns or self._rtt_ns

    def on_app_limited(self, *, now_ns: int) -> None:
        """Nothing follows from it."""

    def on_persistent_congestion(self, *, now_ns: int) -> None:
        """Nothing follows from it: what is unanswered is bounded by the window."""

    def on_rate_cap(self, cap_bps: int) -> None:
        self._rates = self._rates.with_cap(cap_bps)
        self._rate_bps = self._rates.capped(self._rates.fixed_bps)
        self.on_datagram_bytes(self._datagram_bytes)

    def on_datagram_bytes(self, size: int) -> None:
        self._datagram_bytes = size
        self._quantum = quantum_bytes(self._rate_bps, datagram_bytes=size)
