"""The bytes of one file as they come: each to its place, the SHA-256 along the contiguous edge.

Owns what has been received, and the two digests. Bytes at the edge are hashed from memory; what comes
ahead of it goes to its place and is read back when the edge gets there. A byte that was received is
never written a second time (only `rewrite` does that): what was hashed is what is on the disk.

This is the hot path, called for every batch of datagrams. In plain words it is: drop what is here
already, write the rest, and note it in the journal. Never knows a name, a thread or a clock.
"""

import errno
from collections.abc import Iterator
from hashlib import sha256

import xxhash

from mayhem_udp.limits import BLOCK_BYTES
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.store.disk import Buffer, Disk
from mayhem_udp.store.journal import Journal


class Filling:
    """One file that is being filled. Errors of the disk are raised as they are, as `OSError`."""

    def __init__(self, disk: Disk, file: int, journal: Journal | None) -> None:
        self._disk_write = disk.write
        self._disk_read = disk.read
        self._file = file
        self._journal = journal
        self._sha = sha256()
        self.hashed_bytes = 0
        """The edge: everything below it is here, and in the SHA-256."""
        self._ahead = RangeSet()
        """What is here, and not in the SHA-256 yet; all of it is at the edge or past it."""

    # --- What is here --------------------------------------------------------------------------------

    @property
    def received_bytes(self) -> int:
        """How many bytes are here."""
        return self.hashed_bytes + self._ahead.covered

    @property
    def is_behind(self) -> bool:
        """Whether the SHA-256 has something to catch up with."""
        return bool(self._ahead) and self._ahead.start == self.hashed_bytes

    def have(self) -> RangeSet:
        """Every byte that is here."""
        ranges = RangeSet([(0, self.hashed_bytes)])
        for start, stop in self._ahead:
            ranges.add(start, stop)
        return ranges

    def covers(self, size: int) -> bool:
        """Whether all of a file of `size` bytes is here."""
        return self._ahead.stop_of(self.hashed_bytes) >= size

    # --- Bytes come ----------------------------------------------------------------------------------

    def write(self, offset: int, data: Buffer) -> None:
        """Put bytes in their place; those that are here already are passed over."""
        if offset == self.hashed_bytes and not self._ahead:  # by far the most common
            self._put(offset, data)
            return
        stop = offset + len(data)
        view = memoryview(data)
        for start, end in list(self._ahead.holes(max(offset, self.hashed_bytes), stop)):
            self._put(start, view[start - offset : end - offset])

    def _put(self, offset: int, data: Buffer) -> None:
        self._write_all(offset, data)
        if offset == self.hashed_bytes:
            self._sha.update(data)
            self.hashed_bytes += len(data)
        else:
            self._ahead.add(offset, offset + len(data))
        if self._journal is not None:
            self._journal.note(offset, data)

    def _write_all(self, offset: int, data: Buffer) -> None:
        count = self._disk_write(self._file, data, offset)
        if count == len(data):
            return
        view = memoryview(data)
        while count < len(view):
            count += self._disk_write(self._file, view[count:], offset + count)

    def catch_up(self, budget_bytes: int) -> None:
        """Read back and hash at most about that much of what the edge has reached."""
        stop = min(self._ahead.stop_of(self.hashed_bytes), self.hashed_bytes + budget_bytes)
        while self.hashed_bytes < stop:
            data = self._read(self.hashed_bytes, min(BLOCK_BYTES, stop - self.hashed_bytes))
            self._sha.update(data)
            self.hashed_bytes += len(data)
        self._ahead.drop_below(self.hashed_bytes)

    def adopt(self, start: int, data: bytes) -> None:
        """Count bytes that are on the disk, and were verified, as received."""
        stop = start + len(data)
        if start <= self.hashed_bytes < stop:
            self._sha.update(memoryview(data)[self.hashed_bytes - start :])
            self.hashed_bytes = stop
            self._ahead.drop_below(stop)
        else:
            self._ahead.add(max(start, self.hashed_bytes), stop)

    # --- The end -------------------------------------------------------------------------------------

    def digest(self) -> bytes:
        """The SHA-256 of everything up to the edge."""
        return self._sha.digest()

    def digest_again(self, size: int) -> bytes:
        """The SHA-256 of what is on the disk, from the beginning."""
        fresh = sha256()
        for data in self._blocks(size):
            fresh.update(data)
        return fresh.digest()

    def block_digests(self, size: int) -> list[bytes]:
        """XXH3-128 of each block, as it is on the disk."""
        return [xxhash.xxh3_128_digest(data) for data in self._blocks(size)]

    def rewrite(self, offset: int, data: Buffer) -> None:
        """Replace bytes that were found to be damaged."""
        self._write_all(offset, data)

    def _blocks(self, size: int) -> Iterator[bytes]:
        for offset in range(0, size, BLOCK_BYTES):
            yield self._read(offset, min(BLOCK_BYTES, size - offset))

    def _read(self, offset: int, size: int) -> bytes:
        data = self._disk_read(self._file, size, offset)
        if len(data) == size:
            return data
        if not data:
            raise OSError(errno.EIO, "the file has become shorter")
        return data + self._read(offset + len(data), size - len(data))
