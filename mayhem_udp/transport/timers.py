"""Every deadline of a connection, in one table.

Owns when each timer fires; what happens then is `connection`'s. Never reads a clock.
"""

from enum import IntEnum
from typing import Final


class Timer(IntEnum):
    """What may fire."""

    LOSS = 0
    """The earliest moment at which something in flight counts as lost by time, or a probe is due."""
    ACK = 1
    PACING = 2
    IDLE = 3
    KEEP_ALIVE = 4
    PATH = 5
    MTU = 6
    CLOSING = 7
    HANDSHAKE = 8
    CREDIT = 9
    """Nothing is in flight, and what waits to be sent has no credit: ask, since what was said of it may be lost."""


NEVER: Final = 1 << 63
"""A deadline that does not come."""


class Timers:
    """Deadlines in nanoseconds, `NEVER` where a timer is not set."""

    __slots__ = ("_deadlines",)

    def __init__(self) -> None:
        self._deadlines = [NEVER] * len(Timer)

    def set(self, timer: Timer, deadline_ns: int) -> None:
        """Fire `timer` at `deadline_ns`, whatever was set before."""
        self._deadlines[timer] = deadline_ns

    def stop(self, timer: Timer) -> None:
        """Do not fire `timer`."""
        self._deadlines[timer] = NEVER

    def deadline_ns(self, timer: Timer) -> int:
        """When `timer` fires."""
        return self._deadlines[timer]

    def next_ns(self) -> int:
        """The earliest deadline of all."""
        return min(self._deadlines)

    def expired(self, *, now_ns: int) -> list[Timer]:
        """The timers that are due; each is stopped."""
        due = [Timer(index) for index, deadline in enumerate(self._deadlines) if deadline <= now_ns]
        for timer in due:
            self._deadlines[timer] = NEVER
        return due
