"""How often the peer is asked to acknowledge (draft-ietf-quic-ack-frequency).

Eight times in a round trip is enough for loss to be found quickly and for the rate to be measured,
and keeps the path of ACKs under two percent of the bytes. Where a round trip holds few datagrams, that would be
an ACK for nearly each of them: there it is four times. Owns what was asked for last.
"""

from typing import Final

from mayhem_udp.transport.rtt import RoundTrip
from mayhem_udp.units import MS, US
from mayhem_udp.wire.frames import AckFrequency

PER_ROUND_TRIP: Final = 8
FEW_DATAGRAMS: Final = 64
PER_ROUND_TRIP_OF_FEW: Final = 4
BURSTS_MIN: Final = 2
PER_WINDOW_MIN: Final = 4
"""Where only a few bursts fit in the window every other burst is enough, but for four ACKs in a window."""
DELAY_MIN_NS: Final = 1 * MS
EVERY_MIN: Final = 2
EVERY_MAX: Final = 0xFFFF
CHANGE: Final = 4
"""Asked for anew when the right value has changed by more than one part in this many."""


class AckRhythm:
    """What the peer has been asked for."""

    __slots__ = ("_delay_ns", "_every", "_next_ns", "_number")

    def __init__(self) -> None:
        self._number = 0
        self._every = 0
        self._delay_ns = 0
        self._next_ns = 0

    def frame(
        self,
        rtt: RoundTrip,
        *,
        window_bytes: int,
        quantum_bytes: int,
        datagram_bytes: int,
        delay_max_ns: int,
        now_ns: int,
    ) -> AckFrequency | None:
        """The frame to send, at most once a round trip; None while what was asked for is right."""
        if rtt.samples == 0 or now_ns < self._next_ns:
            return None
        self._next_ns = now_ns + rtt.smoothed_ns
        few_bytes = min(BURSTS_MIN * quantum_bytes, window_bytes // PER_WINDOW_MIN)
        every = max(window_bytes // PER_ROUND_TRIP, few_bytes) // datagram_bytes
        every = min(max(every, EVERY_MIN), EVERY_MAX)
        parts = PER_ROUND_TRIP_OF_FEW if window_bytes < FEW_DATAGRAMS * datagram_bytes else PER_ROUND_TRIP
        delay_ns = min(max(rtt.min_ns // parts, DELAY_MIN_NS), delay_max_ns)
        if not _differs(every, self._every) and not _differs(delay_ns, self._delay_ns):
            return None
        self._every, self._delay_ns = every, delay_ns
        self._number += 1
        return AckFrequency(self._number, every, delay_ns // US)


def _differs(new: int, old: int) -> bool:
    return abs(new - old) * CHANGE > old
