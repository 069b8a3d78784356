"""Batches of datagrams, as they cross between a socket and the engine.

Owns nothing but the shapes. A batch is one buffer of datagrams of one size, the last may be shorter:
what `UDP_SEGMENT` sends and `UDP_GRO` receives in one call.
"""

from dataclasses import dataclass
from typing import NamedTuple

from numpy import uint8
from numpy.typing import NDArray


class Address(NamedTuple):
    """Where a peer is, and which of our addresses it talks to.

    `host` is numeric (IPv4 inside IPv6 as plain IPv4), `scope_id` for link-local IPv6, `local` our own
    numeric address where the socket is bound to all of them, else empty.
    """

    host: str
    port: int
    scope_id: int = 0
    local: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """Datagrams from one address: `total_bytes` in `buffer`, `segment_bytes` each, the last maybe shorter.

    `buffer` is the socket's and valid until its next read.
    """

    buffer: memoryview | NDArray[uint8] | bytes | bytearray
    segment_bytes: int
    total_bytes: int
    address: Address


@dataclass(frozen=True, slots=True)
class Transmit:
    """Datagrams for one address, laid out likewise; may exceed what one call can send."""

    buffer: bytes | NDArray[uint8]
    segment_bytes: int
    total_bytes: int
    address: Address
