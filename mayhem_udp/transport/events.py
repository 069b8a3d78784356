"""What a connection tells its owner: a closed union of frozen events.

Events are taken with `Connection.poll_event`. Nothing here acts.
"""

from dataclasses import dataclass
from enum import Enum

from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.transport.datagrams import Address
from mayhem_udp.wire.codec import Parameters


class Origin(Enum):
    """Who ended something."""

    LOCAL = "this side"
    PEER = "the peer"
    RESET = "a stateless reset"


@dataclass(frozen=True, slots=True)
class Connected:
    """The handshake is done; `peer` is what the other side said of itself."""

    peer: Parameters


@dataclass(frozen=True, slots=True)
class TokenReceived:
    """Proof of our address, to be kept for the next visit to this server."""

    token: bytes


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """One whole message of a request, in order."""

    request: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class BodyReceived:
    """Bytes of a request's body that were not here before, with their offset in the file.

    `data` is one-dimensional uint8 and the receiver's own: it is not written to again.
    """

    request: int
    offset: int
    data: NDArray[uint8]


@dataclass(frozen=True, slots=True)
class RequestReset:
    """The peer ended a request; nothing more of it will come."""

    request: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class PathChanged:
    """The peer has moved, and has proved that it is where it says."""

    address: Address


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; the last event."""

    code: int
    reason: str
    origin: Origin


Event = Connected | TokenReceived | MessageReceived | BodyReceived | RequestReset | PathChanged | Closed
