"""Several datagrams in one: what a capture on loopback shows of a batch that was sent in one call.

Knows no more of a datagram than its header's magic and length. Never judges one.
"""

from mayhem_udp.wire import layout
from mayhem_udp.wire.codec import Header
from mayhem_udp.wire.declarations import MAGIC


def is_ours(data: bytes) -> bool:
    """Whether this begins as our datagrams do."""
    return len(data) >= layout.HEADER_BYTES and _header(data).magic == MAGIC


def split_train(payload: bytes) -> list[bytes]:
    """The datagrams one after the other; what does not fit stays in one piece with the last."""
    datagrams = []
    while is_ours(payload):
        length = _header(payload).length + layout.FRAMES_OVERHEAD_BYTES
        if length >= len(payload) or not is_ours(payload[length:]):
            break
        datagrams.append(payload[:length])
        payload = payload[length:]
    return [*datagrams, payload]


def _header(data: bytes) -> Header:
    return Header(*layout.HEADER.unpack_from(data))
