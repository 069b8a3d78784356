"""Damage that no checksum of a datagram shows, and sources that are not what they were.

Owns what stands for a CRC32 that passed by chance or a bit that flipped in somebody's memory: bytes of
bodies are changed on their way, and the datagrams sealed anew.
"""

from msgspec.structs import replace

from mayhem_udp.store.source import BytesSource
from mayhem_udp.wire.codec import decode_header
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.layout import DATA_HEAD, DATA_HEAD_BYTES, DATA_OVERHEAD_BYTES, HEADER_BYTES, SEAL_BYTES
from mayhem_udp.wire.seal import is_intact, seal


def flipped(datagram, offset=None):
    """The datagram with one bit changed, at an offset of its body (None: of its first byte), and sealed anew.

    The very same object where it carries no such byte.
    """
    header = decode_header(datagram)
    is_data = header is not None and header.type == DatagramType.DATA and is_intact(datagram)
    if not is_data or len(datagram) <= DATA_OVERHEAD_BYTES:
        return datagram
    start = DATA_HEAD.unpack_from(datagram, HEADER_BYTES)[1]
    offset = start if offset is None else offset
    if not start <= offset < start + len(datagram) - DATA_OVERHEAD_BYTES:
        return datagram
    changed = bytearray(datagram[:-SEAL_BYTES])
    changed[DATA_HEAD_BYTES + offset - start] ^= 0x10
    return seal(changed)


def datagrams_of(batch):
    """The datagrams of a received batch."""
    data = bytes(batch.buffer[: batch.total_bytes])
    return [data[at : at + batch.segment_bytes] for at in range(0, len(data), batch.segment_bytes)]


class Flipper:
    """A peer behind a faulty memory: each byte at one of the offsets comes in wrong, every time."""

    def __init__(self, peer, *offsets):
        self.peer = peer
        self.offsets = offsets
        self.flips = 0

    def handle_batch(self, batch, *, now_ns):
        changed = b"".join(self._flipped(datagram) for datagram in datagrams_of(batch))
        self.peer.handle_batch(replace(batch, buffer=changed), now_ns=now_ns)

    def _flipped(self, datagram):
        for offset in self.offsets:
            changed = flipped(datagram, offset)
            self.flips += changed is not datagram
            datagram = changed
        return datagram

    def __getattr__(self, name):
        return getattr(self.peer, name)


class FickleSource(BytesSource):
    """Bytes that read differently when they are asked for again."""

    _read_bytes = 0

    def read(self, offset, size):
        block = super().read(offset, size)
        if offset < self._read_bytes:
            return bytes(each ^ 1 for each in block)
        self._read_bytes = offset + len(block)
        return block

    read_blocking = read
