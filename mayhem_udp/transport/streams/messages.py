"""The two halves of a message stream: short messages, in order, each with its length before it.

The sender keeps bytes until they are acknowledged, the receiver until they are in order; both are
bounded by the stream's window. Never knows what a message says.
"""

from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import MESSAGE_MAX_BYTES, MESSAGE_WINDOW_BYTES
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.memory import Memory
from mayhem_udp.wire.layout import MESSAGE_HEAD

LENGTH_BYTES: Final = MESSAGE_HEAD.size


class MessageSend:
    """What is to be sent of a message stream, and sent again."""

    __slots__ = ("_acked", "_base", "_bytes", "_lost", "_memory", "_next", "limit")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._bytes = bytearray()
        self._base = 0  # the stream's offset of _bytes[0]
        self._next = 0  # the first offset never sent
        self._acked = RangeSet()
        self._lost = RangeSet()
        self.limit = MESSAGE_WINDOW_BYTES

    def append(self, message: bytes) -> None:
        """Queue one message."""
        assert len(message) <= MESSAGE_MAX_BYTES, "a message has a bound"
        self._bytes += len(message).to_bytes(LENGTH_BYTES) + message
        self._memory.take(LENGTH_BYTES + len(message))

    @property
    def queued_bytes(self) -> int:
        """What is not acknowledged yet."""
        return len(self._bytes)

    @property
    def wants_to_send(self) -> bool:
        """Whether `take` would give something."""
        return bool(self._lost) or self._next < min(self._base + len(self._bytes), self.limit)

    @property
    def is_blocked(self) -> bool:
        """Whether bytes wait that may not be sent; asked where none are in flight."""
        return bool(self._bytes) and not self.wants_to_send

    def take(self, max_bytes: int) -> tuple[int, bytes] | None:
        """The next piece to send: what was lost first."""
        if self._lost:
            start, stop = self._lost.lowest()
            stop = min(stop, start + max_bytes)
            self._lost.remove(start, stop)
            return start, bytes(self._bytes[start - self._base : stop - self._base])
        start = self._next
        stop = min(self._base + len(self._bytes), self.limit, start + max_bytes)
        if start >= stop:
            return None
        self._next = stop
        return start, bytes(self._bytes[start - self._base : stop - self._base])

    def on_acked(self, start: int, stop: int) -> None:
        """The peer has `[start, stop)`."""
        self._acked.add(start, stop)
        self._lost.remove(start, stop)
        edge = self._acked.stop_of(self._base)
        if edge > self._base:
            del self._bytes[: edge - self._base]
            self._memory.give(edge - self._base)
            self._base = edge
            self._acked.drop_below(edge)

    def let_go(self) -> None:
        """The request has ended: nothing of it is sent any more."""
        self._memory.give(len(self._bytes))
        self._bytes.clear()

    def on_lost(self, start: int, stop: int) -> None:
        """`[start, stop)` was lost: queue again what is not acknowledged otherwise."""
        for hole_start, hole_stop in list(self._acked.holes(max(start, self._base), stop)):
            self._lost.add(hole_start, hole_stop)


class MessageReceive:
    """What has come of a message stream, until it is in order and whole."""

    __slots__ = ("_base", "_bytes", "_memory", "_received", "limit")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._bytes = bytearray()
        self._base = 0
        self._received = RangeSet()
        self.limit = MESSAGE_WINDOW_BYTES
        """The credit given to the peer."""

    def put(self, offset: int, data: bytes | memoryview) -> list[bytes]:
        """Take a piece; returns the messages that are whole now. Raises `PeerError`."""
        stop = offset + len(data)
        if stop > self.limit:
            raise PeerError("a message stream was sent past its credit", code=Code.FLOW_CONTROL)
        if stop <= self._base:
            return []
        if offset < self._base:
            data = data[self._base - offset :]
            offset = self._base
        position = offset - self._base
        grown = stop - self._base - len(self._bytes)
        if grown > 0:
            self._bytes.extend(bytes(grown))
            self._memory.take(grown)
        self._bytes[position : position + len(data)] = data
        self._received.add(offset, stop)
        return self._whole_messages()

    def _whole_messages(self) -> list[bytes]:
        ready = self._received.stop_of(self._base) - self._base
        messages: list[bytes] = []
        position = 0
        while ready - position >= LENGTH_BYTES:
            length = int.from_bytes(self._bytes[position : position + LENGTH_BYTES])
            if length > MESSAGE_MAX_BYTES:
                raise PeerError("a message is longer than allowed", code=Code.LIMIT_EXCEEDED)
            if ready - position < LENGTH_BYTES + length:
                break
            start = position + LENGTH_BYTES
            messages.append(bytes(self._bytes[start : start + length]))
            position = start + length
        if position:
            del self._bytes[:position]
            self._memory.give(position)
            self._base += position
            self._received.drop_below(self._base)
        return messages

    @property
    def held_bytes(self) -> int:
        """What waits until it is whole, the room for what is missing included."""
        return len(self._bytes)

    def let_go(self) -> None:
        """The request has ended."""
        self._memory.give(len(self._bytes))
        self._bytes.clear()

    def new_credit(self) -> int | None:
        """A higher limit to tell the peer, once half of the window is used up."""
        if self.limit - self._base > MESSAGE_WINDOW_BYTES // 2:
            return None
        self.limit = self._base + MESSAGE_WINDOW_BYTES
        return self.limit
