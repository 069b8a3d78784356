"""What goes wrong at a socket, sorted into kinds.

Owns the meaning of the errors that the network and the kernel give. A datagram that could not be sent
counts as one that the network lost, for the transport to find: nothing here is fatal. A client looks at
the troubles, to say why nothing answers.
"""

import errno
from enum import Enum
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import UnreachableError
from mayhem_udp.url import HostPort


class TroubleKind(Enum):
    """What it means to whoever waits for an answer."""

    REFUSED = "refused"
    """Nobody listens at that port: its host said so (ICMP)."""
    UNREACHABLE = "unreachable"
    """No route, the network is down, or a router said so (ICMP)."""
    TOO_LARGE = "too large"
    """A datagram does not fit the interface; the discovery of the path's MTU meets this now and then."""
    FORBIDDEN = "forbidden"
    """A firewall of this machine's."""
    NO_ROOM = "no room"
    """The kernel is short of memory or a device's queue is full."""
    OTHER = "other"


KIND_OF_ERRNO: Final = {
    errno.ECONNREFUSED: TroubleKind.REFUSED,
    errno.ENETUNREACH: TroubleKind.UNREACHABLE,
    errno.EHOSTUNREACH: TroubleKind.UNREACHABLE,
    errno.ENETDOWN: TroubleKind.UNREACHABLE,
    errno.EHOSTDOWN: TroubleKind.UNREACHABLE,
    errno.ENONET: TroubleKind.UNREACHABLE,
    errno.EADDRNOTAVAIL: TroubleKind.UNREACHABLE,
    errno.ENODEV: TroubleKind.UNREACHABLE,
    errno.EMSGSIZE: TroubleKind.TOO_LARGE,
    errno.EPERM: TroubleKind.FORBIDDEN,
    errno.EACCES: TroubleKind.FORBIDDEN,
    errno.ENOBUFS: TroubleKind.NO_ROOM,
    errno.ENOMEM: TroubleKind.NO_ROOM,
}
OURS: Final = frozenset({errno.EBADF, errno.ENOTSOCK, errno.EFAULT})
"""Errors that only a bug of ours can cause: these are raised."""


class Trouble(Struct, frozen=True):
    """One kind of trouble, with the name of the error that came last: `ECONNREFUSED`."""

    kind: TroubleKind
    error_name: str


class Troubles:
    """The troubles of one socket: each kind counted, and reported once until somebody has looked."""

    def __init__(self) -> None:
        self.datagrams_unsent = dict.fromkeys(TroubleKind, 0)
        self._news: dict[TroubleKind, Trouble] = {}

    def note(self, error: OSError, *, datagrams_unsent: int = 0) -> TroubleKind:
        """Something went wrong, and cost so many datagrams."""
        number = error.errno or 0
        if number in OURS:
            raise error
        kind = KIND_OF_ERRNO.get(number, TroubleKind.OTHER)
        self.datagrams_unsent[kind] += datagrams_unsent
        self._news[kind] = Trouble(kind, errno.errorcode.get(number, str(number)))
        return kind

    def poll(self) -> Trouble | None:
        """The oldest kind of trouble that has not been looked at."""
        return self._news.pop(next(iter(self._news))) if self._news else None


def error_of_trouble(kind: TroubleKind, place: HostPort) -> UnreachableError:
    """What a client says that is kept from its server."""
    if kind is TroubleKind.REFUSED:
        return UnreachableError(
            f"nobody listens at {place}",
            remedy="is the server running, and is that its port? start one with `mayhem serve`",
        )
    if kind is TroubleKind.FORBIDDEN:
        return UnreachableError(f"a firewall of this machine forbids sending to {place}")
    return UnreachableError(f"{place} cannot be reached", remedy="check the network connection")
