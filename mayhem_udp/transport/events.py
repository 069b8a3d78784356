"""What a connection tells its owner: a closed union of frozen events.

Events are taken with `Connection.poll_event`. Nothing here acts.
"""

from enum import Enum

from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.transport.datagrams import Address
from mayhem_udp.wire.codec import Parameters


class Origin(Enum):
    """Who ended something."""

    LOCAL = "this side"
    PEER = "the peer"
    RESET = "a stateless reset"


class Connected(Struct, frozen=True):
    """The handshake is done; `peer` is what the other side said of itself."""

    peer: Parameters


class TokenReceived(Struct, frozen=True):
    """Proof of our address, to be kept for the next visit to this server."""

    token: bytes


class MessageReceived(Struct, frozen=True):
    """One whole message of a request, in order."""

    request: int
    payload: bytes


class BodyReceived(Struct, frozen=True):
    """Bytes of a request's body that were not here before, with their offset in the file.

    `data` is one-dimensional uint8 and the receiver's own: it is not written to again.
    """

    request: int
    offset: int
    data: NDArray[uint8]


class RequestReset(Struct, frozen=True):
    """The peer ended a request; nothing more of it will come."""

    request: int
    code: int
    reason: str


class PathChanged(Struct, frozen=True):
    """The peer has moved, and has proved that it is where it says."""

    address: Address


class Closed(Struct, frozen=True):
    """The connection is over; the last event."""

    code: int
    reason: str
    origin: Origin


Event = Connected | TokenReceived | MessageReceived | BodyReceived | RequestReset | PathChanged | Closed
