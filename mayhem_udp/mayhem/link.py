"""A link: one direction of a hostile network, without I/O.

Datagrams and the time go in, the datagrams that come through by then come out. Endpoints, the proxy and
the simulator all use this one. Which datagrams are hit follows from the seed and their number alone;
the time decides only what the time must: blackouts, a full queue, and when something comes out.
Never reads a clock; what it holds is bounded by `held_max_bytes`.
"""

from collections.abc import Sequence
from typing import Final, Generic

from msgspec import Struct
from msgspec.structs import replace

from mayhem_udp.mayhem.bottleneck import Bottleneck
from mayhem_udp.mayhem.damage import damaged
from mayhem_udp.mayhem.faults import Direction, FaultSpec, MayhemSpec, Order
from mayhem_udp.mayhem.line import Line, Tag
from mayhem_udp.mayhem.schedule import Purpose, Schedule
from mayhem_udp.mayhem.verdicts import BLOCK, CORRUPT, DROP, DUPLICATE, REORDER, Verdicts
from mayhem_udp.units import MIB

HELD_MAX_BYTES: Final = 64 * MIB
"""What one link holds at most unless told otherwise: 1 Gbit/s for half a second."""


class LinkCounts(Struct, frozen=True):
    """What a link has done so far, in datagrams.

    Every one is delivered, lost or still inside:
    seen + duplicated = delivered + dropped + blacked_out + queue_dropped + held
    """

    seen: int = 0
    dropped: int = 0
    """Lost at random."""
    blacked_out: int = 0
    queue_dropped: int = 0
    """Lost because a queue, or the link itself, was full."""
    corrupted: int = 0
    duplicated: int = 0
    reordered: int = 0
    """Came out after one that had been sent later."""
    delayed: int = 0
    """Did not come out at once."""
    delivered: int = 0
    held: int = 0
    """On their way at this moment."""
    seen_bytes: int = 0
    delivered_bytes: int = 0

    @property
    def lost(self) -> int:
        """All that will never come out."""
        return self.dropped + self.blacked_out + self.queue_dropped

    def settled(self) -> "LinkCounts":
        """The counts of a link that is given up: what is still inside is lost with it."""
        return replace(self, queue_dropped=self.queue_dropped + self.held, held=0)

    def __add__(self, other: "LinkCounts") -> "LinkCounts":
        names = LinkCounts.__struct_fields__
        return LinkCounts(*(getattr(self, name) + getattr(other, name) for name in names))


class Origin:
    """The time from which blackouts and changes of rate count: the first datagram, unless given."""

    __slots__ = ("at_ns",)

    def __init__(self, at_ns: int | None = None) -> None:
        self.at_ns = at_ns


