"""The service manager: what it handed over, and what it wants to hear.

Owns the protocols of sd_notify(3) and sd_listen_fds(3), which are an environment variable each and a
datagram; no library is needed. Where there is no systemd, everything here does nothing and says so.
Never raises: a service manager that went away does not stop a daemon. Imports `socket` for the
notifications.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from mayhem_udp.units import US

LISTEN_FDS_START: Final = 3
"""SD_LISTEN_FDS_START: handed-over descriptors begin here."""
DESCRIPTORS_MAX: Final = 64
"""More sockets than any unit of ours has; a larger number is nonsense."""
STATUS_MAX_CHARS: Final = 200


class HandedOver(Struct, frozen=True):
    """One socket of a socket unit, with its FileDescriptorName= (the unit's name by default)."""

    descriptor: int
    name: str


def handed_over(environ: Mapping[str, str], *, process_id: int) -> tuple[HandedOver, ...]:
    """The sockets that are meant for this very process, in the unit's order."""
    if _number(environ.get("LISTEN_PID")) != process_id:
        return ()
    count = min(_number(environ.get("LISTEN_FDS")), DESCRIPTORS_MAX)
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    names += [""] * (count - len(names))
    return tuple(HandedOver(LISTEN_FDS_START + index, names[index]) for index in range(count))


def watchdog_ns(environ: Mapping[str, str], *, process_id: int) -> int | None:
    """Within what time systemd wants to hear `watchdog` again; None when it does not watch this process.

    sd_watchdog_enabled(3) recommends to call at half of it.
    """
    meant_for = environ.get("WATCHDOG_PID")
    if meant_for is not None and _number(meant_for) != process_id:
        return None
    return _number(environ.get("WATCHDOG_USEC")) * US or None


class Notifier:
    """Tells the service manager how the service is."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._socket: socket.socket | None = None
        self._place = environ.get("NOTIFY_SOCKET", "")
        if self._place.startswith("@"):
            self._place = "\0" + self._place[1:]  # an abstract socket
        if self._place.startswith(("/", "\0")):
            try:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            except OSError:
                self._socket = None

    @property
    def is_heard(self) -> bool:
        """Whether there is a service manager to tell."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """The service is up, after its start or after a reload."""
        self._tell("READY=1", f"MAINPID={os.getpid()}", *_status_lines(status))

    def reloading(self, *, now_ns: int) -> None:
        """The settings are being read again; `ready` follows. The time is the monotonic clock's."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now_ns // US}")

    def stopping(self, status: str = "") -> None:
        """The service begins to end."""
        self._tell("STOPPING=1", *_status_lines(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell(*_status_lines(text))

    def watchdog(self) -> None:
        """The loop still turns."""
        self._tell("WATCHDOG=1")

    def extend_timeout(self, extension_ns: int) -> None:
        """Starting or stopping takes this much longer from now on (EXTEND_TIMEOUT_USEC)."""
        self._tell(f"EXTEND_TIMEOUT_USEC={extension_ns // US}")

    def close(self) -> None:
        """Say no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *lines: str) -> bool:
        if self._socket is None or not lines:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode("utf-8", "replace"), self._place)
        except OSError:  # nobody there, its queue full, a name too long
            return False
        return True


def _status_lines(text: str) -> tuple[str, ...]:
    """A status in one line, since each line of a notification is an assignment of its own."""
    line = " ".join(text.split())[:STATUS_MAX_CHARS]
    return (f"STATUS={line}",) if line else ()


def _number(text: str | None) -> int:
    """A whole number of digits, 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0
