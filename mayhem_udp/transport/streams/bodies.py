"""The two halves of a body: a file's bytes, addressed by their offset in the file.

The sender keeps the blocks that its owner supplied until they are acknowledged; the receiver keeps
nothing but ranges, since what arrives goes straight to its place in the file.
Never reads or writes a file, never knows how large it is.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import BODY_RANGES_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.flow import ReceiveWindow
from mayhem_udp.transport.memory import Memory

RANGE_BYTES: Final = 200
"""What one more hole in a body costs, here and with those who put the bytes in their place."""


class Piece(NamedTuple):
    """Bytes to send: `length` of them from `offset`, in `data`; within one block."""

    offset: int
    length: int
    data: NDArray[uint8]
    is_repeat: bool


class BodySend:
    """What is to be sent of a body, and sent again."""

    __slots__ = (
        "_acked",
        "_block_starts",
        "_blocks",
        "_lost",
        "_memory",
        "_next",
        "buffered_bytes",
        "limit",
        "stream_id",
    )

    def __init__(self, stream_id: int, *, limit: int, memory: Memory) -> None:
        self._memory = memory
        self.stream_id = stream_id
        self.limit = limit
        self.buffered_bytes = 0
        self._blocks: list[NDArray[uint8]] = []
        self._block_starts: list[int] = []
        self._next = 0
        self._acked = RangeSet()
        self._lost = RangeSet()

    def supply(self, offset: int, block: NDArray[uint8]) -> None:
        """Take bytes to send; blocks come in the order of their offsets."""
        assert not self._block_starts or offset >= self._block_starts[-1], "blocks come in order"
        self._blocks.append(block)
        self._block_starts.append(offset)
        self.buffered_bytes += len(block)
        self._memory.take(len(block))

    def skip(self, start: int, stop: int) -> None:
        """The peer has `[start, stop)` already."""
        self.on_acked(start, stop - start)

    @property
    def is_settled(self) -> bool:
        """Whether everything supplied has been acknowledged."""
        return not self._blocks

    @property
    def acked_bytes(self) -> int:
        """How much the peer has."""
        return self._acked.covered

    def wants_to_send(self) -> bool:
        """Whether `take` would give something."""
        if self._lost:
            return True
        start = self._acked.stop_of(self._next)
        return start < self.limit and self._block_of(start) is not None

    @property
    def is_blocked(self) -> bool:
        """Whether bytes wait that may not be sent; asked where none are in flight."""
        return bool(self._blocks) and not self.wants_to_send()

    def take(self, max_bytes: int) -> Piece | None:
        """The next piece to send, what was lost first; it ends where its block ends."""
        while self._lost:
            start, stop = self._lost.lowest()
            piece = self._cut(start, min(stop, start + max_bytes), is_repeat=True)
            if piece is not None:
                self._lost.remove(start, start + piece.length)
                return piece
            self._lost.remove(start, stop)  # acknowledged and released meanwhile
        start = self._acked.stop_of(self._next)
        stop = min(self.limit, start + max_bytes)
        for hole_start, hole_stop in self._acked.holes(start, stop):
            piece = self._cut(hole_start, hole_stop, is_repeat=False)
            if piece is not None:
                self._next = piece.offset + piece.length
            return piece
        return None

    def on_acked(self, offset: int, length: int) -> None:
        """These bytes have arrived: release the blocks that are acknowledged whole."""
        stop = offset + length
        self._acked.add(offset, stop)
        if self._lost:
            self._lost.remove(offset, stop)
        starts = self._block_starts
        index = bisect_right(starts, offset) - 1
        index = max(index, 0)
        while index < len(starts) and starts[index] < stop:
            size = len(self._blocks[index])
            if self._acked.covers(starts[index], starts[index] + size):
                self.buffered_bytes -= size
                self._memory.give(size)
                del starts[index], self._blocks[index]
            else:
                index += 1

    def on_lost(self, offset: int, length: int) -> None:
        """Queue these bytes again, less what is acknowledged otherwise."""
        for start, stop in list(self._acked.holes(offset, offset + length)):
            self._lost.add(start, stop)

    def let_go(self) -> None:
        """The request has ended: nothing of it is sent any more."""
        self._memory.give(self.buffered_bytes)
        self.buffered_bytes = 0
        self._blocks.clear()
        self._block_starts.clear()
        self._lost = RangeSet()

    def _block_of(self, offset: int) -> int | None:
        index = bisect_right(self._block_starts, offset) - 1
        if index >= 0 and offset < self._block_starts[index] + len(self._blocks[index]):
            return index
        return None

    def _cut(self, start: int, stop: int, *, is_repeat: bool) -> Piece | None:
        index = self._block_of(start)
        if index is None:
            return None
        base = self._block_starts[index]
        data = self._blocks[index][start - base : stop - base]
        return Piece(start, len(data), data, is_repeat)


class BodyReceive:
    """Which bytes of a body are here, and how much more may come."""

    __slots__ = ("_memory", "_ranges", "received", "window")

    def __init__(self, window: ReceiveWindow, *, memory: Memory) -> None:
        self.received = RangeSet()
        self.window = window
        self._memory = memory
        self._ranges = 1
        """How many were counted; the first is part of what a request costs anyway."""

    def put(self, offset: int, data: NDArray[uint8]) -> list[tuple[int, NDArray[uint8]]]:
        """Take bytes; returns those that are new, with their offsets. Raises `PeerError`."""
        stop = offset + len(data)
        if stop > self.window.limit:
            raise PeerError("a body was sent past its credit", code=Code.FLOW_CONTROL)
        edge = self.received.stop if self.received else 0
        if offset >= edge:
            new = [(offset, data)]
        else:
            holes = list(self.received.holes(offset, stop))
            new = [(start, data[start - offset : end - offset]) for start, end in holes]
        self.received.add(offset, stop)
        if len(self.received) > BODY_RANGES_MAX:
            raise PeerError("a body came in too many pieces", code=Code.LIMIT_EXCEEDED)
        if len(self.received) != self._ranges:
            self._memory.take((len(self.received) - self._ranges) * RANGE_BYTES)
            self._ranges = len(self.received)
        return new

    def let_go(self) -> None:
        """The request has ended."""
        self._memory.give((self._ranges - 1) * RANGE_BYTES)
        self._ranges = 1
        self.window.close()


def as_block(data: bytes | bytearray | memoryview | NDArray[uint8]) -> NDArray[uint8]:
    """Any bytes as one-dimensional uint8, without copying."""
    return data if isinstance(data, np.ndarray) else np.frombuffer(data, uint8)
