"""The sending half of a UDP socket: batches out, as trains where the kernel takes them.

What simple code it stands for: send the datagrams of a batch one after the other. Owns what the kernel
would not take yet; nothing else is ever kept: a datagram that cannot be sent is lost, as the network
might have lost it.
Never decides when to send: that is the transport's.
"""

import errno
import socket
from collections import deque
from typing import Any, Final

from mayhem_udp.endpoint.addresses import Ancillary, Sockaddr, leaving_from, sockaddr_of
from mayhem_udp.endpoint.offload import Trains, segmented
from mayhem_udp.endpoint.troubles import Troubles
from mayhem_udp.transport.datagrams import Transmit
from mayhem_udp.units import MIB

KEPT_MAX_BYTES: Final = 4 * MIB
"""What waits for the kernel at most; callers stop at the first byte that waits, this is for stragglers."""
TRAIN_REFUSALS: Final = frozenset({errno.EINVAL, errno.EIO, errno.EOPNOTSUPP})
"""How kernels refuse a train that they would take datagram by datagram."""

LATE_ERRORS: Final = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EPROTO}
)
"""What a call on a connected socket may say of an earlier datagram (ICMP), and has sent nothing then."""


class Sender:
    """Sends batches through one socket."""

    def __init__(self, raw: socket.socket, trains: Trains, troubles: Troubles, *, is_connected: bool) -> None:
        self._raw = raw
        self._family = raw.family
        self._trains = trains
        self._troubles = troubles
        self._is_connected = is_connected
        self._kept: deque[tuple[Transmit, int]] = deque()  # and how many bytes of each are gone
        self.kept_bytes = 0
        """What waits for `flush`."""
        self.datagrams = 0
        self.total_bytes = 0
        self.calls = 0

    def send(self, transmit: Transmit) -> int:
        """Send a batch; returns how many of its bytes are gone: the rest is kept, and goes with `flush`."""
        assert transmit.segment_bytes > 0, "a batch has datagrams, and they have a size"
        gone = 0 if self._kept else self._push(transmit, 0)
        left = transmit.total_bytes - gone
        if left and self.kept_bytes + left <= KEPT_MAX_BYTES:
            self._kept.append((transmit, gone))
            self.kept_bytes += left
        elif left:
            full = BlockingIOError(errno.ENOBUFS, "too much waits already")
            self._troubles.note(full, datagrams_unsent=-(-left // transmit.segment_bytes))
        return gone

    def flush(self) -> int:
        """Send on with what was kept, once the socket is writable; returns how many bytes went."""
        before = self.kept_bytes
        while self._kept:
            transmit, start = self._kept.popleft()
            stop = self._push(transmit, start)
            self.kept_bytes -= stop - start
            if stop < transmit.total_bytes:
                self._kept.appendleft((transmit, stop))
                break
        return before - self.kept_bytes

    def _push(self, transmit: Transmit, start: int) -> int:
        """Send from `start` on; returns where the kernel would take no more, or the end."""
        view, segment, total = _view_of(transmit.buffer), transmit.segment_bytes, transmit.total_bytes
        address = transmit.address
        length = self._trains.length_bytes(segment, address)
        source = leaving_from(address, self._family)
        as_train = (segmented(segment), *source)
        to = None if self._is_connected else sockaddr_of(address, self._family)
        while start < total:
            stop = min(start + length, total)
            is_train = stop - start > segment
            try:
                self._call(view[start:stop], as_train if is_train else source, to)
            except BlockingIOError:
                return start
            except OSError as error:
                if is_train and error.errno in TRAIN_REFUSALS:
                    return self._push_singly(transmit, start, to)
                self._troubles.note(error, datagrams_unsent=-(-(stop - start) // segment))
            else:
                self.datagrams += -(-(stop - start) // segment)
                self.total_bytes += stop - start
            start = stop
        return total

    def _push_singly(self, transmit: Transmit, start: int, to: Sockaddr | None) -> int:
        """Send from `start` on, one by one, what was refused as a train.

        Where that works, it was the train that was refused. Where it does not, the address is at fault.
        """
        view, segment, total = _view_of(transmit.buffer), transmit.segment_bytes, transmit.total_bytes
        source = leaving_from(transmit.address, self._family)
        has_worked = False
        while start < total:
            stop = min(start + segment, total)
            try:
                self._call(view[start:stop], source, to)
            except BlockingIOError:
                break
            except OSError as error:
                self._troubles.note(error, datagrams_unsent=1)
            else:
                self.datagrams += 1
                self.total_bytes += stop - start
                has_worked = True
            start = stop
        if has_worked:
            self._trains.on_refused(transmit.address)
        return start

    def _call(self, data: memoryview, ancillary: tuple[Ancillary, ...], to: Sockaddr | None) -> None:
        self.calls += 1
        if to is not None:
            self._raw.sendmsg((data,), ancillary, 0, to)
            return
        try:
            self._raw.sendmsg((data,), ancillary)
        except OSError as error:
            if error.errno not in LATE_ERRORS:
                raise
            self._troubles.note(error)
            self._raw.sendmsg((data,), ancillary)


def _view_of(buffer: Any) -> memoryview:
    """The bytes of a buffer: of any, since only from Python 3.12 on do numpy's types say that arrays are one."""
    return memoryview(buffer)
