"""What is in flight, in runs.

A run is a burst of datagrams with consecutive numbers, sent at one moment, that carry consecutive
pieces of one body; or one datagram of frames. Cost follows the number of runs, not of datagrams.
Owns the flight and, for a while, what was declared lost (it may still prove to have arrived).
Never decides that something is lost (`loss`), nor what to send again (the owner of the bytes).
"""

from bisect import bisect_right
from typing import Final, NamedTuple, Protocol

from mayhem_udp.rangeset import RangeSet
from mayhem_udp.wire.frames import Frame

LOST_KEPT_MAX: Final = 4_096
"""Runs declared lost that are remembered, to notice that they arrived after all."""


class BodyOwner(Protocol):
    """Whoever's bytes a run carries: is told what became of them, and decides what to send again."""

    def on_acked(self, offset: int, length: int) -> None:
        """These bytes have arrived."""

    def on_lost(self, offset: int, length: int) -> None:
        """These bytes were lost, as far as one knows."""


class DeliveryState(NamedTuple):
    """What `delivery` had counted when a run was sent; from it the rate is computed when it is acknowledged.

    The state that a packet has in draft-ietf-ccwg-bbr section 4.1.
    """

    delivered_bytes: int = 0
    delivered_ns: int = 0
    first_sent_ns: int = 0
    sent_before_bytes: int = 0
    """All that had been sent when what `first_sent_ns` tells of was."""
    sent_bytes: int = 0
    """All that had been sent, the run included."""
    lost_bytes: int = 0
    in_flight_bytes: int = 0
    """The run included."""
    app_limited: bool = False


UNSENT: Final = DeliveryState()


class Run:
    """Datagrams `[first, first + count)`, sent at `sent_ns`, `wire_bytes` long together.

    Of a body: `length` bytes from `offset`, `chunk_bytes` in each datagram but the last.
    Of frames: `count` is 1 and `frames` holds what is to be repeated if it is lost.
    `probe_bytes` is the size of a path MTU probe, else 0. `told_largest` is the largest number named by an
    ACK in it, -1 for none. `delivery` is set when it is sent.
    """

    __slots__ = (
        "body",
        "chunk_bytes",
        "count",
        "delivery",
        "first",
        "frames",
        "length",
        "offset",
        "probe_bytes",
        "sent_ns",
        "told_largest",
        "wire_bytes",
    )

    def __init__(
        self,
        *,
        first: int,
        count: int,
        sent_ns: int,
        wire_bytes: int,
        body: BodyOwner | None = None,
        offset: int = 0,
        chunk_bytes: int = 0,
        length: int = 0,
        frames: tuple[Frame, ...] = (),
        probe_bytes: int = 0,
        told_largest: int = -1,
    ) -> None:
        self.first = first
        self.count = count
        self.sent_ns = sent_ns
        self.wire_bytes = wire_bytes
        self.body = body
        self.offset = offset
        self.chunk_bytes = chunk_bytes
        self.length = length
        self.frames = frames
        self.probe_bytes = probe_bytes
        self.told_largest = told_largest
        self.delivery = UNSENT

    @property
    def stop(self) -> int:
        """One past the last number."""
        return self.first + self.count

    @property
    def datagram_bytes(self) -> int:
        """The size of the largest of them; only a run's last one may be smaller."""
        return self.wire_bytes if self.count == 1 else self.chunk_bytes + self._overhead_bytes

    @property
    def _overhead_bytes(self) -> int:
        return (self.wire_bytes - self.length) // self.count

    def part(self, start: int, stop: int) -> "Run":
        """The datagrams with numbers `[start, stop)` of it, as a run of their own; this one stays as it is."""
        assert self.first <= start < stop <= self.stop, "a part is within the whole, and not empty"
        count, skipped = stop - start, (start - self.first) * self.chunk_bytes
        length = min(count * self.chunk_bytes, self.length - skipped)
        part = Run(
            first=start,
            count=count,
            sent_ns=self.sent_ns,
            wire_bytes=length + count * self._overhead_bytes,
            body=self.body,
            offset=self.offset + skipped,
            chunk_bytes=self.chunk_bytes,
            length=length,
        )
        part.delivery = self.delivery
        return part


