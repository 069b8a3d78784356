"""Mayhem at a socket: datagrams go through links of faults on their way out and on their way in.

Owns what is between a socket and its user: batches taken apart for the link, and put together again as
they come through. One pair of links for everything that crosses the socket, as if the faults were on the
machine's own line, with a rate and a queue that all peers share.
Never makes a fault by itself: the links do.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.troubles import Trouble
from mayhem_udp.endpoint.udp import DatagramSocket, SocketCounts
from mayhem_udp.mayhem.batches import join, split
from mayhem_udp.mayhem.faults import Direction
from mayhem_udp.mayhem.link import LinkPair
from mayhem_udp.transport.datagrams import Address, ReceivedBatch, Transmit

READS_MAX: Final = 16
"""Batches that one call puts into the link before the loop has its turn."""


class FaultySocket:
    """A socket with links before it; a client's sends `OUT`, a server's `IN`."""

    def __init__(
        self,
        inner: DatagramSocket,
        links: LinkPair[Address],
        *,
        sends: Direction,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self.links = links
        self._sent = links.toward(sends)
        self._came = links.toward(sends.opposite)
        self._arrived: deque[ReceivedBatch] = deque()
        self.local = inner.local
        self.peer = inner.peer

    def fileno(self) -> int:
        """The descriptor that the loop watches."""
        return self._inner.fileno()

    def send(self, transmit: Transmit) -> int:
        """Send a batch into the link, which always takes it."""
        datagrams = split(
            transmit.buffer, segment_bytes=transmit.segment_bytes, total_bytes=transmit.total_bytes
        )
        self._sent.push_batch(datagrams, now_ns=self._clock(), tag=transmit.address)
        self._let_out()
        return transmit.total_bytes

    def flush(self) -> int:
        """Send on what the kernel would not take, and what has come through; returns how many bytes went."""
        return self._inner.flush() + self._let_out()

    @property
    def is_blocked(self) -> bool:
        """Whether something waits for `flush`: watch for writability, and send no more until then."""
        return self._inner.is_blocked

    def receive(self) -> ReceivedBatch | None:
        """A batch that has come through; None when there is none yet."""
        for _ in range(READS_MAX):
            if self._arrived:
                break
            batch = self._inner.receive()
            now_ns = self._clock()
            if batch is not None:
                size, total = batch.segment_bytes, batch.total_bytes
                datagrams = split(batch.buffer, segment_bytes=size, total_bytes=total)
                self._came.push_batch(datagrams, now_ns=now_ns, tag=batch.address)
            for each in join(self._came.pop_due_tagged(now_ns=now_ns)):
                self._arrived.append(ReceivedBatch(each.data, each.segment_bytes, len(each.data), each.tag))
            if batch is None:
                break
        return self._arrived.popleft() if self._arrived else None

    def next_deadline_ns(self) -> int | None:
        """When `flush` or `receive` has something to do, though the descriptor is not ready."""
        if self._arrived:
            return self._clock()
        sent_ns = None if self.is_blocked else self._sent.next_due_ns()
        came_ns = self._came.next_due_ns()
        return min(
            (due for due in (sent_ns, came_ns, self._inner.next_deadline_ns()) if due is not None),
            default=None,
        )

    def poll_trouble(self) -> Trouble | None:
        """The socket's own."""
        return self._inner.poll_trouble()

    @property
    def counts(self) -> SocketCounts:
        """The socket's own; the links have theirs."""
        return self._inner.counts

    def datagram_max_bytes(self) -> int | None:
        """The socket's own."""
        return self._inner.datagram_max_bytes()

    def close(self) -> None:
        """Close the socket; what is on the links is lost."""
        self._inner.close()

    def _let_out(self) -> int:
        """Send what has come through the link, unless the kernel is not taking any: then it stays inside."""
        went = 0
        if not self._inner.is_blocked:
            for each in join(self._sent.pop_due_tagged(now_ns=self._clock())):
                went += self._inner.send(
                    Transmit(bytes(each.data), each.segment_bytes, len(each.data), each.tag)
                )
        return went
