"""Batches of datagrams, as they cross between a socket and the engine.

Owns nothing but the shapes. A batch is one buffer of datagrams of one size, the last may be shorter:
what `UDP_SEGMENT` sends and `UDP_GRO` receives in one call. A batch holds at least one datagram, and no
empty ones.
"""

from typing import NamedTuple

from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray


class Address(NamedTuple):
    """Where a peer is, and which of our addresses it talks to.

    `host` is numeric (IPv4 inside IPv6 as plain IPv4), `scope_id` for link-local IPv6, `local` our own
    numeric address where the socket is bound to all of them, else empty: what is sent to this very
    value leaves from there. Cheap to compare and to hash.
    """

    host: str
    port: int
    scope_id: int = 0
    local: str = ""


class ReceivedBatch(Struct, frozen=True):
    """Datagrams from one address: `total_bytes` in `buffer`, `segment_bytes` each, the last maybe shorter.

    `buffer` is one-dimensional, of single bytes, with at least `total_bytes` of them; what is beyond means
    nothing. It is the socket's own: valid until its next `receive`, so copy what is to outlive that. Until
    then its taker may write to it.
    """

    buffer: memoryview | NDArray[uint8] | bytes | bytearray
    segment_bytes: int
    total_bytes: int
    address: Address


class Transmit(Struct, frozen=True):
    """Datagrams for one address, laid out likewise; may exceed what one call can send.

    `buffer` is handed over: nobody writes to it any more, since the socket may keep it until it is
    writable again.
    """

    buffer: bytes | NDArray[uint8]
    segment_bytes: int
    total_bytes: int
    address: Address
