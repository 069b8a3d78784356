"""Segmentation offload: many datagrams of one size in one system call, where the kernel can do it.

Owns the limits of a train (what one call carries), and the memory of where trains were refused: by the
kernel as a whole, or on the way to one address (a tunnel, IPsec, a card without checksums), where only
trying tells. What is refused goes one datagram a call from then on.
"""

import socket
import struct
from enum import Enum
from typing import Final

from mayhem_udp.endpoint.addresses import Ancillary
from mayhem_udp.limits import TRAIN_MAX_BYTES, TRAIN_MAX_DATAGRAMS
from mayhem_udp.transport.datagrams import Address

SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
SEGMENT: Final = struct.Struct("=H")
"""What UDP_SEGMENT carries: the size of each datagram of a train but the last."""
GRO_SPACE_BYTES: Final = socket.CMSG_SPACE(4)
"""Room that UDP_GRO's segment size, an int, takes in the ancillary data of a read."""

REFUSALS_MAX: Final = 64
"""Addresses where trains were refused; more than these, and trains are given up altogether."""


class Offload(Enum):
    """Whether trains are to be used."""

    ON = "on"
    """Wherever the kernel can do it."""
    OFF = "off"


class Trains:
    """How many bytes may go in one call, and to whom."""

    def __init__(self, raw: socket.socket, offload: Offload) -> None:
        self.are_sent = offload is Offload.ON and _sends_trains(raw)
        """Whether the kernel takes trains."""
        self.are_received = offload is Offload.ON and _receives_trains(raw)
        """Whether the kernel hands trains over whole."""
        self._refused: set[Address] = set()

    def length_bytes(self, segment_bytes: int, address: Address) -> int:
        """The longest train of such datagrams to such an address; one datagram where trains are refused."""
        if not self.are_sent or (self._refused and address in self._refused):
            return segment_bytes
        count = min(TRAIN_MAX_BYTES // segment_bytes, TRAIN_MAX_DATAGRAMS)
        return segment_bytes * count if count else segment_bytes

    def on_refused(self, address: Address) -> None:
        """A train was refused whose datagrams went one by one."""
        self._refused.add(address)
        if len(self._refused) > REFUSALS_MAX:
            self.are_sent = False
            self._refused.clear()


def segmented(segment_bytes: int) -> Ancillary:
    """The control message that makes a buffer a train."""
    return SOL_UDP, UDP_SEGMENT, SEGMENT.pack(segment_bytes)


def _sends_trains(raw: socket.socket) -> bool:
    try:
        raw.getsockopt(SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True


def _receives_trains(raw: socket.socket) -> bool:
    try:
        raw.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True
