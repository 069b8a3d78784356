"""A bandwidth cap with a finite queue: when a datagram leaves it, or that it is lost at the tail.

Owns the queue's accounts, in bytes with headers. Exact: a datagram leaves when its last bit has gone at
the rate in force, also where the rate changes while it waits.
Never holds a datagram, and never delays for any other reason.
"""

from collections import deque

from mayhem_udp.mayhem.faults import HEADER_BYTES, FaultSpec
from mayhem_udp.units import BITS_PER_BYTE, SECOND


class Bottleneck:
    """The rate and the queue of one link."""

    __slots__ = (
        "_alt_bps",
        "_every_ns",
        "_free_ns",
        "_limit_bytes",
        "_queued_bytes",
        "_rate_bps",
        "_waiting",
    )

    def __init__(self, spec: FaultSpec) -> None:
        assert spec.rate_bps is not None, "a link without a rate has no bottleneck"
        self._rate_bps = spec.rate_bps
        self._alt_bps = spec.rate_alt_bps
        self._every_ns = spec.rate_every_ns
        self._limit_bytes = spec.queue_limit_bytes
        self._free_ns = 0
        self._waiting: deque[tuple[int, int]] = deque()  # (time it has left, bytes), ascending
        self._queued_bytes = 0

    def queued_bytes(self, *, now_ns: int) -> int:
        """Bytes that have not left yet, the datagram being sent included."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now_ns:
            self._queued_bytes -= waiting.popleft()[1]
        return self._queued_bytes

    def admit(self, payload_bytes: int, *, now_ns: int, origin_ns: int) -> int | None:
        """When a datagram that enters now has left; None: the queue is full and it is lost.

        A datagram larger than the queue still passes while the link is idle, as through a real interface.
        """
        size = payload_bytes + HEADER_BYTES
        queued = self.queued_bytes(now_ns=now_ns)
        if queued and queued + size > self._limit_bytes:
            return None
        self._free_ns = self._sent_ns(max(self._free_ns, now_ns), size * BITS_PER_BYTE, origin_ns)
        self._waiting.append((self._free_ns, size))
        self._queued_bytes += size
        return self._free_ns

    def _sent_ns(self, start_ns: int, bits: int, origin_ns: int) -> int:
        """When the last of `bits` has gone, rounded up so that the rate is never exceeded."""
        if self._alt_bps is None:
            return start_ns - (-bits * SECOND // self._rate_bps)
        while True:
            phase, into_ns = divmod(start_ns - origin_ns, self._every_ns)
            rate_bps = self._alt_bps if phase & 1 else self._rate_bps
            left_ns = self._every_ns - into_ns
            needed_ns = -(-bits * SECOND // rate_bps)
            if needed_ns <= left_ns:
                return start_ns + needed_ns
            bits -= left_ns * rate_bps // SECOND
            start_ns += left_ns
