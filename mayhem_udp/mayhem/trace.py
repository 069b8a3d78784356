"""What happened in a simulation, newest last: a bounded diary for the moment when something fails.

Owns the entries and their printing. Never decides anything.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Final

from msgspec import Struct

from mayhem_udp.transport.datagrams import Address
from mayhem_udp.units import MS

TRACE_MAX: Final = 2_000
"""Entries kept unless told otherwise."""
TAIL_SHOWN: Final = 30
"""Entries in the message of a failure."""


class Happening(Enum):
    """What an entry is about."""

    SENT = "sends"
    ARRIVED = "gets"
    NOWHERE = "sends to nobody"
    ASLEEP = "sleeps through"
    TIMER = "has a timer due"
    ACTION = "happens"


def _named(whom: Address | str) -> str:
    return whom if isinstance(whom, str) else f"{whom.host}:{whom.port}"


class TraceEntry(Struct, frozen=True):
    """One thing that happened to one peer (or, for an action, to the whole); printed only when asked."""

    at_ns: int
    happening: Happening
    who: Address | str
    other: Address | None = None
    datagrams: int = 0
    size_bytes: int = 0

    def __str__(self) -> str:
        text = f"{self.at_ns / MS:12.3f} ms  {_named(self.who)} {self.happening.value}"
        if self.datagrams:
            text += f" {self.datagrams} datagrams, {self.size_bytes} bytes"
        return text if self.other is None else f"{text}, {_named(self.other)}"


class Trace:
    """The newest entries, as many as were asked for."""

    __slots__ = ("_entries", "seen")

    def __init__(self, *, entries_max: int = TRACE_MAX) -> None:
        self._entries: deque[TraceEntry] = deque(maxlen=entries_max)
        self.seen = 0
        """All entries ever, the forgotten ones too."""

    def add(self, entry: TraceEntry) -> None:
        """Note one."""
        self._entries.append(entry)
        self.seen += 1

    def __iter__(self) -> Iterator[TraceEntry]:
        return iter(self._entries)

    def tail(self, count: int = TAIL_SHOWN) -> str:
        """The newest entries, one a line."""
        return "\n".join(str(entry) for entry in list(self._entries)[-count:])
