"""Pacing: when the next burst may leave, and how large it may be.

Owns the schedule. A burst of one quantum may leave when the one before has been paid for at the
pacing rate; a burst that leaves late because the program was late is larger by what the path
could have carried meanwhile, but only up to a few milliseconds' worth, so that the shallow queue
of a slow link is never overrun by catching up.
Never decides a rate or a quantum (the congestion controller does), and never sends.
"""

from typing import Final

from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

LATENESS_MAX_NS: Final = 4 * MS
"""Lateness that is made good: a wake-up on a busy machine comes one or two milliseconds late. At
10 Mbit/s it is worth 5 kB, so that quantum and catching up together are 6 datagrams of 1,400 bytes,
a quarter of a queue of 25."""


class Pacer:
    """The schedule of one path: the time at which everything sent so far has been paid for."""

    __slots__ = ("_paid_ns", "_quantum_bytes", "_rate_bps")

    def __init__(self, *, now_ns: int) -> None:
        self._paid_ns = now_ns
        self._rate_bps = 1
        self._quantum_bytes = 1

    def set_rate(self, *, rate_bps: int, quantum_bytes: int, now_ns: int) -> None:
        """Take the controller's rate and quantum; what is still owed is paid off at the new rate."""
        assert rate_bps > 0 and quantum_bytes > 0, "a path that may never send is closed instead"
        if rate_bps != self._rate_bps and self._paid_ns > now_ns:
            self._paid_ns = now_ns + (self._paid_ns - now_ns) * self._rate_bps // rate_bps
        self._rate_bps = rate_bps
        self._quantum_bytes = quantum_bytes

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
        late_ns = min(late_ns, LATENESS_MAX_NS)
        return self._quantum_bytes + late_ns * self._rate_bps // (BITS_PER_BYTE * SECOND)

    def on_sent(self, size: int, *, now_ns: int) -> None:
        """`size` bytes have left."""
        self._paid_ns = max(self._paid_ns, now_ns - LATENESS_MAX_NS) + self._cost_ns(size)

    def _cost_ns(self, size: int) -> int:
        return size * BITS_PER_BYTE * SECOND // self._rate_bps
