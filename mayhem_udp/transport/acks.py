"""What has been received, and when to say so.

Owns the received sequence numbers and the schedule of acknowledgements (RFC 9000 section 13.2,
ACK frequency after draft-ietf-quic-ack-frequency). Never sends: `outbound` asks for the frame.
"""

from collections import deque
from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import ACK_PAIRS_MAX, ACK_RANGES_KEPT_MAX, NUMBER_JUMP_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.timers import NEVER
from mayhem_udp.units import US
from mayhem_udp.wire.ack_ranges import pairs_of_ranges
from mayhem_udp.wire.frames import Ack, AckFrequency

EVERY_DEFAULT = 2
"""Acknowledge every second datagram until the peer asks otherwise (RFC 9000 section 13.2.2)."""

NOTHING_NEW: Final = 1 << 64
"""Above every sequence number."""
NAMED_TIMES: Final = 8
"""What has arrived is named by so many ACKs, unless the peer is known to have seen one: at 50 % loss one range in
250 is never heard of and its datagrams come twice, which costs less than more ACKs, or longer ones, would."""
RANGES_FREE: Final = 16
"""So many ranges are named in any case: they are small beside the headers, and outlive a burst of lost ACKs."""

SAID_AGAIN: Final = 1
"""An ACK that was asked for at once is said again so many times, each after the usual delay, unless more comes: its
sender has nothing else to wait for but a timeout, and losses on the way back come in bursts."""


class AckTracker:
    """The receiver's half of acknowledgement, in runs."""

    __slots__ = (
        "_delay_ns",
        "_every",
        "_floor",
        "_frequency_number",
        "_largest_ns",
        "_lowest_new",
        "_lowest_told",
        "_say_again",
        "_waiting",
        "corrupt",
        "deadline_ns",
        "duplicates",
        "largest",
        "received",
    )

    def __init__(self, *, delay_ns: int) -> None:
        self.received = RangeSet()
        self.largest = -1
        self._largest_ns = 0
        self._floor = 0
        """Numbers below it are not remembered, and count as seen."""
        self._every = EVERY_DEFAULT
        self._delay_ns = delay_ns
        self._frequency_number = -1
        self._waiting = 0
        self._say_again = 0
        self._lowest_new = NOTHING_NEW
        """The lowest number that has come since the last ACK."""
        self._lowest_told: deque[int] = deque(maxlen=NAMED_TIMES)
        """The same for each of the last ACKs, as it was before it."""
        self.deadline_ns = NEVER
        self.corrupt = 0
        self.duplicates = 0

    def record(self, first: int, count: int, *, now_ns: int) -> list[tuple[int, int]]:
        """Note `count` numbers from `first`; returns the ranges of them that are new, ascending.

        Raises `PeerError` for a number that no honest peer can have reached.
        """
        stop = first + count
        if first < 0 or stop - self.largest > NUMBER_JUMP_MAX:
            raise PeerError("a sequence number is far ahead of all others", code=Code.PROTOCOL_VIOLATION)
        if first > self.largest:
            self.received.add(first, stop)
            new = [(first, stop)]
        else:
            new = list(self.received.holes(max(first, self._floor), stop))
            for start, end in new:
                self.received.add(start, end)
            self.duplicates += count - sum(end - start for start, end in new)
        if new and new[0][0] < self._lowest_new:
            self._lowest_new = new[0][0]
        if stop - 1 > self.largest:
            self.largest = stop - 1
            self._largest_ns = now_ns
        if len(self.received) > ACK_RANGES_KEPT_MAX:
            self.received.drop_oldest(ACK_RANGES_KEPT_MAX // 2)
            self._floor = self.received.start
        return new

    def on_eliciting(self, count: int, *, ack_now: int, gap: int, now_ns: int) -> None:
        """`count` datagrams arrived that want an acknowledgement.

        `ack_now` is true where the sender asked for one at once, `gap` where a number is missing
        just before these. Until the sender has said how often it wants to hear, a gap is
        reported at once; after that the rhythm asked for is kept, which bounds the path of ACKs.
        """
        self._waiting += count
        self._say_again = SAID_AGAIN if ack_now else 0
        at_once = ack_now or self._waiting >= self._every or (gap and self._frequency_number < 0)
        due_ns = now_ns if at_once else now_ns + self._delay_ns
        self.deadline_ns = min(self.deadline_ns, due_ns)

    def on_frequency(self, frame: AckFrequency, *, delay_max_ns: int) -> None:
        """The peer says how often it wants to hear."""
        if frame.number <= self._frequency_number:
            return
        self._frequency_number = frame.number
        self._every = max(frame.every, 1)
        self._delay_ns = min(frame.delay_us * US, delay_max_ns)

    def on_ack_seen(self, largest: int) -> None:
        """The peer has seen an ACK that named `largest`: older ranges need no repeating."""
        keep_from = largest - 1
        if keep_from > self._floor:
            self.received.drop_below(min(keep_from, self.largest))
            self._floor = max(self._floor, min(keep_from, self.largest))

    def repeat(self, *, now_ns: int) -> None:
        """Say again what has arrived, if anything has: the last time may not have been heard."""
        if self.received:
            self.deadline_ns = now_ns

    def stop(self) -> None:
        """Nothing will be acknowledged any more."""
        self._say_again = 0
        self.deadline_ns = NEVER

    def is_due(self, *, now_ns: int) -> bool:
        """Whether an ACK is to be sent now."""
        return self.deadline_ns <= now_ns

    @property
    def is_waiting(self) -> bool:
        """Whether there is anything to acknowledge: worth adding to a datagram that goes anyway."""
        return self.deadline_ns != NEVER

    def frame(self, *, now_ns: int) -> Ack:
        """The ACK to send now; the schedule starts anew."""
        self._waiting = 0
        self.deadline_ns = now_ns + self._delay_ns if self._say_again else NEVER
        self._say_again = max(self._say_again - 1, 0)
        delay_us = min((now_ns - self._largest_ns) // US, 0xFFFFFFFF)
        pairs = pairs_of_ranges(self._ranges_to_name())
        return Ack(self.largest, delay_us, self.corrupt & 0xFFFFFFFF, pairs[: 2 * ACK_PAIRS_MAX])

    def _ranges_to_name(self) -> list[tuple[int, int]]:
        """The newest ranges, down to what the last `NAMED_TIMES` ACKs have all named (RFC 9000 section 13.2.3)."""
        self._lowest_told.append(self._lowest_new)
        self._lowest_new = NOTHING_NEW
        lowest = min(self._lowest_told)
        ranges = self.received.newest(ACK_PAIRS_MAX)
        count = len(ranges)
        while count > RANGES_FREE and ranges[count - 1][1] <= lowest:
            count -= 1
        return ranges[:count]
