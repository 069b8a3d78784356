"""Who is due next: one deadline for each of many, in a heap.

Owns the order of deadlines, ties by who got theirs first. A deadline may be moved or taken away at any
time; what is stale in the heap is skipped when it comes up.
Never reads a clock and never calls anybody.
"""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

STALE_MAX: Final = 64
"""Stale entries that are tolerated beside as many as there are keys."""


class Agenda(Generic[Key]):
    """At most one deadline for each key."""

    __slots__ = ("_due", "_heap", "_turn")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Key]] = []
        self._due: dict[Key, tuple[int, int]] = {}  # the entry that counts: its time and turn
        self._turn = 0

    def __len__(self) -> int:
        return len(self._due)

    def put(self, key: Key, due_ns: int | None) -> None:
        """Set the deadline of `key`; None takes it away."""
        if due_ns is None:
            self._due.pop(key, None)
            return
        held = self._due.get(key)
        if held is not None and held[0] == due_ns:
            return
        self._turn += 1
        self._due[key] = (due_ns, self._turn)
        heappush(self._heap, (due_ns, self._turn, key))
        if len(self._heap) > 2 * len(self._due) + STALE_MAX:
            self._heap = [(due, turn, each) for each, (due, turn) in self._due.items()]
            heapify(self._heap)

    def next_ns(self) -> int | None:
        """The earliest deadline; None: nobody has one."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) != heap[0][:2]:
            heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, *, now_ns: int) -> list[Key]:
        """Those whose deadline has come, the earliest first; they have none afterwards."""
        keys: list[Key] = []
        while (due_ns := self.next_ns()) is not None and due_ns <= now_ns:
            key = heappop(self._heap)[2]
            del self._due[key]
            keys.append(key)
        return keys
