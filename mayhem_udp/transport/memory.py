"""Memory that is held for peers: how much there is, and how much more there may be.

One account is for the whole listener, and each connection has one under it. Whoever keeps bytes because of a
peer takes them from the account and gives them back: bodies until they are acknowledged, messages until they
are whole or acknowledged, what waits for a disk. Bytes that are only passed on are not counted.

A connection may take at will as much as it leaves free to all (Choudhury and Hahne 1998, "Dynamic queue
length thresholds for shared-memory packet switches"): one greedy connection gets a half, N of them leave one
part in N + 1. So no handful uses up everything, and no one waits for a share that was fixed for the worst day.
Never holds a byte itself, and never decides what becomes of a peer.
"""

from typing import Final

from mayhem_udp.limits import MEMORY_FLOOR_BYTES
from mayhem_udp.units import KIB

CONNECTION_BYTES: Final = 12 * KIB
"""What a connection costs that does nothing: 10,000 bytes measured with its session, and its place in tables."""
REQUEST_BYTES: Final = 4 * KIB
"""What an open request costs beside its bytes: 2,000 measured here, and the exchange that serves it."""
RUN_BYTES: Final = 512
"""What an entry of the ledger costs: 440 measured, with a frame in it."""


class Memory:
    """One account; what is taken from it is taken from its parent, too."""

    __slots__ = ("_overhead_bytes", "_parent", "max_bytes", "used_bytes")

    def __init__(self, max_bytes: int, *, parent: "Memory | None" = None) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._parent = parent
        self._overhead_bytes = 0

    def take(self, count: int) -> None:
        """`count` more bytes are held. They are here already: nobody is refused, those who ask first wait."""
        self.used_bytes += count
        if self._parent is not None:
            self._parent.take(count)

    def give(self, count: int) -> None:
        """`count` bytes are held no longer."""
        assert count <= self.used_bytes, "nobody gives back what was not taken"
        self.used_bytes -= count
        if self._parent is not None:
            self._parent.give(count)

    def set_overhead(self, count: int) -> None:
        """What keeping the books costs: it counts for all, but takes nothing from what this one may hold."""
        if self._parent is not None and count != self._overhead_bytes:
            self._parent.used_bytes += count - self._overhead_bytes
            self._overhead_bytes = count

    @property
    def left_bytes(self) -> int:
        """How much more there may be, by the last byte; below zero where something came all the same.

        The floor is everybody's: nobody stands still for ever because of others.
        """
        own = self.max_bytes - self.used_bytes
        if self._parent is None:
            return own
        return min(own, max(self._parent.left_bytes, MEMORY_FLOOR_BYTES - self.used_bytes))

    @property
    def share_bytes(self) -> int:
        """How much more may be taken at will, so that as much is left for others."""
        own = self.max_bytes - self.used_bytes
        if self._parent is None:
            return own
        return min(own, max(self._parent.left_bytes, MEMORY_FLOOR_BYTES) - self.used_bytes)

    @property
    def is_used_up(self) -> bool:
        """Whether all together hold as much as they may, so that nobody new is let in."""
        return self._parent is not None and self._parent.left_bytes <= 0
