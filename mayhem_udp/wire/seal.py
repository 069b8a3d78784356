"""Sealing and opening datagrams, whole batches at a time: today a CRC32.

The one place to change when datagrams become encrypted: the seal is the datagram's last bytes.
The CRC32 (IEEE 802.3) covers everything before it and is written little-endian, so the CRC32 of the
whole datagram is the constant residue and a check is one call over one slice.
Never looks at what a datagram says.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from mayhem_udp.wire.layout import SEAL, SEAL_BYTES, SEAL_DTYPE

RESIDUE: Final = 0x2144DF1C
"""CRC32 of any bytes followed by their own CRC32, little-endian."""
SUMS_KEPT_MAX: Final = 1_024
"""Shapes of batches whose CRC32 is remembered: there are about 180 for each size of datagram in use."""


def seal(datagram: bytes | bytearray) -> bytes:
    """One datagram with its seal appended."""
    return bytes(datagram) + SEAL.pack(crc32(datagram))


def is_intact(datagram: bytes | bytearray | memoryview) -> bool:
    """Whether a datagram's seal fits its bytes."""
    return len(datagram) > SEAL_BYTES and crc32(datagram) == RESIDUE


def seal_batch(buffer: NDArray[np.uint8], *, segment_bytes: int, total_bytes: int) -> None:
    """Write the seals of a batch: datagrams of `segment_bytes`, the last one may be shorter.

    `buffer` is one-dimensional; the last four bytes of each datagram are overwritten.
    """
    view = memoryview(buffer)
    covered = segment_bytes - SEAL_BYTES
    full = total_bytes // segment_bytes
    sums = [crc32(view[start : start + covered]) for start in range(0, full * segment_bytes, segment_bytes)]
    if full:
        column = np.ndarray(full, SEAL_DTYPE, buffer, offset=covered, strides=(segment_bytes,))
        column[:] = sums
    if full * segment_bytes < total_bytes:
        end = total_bytes - SEAL_BYTES
        SEAL.pack_into(buffer, end, crc32(view[full * segment_bytes : end]))


@lru_cache(SUMS_KEPT_MAX)
def _sum_of_intact(segment_bytes: int, count: int) -> int:
    """The CRC32 of `count` intact datagrams of that size, one after the other, whatever is in them.

    The CRC32 of two parts follows from those of each and the length of the second alone, and that of
    an intact datagram is `RESIDUE`: so any of them can stand for all.
    """
    return crc32(seal(bytes(segment_bytes - SEAL_BYTES)) * count)


def broken_in_batch(buffer: NDArray[np.uint8], *, segment_bytes: int, total_bytes: int) -> list[int]:
    """The indices of the datagrams of a batch whose seal does not fit, ascending.

    What simple code it stands for: check each datagram by itself. Nearly always all are intact, and one
    CRC32 over them says so at a fifth of the cost: it misses damage as rarely as one datagram's does, once
    in 2^32. Only where it finds some are they looked at one by one.
    """
    view = memoryview(buffer)[:total_bytes]
    full, tail_bytes = divmod(total_bytes, segment_bytes)
    if full > 1 and segment_bytes > SEAL_BYTES:
        edge = total_bytes - tail_bytes
        if crc32(view[:edge]) == _sum_of_intact(segment_bytes, full):
            return [full] if tail_bytes and not is_intact(view[edge:]) else []
    sums = [crc32(view[start : start + segment_bytes]) for start in range(0, total_bytes, segment_bytes)]
    if sums.count(RESIDUE) == len(sums):
        return []
    return [index for index, each in enumerate(sums) if each != RESIDUE]