class RunList:
    """Runs in the order of their numbers, with a cut at any number."""

    __slots__ = ("firsts", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.firsts: list[int] = []

    def append(self, run: Run) -> None:
        """Add a run whose numbers are higher than all others."""
        self.runs.append(run)
        self.firsts.append(run.first)

    def insert(self, run: Run) -> None:
        """Add a run wherever its numbers belong."""
        index = bisect_right(self.firsts, run.first)
        self.runs.insert(index, run)
        self.firsts.insert(index, run.first)

    def take(self, start: int, stop: int) -> list[Run]:
        """Remove and return everything with numbers in `[start, stop)`, cutting runs at its edges.

        What is cut is left as it was: an outcome that is still to be settled may name the whole.
        """
        runs, firsts = self.runs, self.firsts
        low = bisect_right(firsts, start) - 1
        if low < 0 or runs[low].stop <= start:
            low += 1
        high = bisect_right(firsts, stop - 1, low)
        if low >= high:
            return []
        taken = runs[low:high]
        kept: list[Run] = []
        if taken[0].first < start:
            kept.append(taken[0].part(taken[0].first, start))
            taken[0] = taken[0].part(start, taken[0].stop)
        if taken[-1].stop > stop:
            kept.append(taken[-1].part(stop, taken[-1].stop))
            taken[-1] = taken[-1].part(taken[-1].first, stop)
        runs[low:high] = kept
        firsts[low:high] = [each.first for each in kept]
        return taken

    def holds(self, number: int) -> bool:
        """Whether the datagram with this number is among them."""
        index = bisect_right(self.firsts, number) - 1
        return index >= 0 and number < self.runs[index].stop

    def drop_first(self, count: int) -> None:
        """Forget the `count` lowest runs."""
        del self.runs[:count], self.firsts[:count]

    def __len__(self) -> int:
        return len(self.runs)


class Ledger:
    """The flight of one connection, and what was lost of it lately."""

    __slots__ = ("first_number", "flight", "in_flight_bytes", "lost", "next_number", "skipped")

    def __init__(self) -> None:
        self.flight = RunList()
        self.lost = RunList()
        self.in_flight_bytes = 0
        self.first_number = 0
        self.next_number = 0
        self.skipped = RangeSet()
        """Numbers among those in flight that were never sent: whoever acknowledges them is guessing."""

    def begin_at(self, number: int) -> None:
        """The first number; before anything is sent."""
        assert self.next_number == 0, "numbers have been given out"
        self.first_number = self.next_number = number

    def skip_number(self) -> None:
        """Leave out the next number (RFC 9000 section 21.4, optimistic ACKs)."""
        self.skipped.drop_below(self.flight.firsts[0] if self.flight.firsts else self.next_number)
        self.skipped.add(self.next_number, self.next_number + 1)
        self.next_number += 1

    def sent(self, run: Run) -> None:
        """Enter a run that is being sent."""
        assert run.first >= self.next_number - run.count or run.first == self.next_number
        self.flight.append(run)
        self.in_flight_bytes += run.wire_bytes

    def acknowledge(self, start: int, stop: int) -> list[Run]:
        """Remove what `[start, stop)` acknowledges from the flight and return it."""
        firsts = self.flight.firsts
        if not firsts or stop <= firsts[0]:
            return []
        taken = self.flight.take(start, stop)
        for run in taken:
            self.in_flight_bytes -= run.wire_bytes
        return taken

    def acknowledge_lost(self, start: int, stop: int) -> list[Run]:
        """Remove and return what was declared lost and is acknowledged after all."""
        firsts = self.lost.firsts
        if not firsts or stop <= firsts[0]:
            return []
        return self.lost.take(start, stop)

    def declare_lost(self, start: int, stop: int) -> list[Run]:
        """Move what is in flight of `[start, stop)` to the lost ones and return it."""
        taken = self.flight.take(start, stop)
        for run in taken:
            self.in_flight_bytes -= run.wire_bytes
            self.lost.insert(run)
        if len(self.lost) > LOST_KEPT_MAX:
            self.lost.drop_first(len(self.lost) - LOST_KEPT_MAX)
        return taken

    def forget_lost_before(self, sent_ns: int) -> None:
        """Forget lost runs that were sent before `sent_ns`: nobody will hear of them again."""
        count = 0
        for run in self.lost.runs:
            if run.sent_ns >= sent_ns:
                break
            count += 1
        if count:
            self.lost.drop_first(count)
