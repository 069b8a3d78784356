"""Peers that are just enough to try a simulator and a proxy with: a stop-and-wait sender and its receiver.

They own a transport of 30 lines: one numbered block at a time, a CRC32, an echo of the number, a timer.
"""

from zlib import crc32

from mayhem_udp.mayhem.batches import split
from mayhem_udp.transport.datagrams import Address, Transmit

CLIENT = Address("client", 1)
SERVER = Address("server", 2)
TIMEOUT_NS = 200_000_000


def sealed(number, payload):
    body = number.to_bytes(4, "big") + payload
    return crc32(body).to_bytes(4, "big") + body


def opened(datagram):
    """(number, payload), or None of a damaged one."""
    if len(datagram) < 8 or crc32(datagram[4:]) != int.from_bytes(datagram[:4], "big"):
        return None
    return int.from_bytes(datagram[4:8], "big"), datagram[8:]


def datagrams_of(batch):
    return split(batch.buffer, segment_bytes=batch.segment_bytes, total_bytes=batch.total_bytes)


class ToySender:
    """Sends blocks, each until its number comes back."""

    def __init__(self, blocks, *, to=SERVER, timeout_ns=TIMEOUT_NS):
        self.blocks = blocks
        self.to = to
        self.timeout_ns = timeout_ns
        self.next_number = 0
        self.sent = 0
        self.damaged = 0
        self._deadline_ns = 0

    @property
    def is_done(self):
        return self.next_number == len(self.blocks)

    def handle_batch(self, batch, *, now_ns):
        for datagram in datagrams_of(batch):
            answer = opened(datagram)
            if answer is None:
                self.damaged += 1
            elif answer[0] == self.next_number:
                self.next_number += 1
                self._deadline_ns = now_ns

    def handle_timeout(self, *, now_ns):
        assert now_ns >= self._deadline_ns, "woken too early"

    def next_deadline_ns(self):
        return None if self.is_done else self._deadline_ns

    def poll_transmit(self, *, now_ns):
        if self.is_done or now_ns < self._deadline_ns:
            return None
        self._deadline_ns = now_ns + self.timeout_ns
        self.sent += 1
        datagram = sealed(self.next_number, self.blocks[self.next_number])
        return Transmit(datagram, len(datagram), len(datagram), self.to)


class ToyReceiver:
    """Takes each block once and echoes its number to wherever it came from."""

    def __init__(self):
        self.blocks = {}
        self.sources = set()
        self.batches = 0
        self._answers = []

    def handle_batch(self, batch, *, now_ns):
        self.batches += 1
        self.sources.add(batch.address)
        for datagram in datagrams_of(batch):
            block = opened(datagram)
            if block is not None:
                self.blocks.setdefault(*block)
                self._answers.append((batch.address, block[0]))

    def handle_timeout(self, *, now_ns):
        raise AssertionError("there is no timer")

    def next_deadline_ns(self):
        return None

    def poll_transmit(self, *, now_ns):
        if not self._answers:
            return None
        address, number = self._answers.pop(0)
        datagram = sealed(number, b"")
        return Transmit(datagram, len(datagram), len(datagram), address)


class Fountain:
    """Sends so many datagrams of one size at once, and counts what comes to it."""

    def __init__(self, *, to, count, size=1_000):
        self.to = to
        self.left = count
        self.size = size
        self.got = []

    def handle_batch(self, batch, *, now_ns):
        self.got += ((now_ns, datagram) for datagram in datagrams_of(batch))

    def handle_timeout(self, *, now_ns):
        pass

    def next_deadline_ns(self):
        return None

    def poll_transmit(self, *, now_ns):
        if not self.left:
            return None
        count, self.left = self.left, 0
        return Transmit(bytes(self.size * count), self.size, self.size * count, self.to)
