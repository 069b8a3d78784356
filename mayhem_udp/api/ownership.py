"""Whose a client is: of the process that made it, and of one of its threads at a time.

Owns the refusal of all others: they would take the datagrams of the one that waits for them, who would wait
for ever. Never waits itself.
"""

import os
import threading
from types import TracebackType
from typing import Final

from mayhem_udp.errors import UsageError

NESTED_MAX: Final = 16
"""Calls within each other, from progress callbacks: nobody means more, and Python's stack has an end."""


class Ownership:
    """To be held (`with`) while the client is at work. Its own thread may hold it again meanwhile."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._depth = 0  # guarded by the lock

    @property
    def is_of_this_process(self) -> bool:
        """Whether this is the process that made the client, not one that was forked from it."""
        return os.getpid() == self._process

    def __enter__(self) -> None:
        """Begin. Raises `UsageError` where this is not for the caller."""
        if not self.is_of_this_process:
            raise UsageError(
                f"this client belongs to process {self._process}", remedy="connect in this process"
            )
        if not self._lock.acquire(blocking=False):
            raise UsageError(
                "another thread is in the midst of a call on this client, which is for one thread at a time",
                remedy="make a client for each thread",
            )
        if self._depth == NESTED_MAX:
            self._lock.release()
            raise UsageError(
                f"{NESTED_MAX} calls on this client were begun within each other",
                remedy="a progress callback hears of those that it begins, too: begin them after the call",
            )
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one begin."""
        self._depth -= 1
        self._lock.release()
