"""Sealing and opening datagrams, whole batches at a time: today a CRC32.

The one place to change when datagrams become encrypted: the seal is the datagram's last bytes.
The CRC32 (IEEE 802.3) covers everything before it and is written little-endian, so the CRC32 of the
whole datagram is the constant residue and a check is one call over one slice.
Never looks at what a datagram says.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from mayhem_udp.wire.layout import SEAL, SEAL_BYTES, SEAL_DTYPE

RESIDUE: Final = 0x2144DF1C
"""CRC32 of any bytes followed by their own CRC32, little-endian."""


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


def broken_in_batch(buffer: NDArray[np.uint8], *, segment_bytes: int, total_bytes: int) -> list[int]:
    """The indices of the datagrams of a batch whose seal does not fit, ascending."""
    view = memoryview(buffer)[:total_bytes]
    sums = [crc32(view[start : start + segment_bytes]) for start in range(0, total_bytes, segment_bytes)]
    if sums.count(RESIDUE) == len(sums):
        return []
    return [index for index, each in enumerate(sums) if each != RESIDUE]