class Link(Generic[Tag]):
    """One direction. A tag (say an address) may travel with each datagram; a `Link[None]` has none."""

    def __init__(
        self,
        spec: FaultSpec,
        *,
        seed: int = 0,
        direction: Direction = Direction.OUT,
        origin: Origin | None = None,
        held_max_bytes: int = HELD_MAX_BYTES,
    ) -> None:
        self.spec = spec
        self._schedule = Schedule(seed=seed, direction=direction)
        self._verdicts = Verdicts(spec, schedule=self._schedule)
        self._block = self._verdicts.block(0)
        self._line: Line[Tag] = Line()
        self._bottleneck = Bottleneck(spec) if spec.rate_bps is not None else None
        self._origin = Origin() if origin is None else origin
        self._held_max_bytes = held_max_bytes
        self._newest_due_ns = 0
        self._number = self._dropped = self._blacked_out = self._queue_dropped = 0
        self._corrupted = self._duplicated = self._delayed = self._delivered = 0
        self._seen_bytes = self._delivered_bytes = 0

    def push(self, datagram: bytes, *, now_ns: int, tag: Tag = None) -> None:  # type: ignore[assignment]  # Link[None]
        """One datagram enters. Its bytes are kept, not copied."""
        number = self._number
        self._number = number + 1
        self._seen_bytes += len(datagram)
        at = number % BLOCK
        if at == 0 and number:
            self._block = self._verdicts.block(number // BLOCK)
        if self._origin.at_ns is None:
            self._origin.at_ns = now_ns
        flags = self._block.flags[at]
        if flags & DROP:
            self._dropped += 1
        elif self.spec.blackouts and self._is_black(now_ns):
            self._blacked_out += 1
        else:
            self._enter(datagram, tag, number, flags, now_ns)
            if flags & DUPLICATE:
                self._duplicated += 1
                self._enter(datagram, tag, number, 0, now_ns)

    def push_batch(self, datagrams: Sequence[bytes], *, now_ns: int, tag: Tag = None) -> None:  # type: ignore[assignment]  # Link[None]
        """Many datagrams enter, in this order, at one time."""
        for each in datagrams:
            self.push(each, now_ns=now_ns, tag=tag)

    def pop_due(self, *, now_ns: int) -> list[bytes]:
        """The datagrams that have come through by now."""
        return [datagram for datagram, _ in self.pop_due_tagged(now_ns=now_ns)]

    def pop_due_tagged(self, *, now_ns: int) -> list[tuple[bytes, Tag]]:
        """The datagrams that have come through by now, each with its tag."""
        out = self._line.pop_due(now_ns=now_ns)
        self._delivered += len(out)
        for datagram, _ in out:
            self._delivered_bytes += len(datagram)
        return out

    def next_due_ns(self) -> int | None:
        """When the next datagram comes through; None: nothing is on its way."""
        return self._line.next_due_ns()

    def queued_bytes(self, *, now_ns: int) -> int:
        """Bytes that wait for the rate, headers included; 0 without a rate."""
        return self._bottleneck.queued_bytes(now_ns=now_ns) if self._bottleneck else 0

    @property
    def counts(self) -> LinkCounts:
        """What happened so far."""
        return LinkCounts(
            seen=self._number,
            dropped=self._dropped,
            blacked_out=self._blacked_out,
            queue_dropped=self._queue_dropped,
            corrupted=self._corrupted,
            duplicated=self._duplicated,
            reordered=self._line.overtaken,
            delayed=self._delayed,
            delivered=self._delivered,
            held=len(self._line),
            seen_bytes=self._seen_bytes,
            delivered_bytes=self._delivered_bytes,
        )

    def _is_black(self, now_ns: int) -> bool:
        assert self._origin.at_ns is not None
        since_ns = now_ns - self._origin.at_ns
        return any(blackout.covers(since_ns) for blackout in self.spec.blackouts)

    def _enter(self, datagram: bytes, tag: Tag, number: int, flags: int, now_ns: int) -> None:
        """One that was not lost at random: through the queue, then onto the line."""
        if self._line.held_bytes + len(datagram) > self._held_max_bytes:
            self._queue_dropped += 1
            return
        due_ns = now_ns
        if self._bottleneck is not None:
            assert self._origin.at_ns is not None
            sent_ns = self._bottleneck.admit(len(datagram), now_ns=now_ns, origin_ns=self._origin.at_ns)
            if sent_ns is None:
                self._queue_dropped += 1
                return
            due_ns = sent_ns
        spec = self.spec
        due_ns += spec.delay_ns
        if self._block.extra_delays_ns is not None:
            due_ns += self._block.extra_delays_ns[number % BLOCK]
        if flags & CORRUPT:
            self._corrupted += 1
            datagram = damaged(datagram, schedule=self._schedule, number=number, weights=spec.corrupt_mix)
        if flags & REORDER:
            self._hold(datagram, tag, number, due_ns)
        elif spec.order is Order.FREE and spec.jitter_ns:
            self._line.add_stray(datagram, tag, number=number, due_ns=due_ns)
        else:
            due_ns = self._newest_due_ns = max(due_ns, self._newest_due_ns)
            self._line.add(datagram, tag, number=number, due_ns=due_ns)
        if due_ns > now_ns or flags & REORDER:
            self._delayed += 1

    def _hold(self, datagram: bytes, tag: Tag, number: int, due_ns: int) -> None:
        overtakers = 1 + self._schedule.below(self.spec.reorder_by, Purpose.DISPLACEMENT, number)
        until_ns = max(due_ns, self._newest_due_ns) + self.spec.reorder_hold_ns
        self._line.hold(datagram, tag, number=number, until_ns=until_ns, overtakers=overtakers)


class LinkPair(Struct, Generic[Tag], frozen=True):
    """Both directions between a client and a server, with one origin of time."""

    outward: Link[Tag]
    inward: Link[Tag]

    @classmethod
    def of(
        cls, spec: MayhemSpec, *, seed: int | None = None, origin_ns: int | None = None
    ) -> "LinkPair[Tag]":
        """The links of a spec; `seed` takes the place of the spec's own."""
        origin = Origin(origin_ns)
        chosen = spec.seed if seed is None else seed
        return cls(
            Link(spec.outward, seed=chosen, direction=Direction.OUT, origin=origin),
            Link(spec.inward, seed=chosen, direction=Direction.IN, origin=origin),
        )

    def toward(self, direction: Direction) -> Link[Tag]:
        """The link of one direction."""
        return self.outward if direction is Direction.OUT else self.inward

    def next_due_ns(self) -> int | None:
        """When the next datagram comes through in either direction."""
        dues = [due for due in (self.outward.next_due_ns(), self.inward.next_due_ns()) if due is not None]
        return min(dues, default=None)
