"""Pacing: when the next burst may leave, and how large it may be.

Owns the schedule. A burst of one quantum may leave when the one before has been paid for at the
pacing rate; a burst that leaves late because the program was late is larger by what the path
could have carried meanwhile, but only up to a fifth of a round trip's worth, so that a queue of a
fifth of the bandwidth-delay product is not overrun by catching up.
Never decides a rate or a quantum (the congestion controller does), and never sends.
"""

from typing import Final

from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

LATENESS_NS: Final = 4 * MS
"""Lateness that is made good on any path: a wake-up on a busy machine comes one or two milliseconds late."""
LATENESS_RTT_PART: Final = 5
LATENESS_MAX_NS: Final = 20 * MS
"""... and on a long one, up to this. What is not made good lowers the rate that is delivered, and so the
rate that is believed, and so the next one: on a machine that lets its programs wait for a tenth of a second
now and then, 100 Mbit/s over 50 ms shrink without end."""


class Pacer:
    """The schedule of one path: the time at which everything sent so far has been paid for."""

    __slots__ = ("_is_awaited", "_lateness_ns", "_paid_ns", "_quantum_bytes", "_rate_bps")

    def __init__(self, *, now_ns: int) -> None:
        self._paid_ns = now_ns
        self._lateness_ns = LATENESS_NS
        self._is_awaited = False
        self._rate_bps = 1
        self._quantum_bytes = 1

    def set_rate(self, *, rate_bps: int, quantum_bytes: int, now_ns: int) -> None:
        """Take the controller's rate and quantum; what is still owed is paid off at the new rate.

        Asked for when there is something to send and room for it: so if it is too early now, it is the pacer that
        is awaited, and not the window. A burst that the window held up is not late by the program's fault.
        """
        assert rate_bps > 0 and quantum_bytes > 0, "a path that may never send is closed instead"
        if rate_bps != self._rate_bps and self._paid_ns > now_ns:
            self._paid_ns = now_ns + (self._paid_ns - now_ns) * self._rate_bps // rate_bps
        self._is_awaited |= self._paid_ns > now_ns
        self._rate_bps = rate_bps
        self._quantum_bytes = quantum_bytes

    def on_round_trip(self, rtt_min_ns: int) -> None:
        """The empty path's round trip says how much may be caught up with."""
        self._lateness_ns = min(max(rtt_min_ns // LATENESS_RTT_PART, LATENESS_NS), LATENESS_MAX_NS)

    def next_send_ns(self, size: int) -> int:
        """When a burst that starts with a datagram of `size` bytes may leave.

        A datagram larger than the quantum has to earn what it has in excess beforehand.
        """
        excess_bytes = size - self._quantum_bytes
        if excess_bytes <= 0:
            return self._paid_ns
        return self._paid_ns + self._cost_ns(excess_bytes)

    def budget_bytes(self, *, now_ns: int) -> int:
        """How large a burst may leave now; 0 before its time."""
        late_ns = now_ns - self._paid_ns
        if late_ns < 0:
            return 0
        late_ns = min(late_ns, self._forgiven_ns)
        return self._quantum_bytes + late_ns * self._rate_bps // (BITS_PER_BYTE * SECOND)

    def on_sent(self, size: int, *, now_ns: int) -> None:
        """`size` bytes have left.

        What goes past the pacer (messages, probes) is paid for like the rest, but the debt is never more than a
        burst's: else a path that carries little but messages would leave nothing to what waits behind them.
        """
        paid_ns = max(self._paid_ns, now_ns - self._forgiven_ns) + self._cost_ns(size)
        self._paid_ns = min(paid_ns, now_ns + self._cost_ns(max(size, self._quantum_bytes)))
        self._is_awaited = False

    @property
    def _forgiven_ns(self) -> int:
        return self._lateness_ns if self._is_awaited else LATENESS_NS

    def _cost_ns(self, size: int) -> int:
        return size * BITS_PER_BYTE * SECOND // self._rate_bps
