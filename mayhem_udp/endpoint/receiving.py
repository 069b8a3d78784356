"""The receiving half of a UDP socket: reads, joined into batches as large as they come.

What simple code it stands for: read one datagram, return it. Instead every read takes what the kernel
has joined already (UDP_GRO), and reads of one address and one size of datagram are put one after the
other in one buffer, so that whoever checks and copies them does it once for 512 KB. The first read that
differs stays where it is in the buffer and begins the next batch.
Never looks into a datagram.

Measured on loopback, two processes on two cores, 256 KB sent at a time, in Gbit/s and µs of CPU per MB of
the receiver, by how much one batch joins at most:

| datagrams of    | 64 KB     | 128 KB    | 256 KB    | 512 KB    | 1 MB      | 256 KB, no offload |
| --------------- | --------- | --------- | --------- | --------- | --------- | ------------------ |
| 1,472 bytes     | 41.7, 192 | 46.8, 166 | 51.7, 154 | 52.2, 149 | 52.3, 149 | 3.4, 2360          |
| 8,192 bytes     | 41.2, 194 | 45.6, 172 | 49.8, 158 | 50.7, 154 | 53.5, 146 | 16.0, 500          |
| 65,487 bytes    | 50.6, 156 | 52.6, 147 | 58.0, 137 | 59.3, 132 | 57.6, 135 | 56.9, 138          |

For the socket alone there is little to gain beyond 256 KB, while a batch stays in a core's cache through the
passes that follow. But those cost a tenth of a millisecond of Python for each batch, so that twice as
much in each takes 9 % off the CPU of a whole transfer: 512 KB it is (`BATCH_MAX_BYTES`).
"""

import socket
import sys
from typing import Final

from mayhem_udp.endpoint.addresses import IP_PKTINFO, PKTINFO_SPACE_BYTES, Sockaddr, address_of, local_of
from mayhem_udp.endpoint.offload import GRO_SPACE_BYTES, SOL_UDP, UDP_GRO
from mayhem_udp.endpoint.troubles import Troubles
from mayhem_udp.limits import BATCH_MAX_BYTES
from mayhem_udp.transport.datagrams import ReceivedBatch

READ_MAX_BYTES: Final = 65_536
"""More than any datagram, and any train that the kernel joins, can have: nothing is ever cut off."""
FRUITLESS_READS_MAX: Final = 64
"""Empty datagrams, errors and cut-off reads that one call puts up with before the loop has its turn."""

TRUNCATED: Final = int(socket.MSG_TRUNC)
"""As a plain number: flags of enums cost a microsecond each time."""

_Origin = tuple[Sockaddr, int, bytes]  # the peer, and our address as the kernel gave it: level and data
_Read = tuple[int, int, int, _Origin]  # where it starts and ends in the buffer, size of datagrams, origin

_UNTOLD: Final = (0, b"")


class Receiver:
    """Reads batches from one socket."""

    def __init__(
        self,
        raw: socket.socket,
        troubles: Troubles,
        *,
        batch_max_bytes: int = BATCH_MAX_BYTES,
        read_max_bytes: int = READ_MAX_BYTES,
    ) -> None:
        self._raw = raw
        self._troubles = troubles
        self._batch_max_bytes = batch_max_bytes
        self._read_max_bytes = read_max_bytes
        self._buffer = memoryview(bytearray(batch_max_bytes + read_max_bytes))
        self._ancillary_bytes = GRO_SPACE_BYTES + PKTINFO_SPACE_BYTES
        self._kept: _Read | None = None
        self._is_dry = False
        self.datagrams = 0
        self.total_bytes = 0
        self.reads = 0
        self.datagrams_cut = 0
        """Larger than what a read takes, and dropped for it."""

    @property
    def has_more(self) -> bool:
        """Whether something was read that `receive` has not given yet."""
        return self._kept is not None

    def receive(self) -> ReceivedBatch | None:
        """The next batch, valid until the next call; None when nothing was there at the last look."""
        first, self._kept = self._kept, None
        if first is None:
            first = None if self._is_dry else self._read(0)
            self._is_dry = False
            if first is None:
                return None
        start, end, segment, origin = first
        last_start = start + self._batch_max_bytes - self._read_max_bytes
        last_start = min(last_start, len(self._buffer) - self._read_max_bytes)
        while end <= last_start and (end - start) % segment == 0:
            following = self._read(end)
            if following is None:
                self._is_dry = True  # the next call says so, without another look
                break
            if following[2] != segment or following[3] != origin:
                self._kept = following
                break
            end = following[1]
        total = end - start
        self.datagrams += -(-total // segment)
        self.total_bytes += total
        sockaddr, level, ours = origin
        address = address_of(sockaddr, local_of(level, ours)) if ours else address_of(sockaddr)
        return ReceivedBatch(self._buffer[start:end], segment, total, address)

    def _read(self, at: int) -> _Read | None:
        """One read to that place in the buffer; None when there is nothing, or nothing but trouble."""
        room = self._buffer[at : at + self._read_max_bytes]
        for _ in range(FRUITLESS_READS_MAX):
            try:
                size, ancillary, flags, sockaddr = self._raw.recvmsg_into((room,), self._ancillary_bytes)
            except BlockingIOError:
                return None
            except OSError as error:  # of a datagram sent earlier; the next read finds it taken away
                self._troubles.note(error)
                continue
            self.reads += 1
            if flags & TRUNCATED:
                self.datagrams_cut += 1
            elif size:
                segment, level, ours = size, *_UNTOLD
                for its_level, its_type, data in ancillary:
                    if its_level == SOL_UDP and its_type == UDP_GRO:
                        segment = int.from_bytes(data, sys.byteorder)
                    elif its_type in (IP_PKTINFO, socket.IPV6_PKTINFO):
                        level, ours = its_level, data
                return at, at + size, segment, (sockaddr, level, ours)
        return None
