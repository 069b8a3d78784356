"""Taking batches of DATA datagrams apart: runs found and payloads gathered, by batches.

What simple code it stands for: for each datagram, decode the head and copy the payload out; join
neighbours whose numbers and offsets follow one another (`tests` hold the two to the same result).
Never keeps state, never judges whether a body may be sent.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import BODY_OFFSET_MAX
from mayhem_udp.transport.opening import Opened
from mayhem_udp.wire.layout import (
    DATA_DTYPE,
    DATA_HEAD,
    DATA_HEAD_BYTES,
    DATA_OVERHEAD_BYTES,
    HEADER_BYTES,
    SEAL_BYTES,
)


class DataRun(NamedTuple):
    """Datagrams `[row, row + datagrams)` of a stretch: consecutive numbers, one stream, consecutive offsets."""

    row: int
    datagrams: int
    first: int
    stream_id: int
    offset: int


def data_runs(opened: Opened) -> list[DataRun]:
    """The runs of a stretch of DATA datagrams, in order; raises `PeerError` for one too short."""
    segment, count = opened.segment_bytes, opened.count
    last_bytes = opened.total_bytes - (count - 1) * segment
    if min(segment, last_bytes) <= DATA_OVERHEAD_BYTES:
        raise PeerError("a DATA datagram carries no data", code=Code.FRAME_MALFORMED)
    if count == 1:
        stream_id, offset = DATA_HEAD.unpack_from(opened.rows, HEADER_BYTES)
        if offset > BODY_OFFSET_MAX:
            raise PeerError("an offset is past any file", code=Code.FRAME_MALFORMED)
        return [DataRun(0, 1, opened.header.sequence, stream_id, offset)]
    heads = np.ndarray(count, DATA_DTYPE, opened.rows, strides=(segment,))
    numbers = heads["sequence"].astype(np.int64)
    offsets = heads["offset"].astype(np.int64)
    streams = heads["stream_id"]
    if int(offsets.min()) < 0 or int(offsets.max()) > BODY_OFFSET_MAX:
        raise PeerError("an offset is past any file", code=Code.FRAME_MALFORMED)
    chunk = segment - DATA_OVERHEAD_BYTES
    follows = (
        (numbers[1:] - numbers[:-1] == 1)
        & (offsets[1:] - offsets[:-1] == chunk)
        & (streams[1:] == streams[:-1])
    )
    if follows.all():
        return [DataRun(0, count, int(numbers[0]), int(streams[0]), int(offsets[0]))]
    starts = [0, *(np.flatnonzero(~follows) + 1).tolist(), count]
    return [
        DataRun(start, stop - start, int(numbers[start]), int(streams[start]), int(offsets[start]))
        for start, stop in pairwise(starts)
    ]


def payload(opened: Opened, run: DataRun) -> NDArray[uint8]:
    """The payloads of a run, one after the other, copied out of the stretch."""
    segment = opened.segment_bytes
    chunk = segment - DATA_OVERHEAD_BYTES
    stop = run.row + run.datagrams
    start_byte = run.row * segment
    stop_byte = min(stop * segment, opened.total_bytes)
    if run.datagrams == 1:
        return opened.rows[start_byte + DATA_HEAD_BYTES : stop_byte - SEAL_BYTES].copy()
    full = run.datagrams if stop * segment <= opened.total_bytes else run.datagrams - 1
    tail = stop_byte - start_byte - full * segment
    size = full * chunk + (tail - DATA_OVERHEAD_BYTES if tail else 0)
    out = np.empty(size, uint8)
    rows = np.ndarray((full, chunk), uint8, opened.rows, start_byte + DATA_HEAD_BYTES, (segment, 1))
    out[: full * chunk].reshape(full, chunk)[:] = rows
    if tail:
        last = start_byte + full * segment + DATA_HEAD_BYTES
        out[full * chunk :] = opened.rows[last : stop_byte - SEAL_BYTES]
    return out


def part(run: DataRun, start: int, stop: int, *, chunk_bytes: int) -> DataRun:
    """The part of a run with numbers `[start, stop)`."""
    skip = start - run.first
    return DataRun(run.row + skip, stop - start, start, run.stream_id, run.offset + skip * chunk_bytes)


def new_parts(run: DataRun, new: list[tuple[int, int]], *, chunk_bytes: int) -> Iterator[DataRun]:
    """The parts of a run whose numbers had not been seen."""
    for start, stop in new:
        if stop - start == run.datagrams:
            yield run
        else:
            yield part(run, start, stop, chunk_bytes=chunk_bytes)
