"""How large a burst the hosts themselves can hold, where the path between them holds next to nothing.

On loopback and in a LAN what is in flight waits in the receiver's socket buffer, not in the network, and
that may be small (Linux grants 208 KiB unless told otherwise). Owns the largest burst that has not made it
overflow. Never judges a path that holds more than the bursts do: there losses mean what they always mean.
"""

from typing import Final

from mayhem_udp.transport.congestion.bbr.constants import HOST_ROOM_RETRY_NS, LOSS_THRESHOLD
from mayhem_udp.transport.congestion.bursts import HUGE_BYTES

BURST_MIN_BYTES: Final = HUGE_BYTES // 8
"""Less would not help: a path that still loses does so for other reasons."""


class HostRoom:
    """The bursts that two hosts can take."""

    __slots__ = ("_changed_ns", "burst_bytes")

    def __init__(self) -> None:
        self.burst_bytes = HUGE_BYTES
        self._changed_ns = 0

    def on_epoch(self, loss: float, *, now_ns: int) -> bool:
        """Take in the loss of a round trip over a path that holds nothing; returns whether bursts were to blame.

        They are as long as they can shrink: halved at each loss that counts, and tried larger after a while.
        """
        if loss > LOSS_THRESHOLD:
            self._changed_ns = now_ns
            if self.burst_bytes > BURST_MIN_BYTES:
                self.burst_bytes //= 2
                return True
        elif now_ns - self._changed_ns > HOST_ROOM_RETRY_NS and self.burst_bytes < HUGE_BYTES:
            self.burst_bytes *= 2
            self._changed_ns = now_ns
        return False
