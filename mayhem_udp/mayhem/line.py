"""The delay line: datagrams on their way, each with the time at which it comes out.

Owns what a link holds and the order in which it comes out. Most datagrams come out as they went in, so
they wait in a queue; only strays (overtaking, or held back to be overtaken) go through a heap.
Never loses a datagram and never decides how long one takes: that is `link`.
"""

from collections import deque
from heapq import heappop, heappush
from typing import Generic, TypeVar

Tag = TypeVar("Tag")
_Entry = tuple[int, int, int, bytes, Tag]  # due_ns, turn (ties keep it), datagram number, datagram, tag


class Line(Generic[Tag]):
    """Datagrams with a tag of the caller's (say an address), by the time at which they come out."""

    __slots__ = (
        "_in_order",
        "_newest_out",
        "_passed",
        "_strays",
        "_superseded",
        "_turn",
        "_waiting",
        "held_bytes",
        "overtaken",
    )

    def __init__(self) -> None:
        self._in_order: deque[_Entry[Tag]] = deque()
        self._strays: list[_Entry[Tag]] = []
        self._turn = 0
        self._passed = 0
        self._waiting: list[tuple[int, _Entry[Tag]]] = []  # by the count of `_passed` that lets one go
        self._superseded: set[int] = set()  # turns of strays whose place was given up
        self._newest_out = -1
        self.held_bytes = 0
        """Payload bytes inside."""
        self.overtaken = 0
        """How many came out after one with a higher number (RFC 4737's reordered)."""

    def __len__(self) -> int:
        return len(self._in_order) + len(self._strays) - len(self._superseded)

    def add(self, datagram: bytes, tag: Tag, *, number: int, due_ns: int) -> None:
        """Put one at the end; `due_ns` is not before that of any earlier `add`."""
        self._in_order.append((due_ns, self._turn, number, datagram, tag))
        self._turn += 1
        self.held_bytes += len(datagram)
        if self._waiting:
            self._let_go(due_ns)

    def add_stray(self, datagram: bytes, tag: Tag, *, number: int, due_ns: int) -> None:
        """Put one that comes out when it is due, before or after any other."""
        heappush(self._strays, (due_ns, self._turn, number, datagram, tag))
        self._turn += 1
        self.held_bytes += len(datagram)
        if self._waiting:
            self._let_go(due_ns)

    def hold(self, datagram: bytes, tag: Tag, *, number: int, until_ns: int, overtakers: int) -> None:
        """Put one that comes out behind the next `overtakers` that are added, at `until_ns` at the latest."""
        entry = (until_ns, self._turn, number, datagram, tag)
        heappush(self._strays, entry)
        if not self._waiting:
            self._passed = 0
        heappush(self._waiting, (self._passed + overtakers, entry))
        self._turn += 1
        self.held_bytes += len(datagram)

    def _let_go(self, due_ns: int) -> None:
        """One more has passed the held ones; those with enough overtakers follow it."""
        self._passed += 1
        while self._waiting and self._waiting[0][0] <= self._passed:
            until_ns, turn, number, datagram, tag = heappop(self._waiting)[1]
            if until_ns > due_ns:  # otherwise it is out already, or soon enough by itself
                self._superseded.add(turn)
                heappush(self._strays, (due_ns, self._turn, number, datagram, tag))
                self._turn += 1

    def next_due_ns(self) -> int | None:
        """When the next one comes out; None when nothing is inside."""
        strays = self._strays
        while self._superseded and strays[0][1] in self._superseded:
            self._superseded.remove(heappop(strays)[1])
        if not self._in_order:
            return strays[0][0] if strays else None
        due_ns = self._in_order[0][0]
        return min(due_ns, strays[0][0]) if strays else due_ns

    def pop_due(self, *, now_ns: int) -> list[tuple[bytes, Tag]]:
        """Take out what is due, in the order in which it comes out."""
        out: list[tuple[bytes, Tag]] = []
        in_order = self._in_order
        while in_order and in_order[0][0] <= now_ns and not self._strays:
            _, _, number, datagram, tag = in_order.popleft()
            self._newest_out = number
            self.held_bytes -= len(datagram)
            out.append((datagram, tag))
        while (due_ns := self.next_due_ns()) is not None and due_ns <= now_ns:
            out.append(self._pop_first())
        return out

    def _pop_first(self) -> tuple[bytes, Tag]:
        """Take out the first of either kind; `next_due_ns` has cleared the strays' head."""
        in_order, strays = self._in_order, self._strays
        stray_first = strays and (not in_order or strays[0] < in_order[0])
        _, _, number, datagram, tag = heappop(strays) if stray_first else in_order.popleft()
        if number < self._newest_out:
            self.overtaken += 1
        else:
            self._newest_out = number
        self.held_bytes -= len(datagram)
        return datagram, tag
