"""Opening received batches: seals checked, headers read, runs found, a whole batch at a time.

Turns a batch into `Opened` stretches: consecutive intact datagrams of one type and connection, which
is nearly always the whole batch at once. What simple code it stands for: for each datagram, check the
CRC32, decode the header, and group neighbours alike (`tests` hold the two to the same result).
Never keeps state, never looks into bodies.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.wire import layout
from mayhem_udp.wire.codec import Header, decode_header
from mayhem_udp.wire.seal import broken_in_batch

WORD_BYTES: Final = 8
SAME_WORDS: Final = layout.SAME_BYTES // WORD_BYTES
"""What headers have in common is compared by words: eight times fewer items."""
assert SAME_WORDS * WORD_BYTES == layout.SAME_BYTES


class Opened(Struct, frozen=True):
    """Intact datagrams of `segment_bytes` each (the last may be shorter), alike in type and connection.

    `rows` is one-dimensional and belongs to the socket: copy what outlives the call. `header` is the
    first one's, `flags` are those of the last.
    """

    rows: NDArray[uint8]
    segment_bytes: int
    count: int
    header: Header
    flags: int
    address: Address

    @property
    def total_bytes(self) -> int:
        """All datagrams together."""
        return len(self.rows)


def open_batch(batch: ReceivedBatch) -> tuple[list[Opened], list[int]]:
    """The intact stretches of a batch, in order, and the connection ids that broken datagrams claim."""
    total = batch.total_bytes
    rows = np.frombuffer(batch.buffer, uint8, total)
    segment = batch.segment_bytes
    broken = broken_in_batch(rows, segment_bytes=segment, total_bytes=total)
    count = -(-total // segment)
    if not broken and _alike(rows, segment, count):
        whole = _opened(rows, segment, count, batch.address)
        return ([whole] if whole else []), []
    claimed = [_claimed_id(rows[index * segment : (index + 1) * segment]) for index in broken]
    return _stretches(rows, segment, count, set(broken), batch.address), claimed


def _alike(rows: NDArray[uint8], segment: int, count: int) -> bool:
    """Whether all headers but the last agree up to the sequence number, and the last but for its length."""
    if count == 1:
        return True
    if segment < layout.HEADER_BYTES:
        return False
    full = count - 1
    heads = np.ndarray((full, SAME_WORDS), np.uint64, rows, strides=(segment, WORD_BYTES))
    if full > 1 and not (heads == heads[0]).all():
        return False
    start = full * segment
    last = rows[start : start + layout.HEADER_BYTES].tobytes()
    if len(last) < layout.HEADER_BYTES:
        return False
    mine, other = layout.HEADER.unpack(last), layout.HEADER.unpack_from(rows)
    return bool(mine[:4] == other[:4] and mine[6] == other[6])


def _opened(rows: NDArray[uint8], segment: int, count: int, address: Address) -> Opened | None:
    header = decode_header(memoryview(rows[:segment]))
    last = header if count == 1 else decode_header(memoryview(rows[(count - 1) * segment :]))
    if header is None or last is None:
        return None
    return Opened(rows, segment, count, header, last.flags, address)


def _stretches(
    rows: NDArray[uint8], segment: int, count: int, broken: set[int], address: Address
) -> list[Opened]:
    found: list[Opened] = []
    start = 0
    previous: tuple[int, ...] | None = None
    for index in range(count + 1):
        kind: tuple[int, ...] | None = None
        if index < count and index not in broken:
            header = decode_header(memoryview(rows[index * segment : (index + 1) * segment]))
            if header is not None:
                kind = (header.version, header.type, header.connection_id)
        if kind != previous or index == count:
            if previous is not None:
                stretch = _opened(rows[start * segment : index * segment], segment, index - start, address)
                if stretch is not None:
                    found.append(stretch)
            start, previous = index, kind
    return found


def _claimed_id(datagram: NDArray[uint8]) -> int:
    """The connection id that a broken datagram shows: good enough to count it, for nothing else."""
    if len(datagram) < layout.HEADER_BYTES:
        return -1
    return int(layout.HEADER.unpack_from(datagram)[6])
