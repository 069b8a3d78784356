"""The watchdog: tells the service manager that the loop turns, and the log why it does not.

Owns one thread beside the loop, and the line in the log before the end: systemd sends SIGABRT to a daemon
that it has not heard of for so long, and a loop that stands still cannot say a word itself. The line names
the callback that is under way and where in the source it stands.

After that line Python's own dump (PYTHONFAULTHANDLER) has nothing to add, and is off until the loop turns
again: what a person finds last in the log is the reason. Where even this thread cannot run, since C code
keeps the interpreter's lock, the dump is what says so.
"""

import faulthandler
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.gaps import Gaps
from mayhem_udp.endpoint.systemd import Notifier
from mayhem_udp.log import Logger
from mayhem_udp.units import MS, SECOND

BEATS: Final = 2
"""In each time that the service manager waits, as sd_watchdog_enabled(3) recommends."""
LOOKS: Final = 8
"""The same for this thread's looks at the loop."""
LATE_LOOKS: Final = 6
"""A beat that is this many looks old is late; the next look may be too late."""
FRAMES_MAX: Final = 12
"""The innermost ones are shown."""


class Watchdog:
    """Watches the loop of the thread that makes it. `limit_ns` is how long the service manager waits."""

    def __init__(self, gaps: Gaps, *, notifier: Notifier, log: Logger, limit_ns: int) -> None:
        self.beat_ns = limit_ns // BEATS
        """How often `beat` is wanted."""
        self._gaps = gaps
        self._notifier = notifier
        self._log = log
        self._look_ns = limit_ns // LOOKS
        self._heard_ns = monotonic_ns()
        self._loop_thread = threading.get_ident()
        self._has_dump = faulthandler.is_enabled()
        self._has_told = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """The loop turns."""
        self._heard_ns = monotonic_ns()
        if self._has_told:
            self._has_told = False
            if self._has_dump:
                faulthandler.enable()
        self._notifier.watchdog()

    def close(self) -> None:
        """Watch no more."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        """The thread's life."""
        while not self._is_over.wait(self._look_ns / SECOND):
            silence_ns = monotonic_ns() - self._heard_ns
            # A loop that waits is well: the process was stopped as a whole, and goes on.
            if silence_ns >= LATE_LOOKS * self._look_ns and self._gaps.doing and not self._has_told:
                self._tell(silence_ns)

    def _tell(self, silence_ns: int) -> None:
        self._has_told = True
        faulthandler.disable()
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # its documented name
        self._log.error(
            "the loop stands still, and the service manager is about to end this daemon",
            ms=round(silence_ns / MS),
            busy_with=self._gaps.doing,
            where=where_of(frame),
        )


def where_of(frame: FrameType | None) -> list[str]:
    """Where a thread stands, the innermost call first; reads no source, since the disk may be what it waits for."""
    places: list[str] = []
    while frame is not None and len(places) < FRAMES_MAX:
        code = frame.f_code
        places.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_qualname}")
        frame = frame.f_back
    return places
