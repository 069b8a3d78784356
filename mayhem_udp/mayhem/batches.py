"""Between batches and datagrams: apart for a link, together again for an engine or a socket.

Owns what may share a batch: neighbours of one origin and one size, only the last one shorter, as the
kernel's own offload does it (UDP_SEGMENT, UDP_GRO).
Never reorders anything.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.limits import BATCH_MAX_BYTES

Tag = TypeVar("Tag")
Buffer = bytes | bytearray | memoryview | NDArray[uint8]


class Batch(Struct, Generic[Tag], frozen=True):
    """Datagrams of `segment_bytes` one after the other, the last one may be shorter; all of one tag."""

    data: bytearray
    segment_bytes: int
    tag: Tag


def split(buffer: Buffer, *, segment_bytes: int, total_bytes: int) -> list[bytes]:
    """The datagrams of a batch, each with bytes of its own."""
    whole = bytes(buffer[:total_bytes])
    if segment_bytes >= total_bytes:
        return [whole]
    return [whole[start : start + segment_bytes] for start in range(0, total_bytes, segment_bytes)]


def join(datagrams: Iterable[tuple[bytes, Tag]]) -> Iterator[Batch[Tag]]:
    """The fewest batches that carry these datagrams in their order; empty datagrams carry nothing."""
    data, segment_bytes, current = bytearray(), 0, None
    is_closed = True
    for datagram, tag in datagrams:
        size = len(datagram)
        fits = not is_closed and tag == current and size <= segment_bytes
        if not fits or len(data) + size > BATCH_MAX_BYTES:
            if data:
                yield Batch(data, segment_bytes, current)  # type: ignore[arg-type]  # never None with data
            data, segment_bytes, current = bytearray(), size, tag
        data += datagram
        is_closed = size < segment_bytes or not size
    if data:
        yield Batch(data, segment_bytes, current)  # type: ignore[arg-type]  # never None with data
