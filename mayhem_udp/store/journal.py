"""The journal of a transfer: which bytes of its staging are whole, each range with a digest.

Owns the format, appending and reading. A record counts only if its own CRC32 is right, and its range
only if the bytes on the disk have its digest, so a crash at any byte leaves a journal usable, and no
fsync has to order data before records. A journal is:

    magic 8 | size 8 | mtime_ns 8 | mode 2 | length of the name 2 | fingerprint 16 | name | CRC32 4
    and from the next multiple of 36 on, any number of: start 8 | stop 8 | XXH3-128 16 | CRC32 4

in network byte order. The CRC of a record begins with that of the header, so that no record of another
journal passes. Never reads the staging itself.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from zlib import crc32

import xxhash
from msgspec import Struct

from mayhem_udp.limits import NAME_MAX_BYTES
from mayhem_udp.store.disk import Buffer, Disk
from mayhem_udp.units import KIB, MIB

MAGIC: Final = b"MAYHEMJ1"
_HEAD: Final = struct.Struct(">8sQqHH16s")
_RECORD: Final = struct.Struct(">QQ16s")
_CRC: Final = struct.Struct(">I")
RECORD_BYTES: Final = _RECORD.size + _CRC.size
HEADER_MAX_BYTES: Final = _HEAD.size + NAME_MAX_BYTES + _CRC.size
_READ_RECORDS: Final = 4_096


class JournalPolicy(Struct, frozen=True):
    """How much a crash may cost, against how much is written to prevent it."""

    run_bytes: int = 1 * MIB
    """Contiguous bytes under one digest, at most: what one flipped bit costs."""
    flush_bytes: int = 1 * MIB
    """Bytes that were received but are in no record on the disk yet, at most (and one run)."""
    piece_min_bytes: int = 512
    """Shorter runs get no record: the journal stays under a twelfth of the file whatever a peer does."""
    resume_min_bytes: int = 1 * MIB
    """Less than this is not worth being kept when a transfer is cut."""


class Header(Struct, frozen=True):
    """What the transfer is of."""

    name: str
    size: int
    fingerprint: bytes
    mtime_ns: int
    mode: int


class Record(Struct, frozen=True):
    """`[start, stop)` was written, and has this digest."""

    start: int
    stop: int
    digest: bytes


class Journal:
    """The writing end. Records gather in memory and are appended a batch at a time.

    The file is made with the first batch, and open only while one is written: a transfer holds one
    descriptor, not two.
    """

    def __init__(
        self, disk: Disk, folder: int, file_name: bytes, header: Header, *, policy: JournalPolicy
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._file_name = file_name
        self._head = encode_header(header)
        self._seed = crc32(self._head)
        self._policy = policy
        self._end = 0
        """Where the next batch goes; 0 until the file is made."""
        self._records: list[bytes] = []
        self._unflushed = 0
        self._run = xxhash.xxh3_128()
        self._run_start = self._run_stop = -1

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._end > 0

    def resume_at(self, end: int) -> None:
        """Go on with a journal of `end` bytes that was read; a torn record at its end is overwritten."""
        start = len(self._head)
        self._end = start + max(0, end - start) // RECORD_BYTES * RECORD_BYTES

    def note(self, offset: int, data: Buffer) -> None:
        """These bytes were written at `offset`."""
        if offset != self._run_stop:
            self._end_run()
            self._run = xxhash.xxh3_128()
            self._run_start = offset
        self._run.update(data)
        self._run_stop = offset + len(data)
        if self._run_stop - self._run_start >= self._policy.run_bytes:
            self._end_run()
        if self._unflushed >= self._policy.flush_bytes:
            with suppress(OSError):  # a transfer does not fail for want of its journal; the records wait
                self.flush()

    def _end_run(self) -> None:
        length = self._run_stop - self._run_start
        if length >= self._policy.piece_min_bytes:
            self._records.append(
                encode_record(self._run_start, self._run_stop, self._run.digest(), self._seed)
            )
        self._unflushed += length
        self._run_start = self._run_stop = -1

    def finish_run(self) -> None:
        """Give what was noted so far a record of its own, to be flushed."""
        self._end_run()

    def flush(self) -> None:
        """Append what has gathered; raises `OSError`. What could not be written is kept for the next time."""
        self._unflushed = 0
        if not self._records:
            return
        file = self._open()
        try:
            batch = b"".join(self._records)
            if not self._end:
                batch = self._head + batch
            if self._disk.write(file, batch, self._end) == len(batch):
                self._end += len(batch)
                self._records.clear()
        finally:
            self._disk.close(file)

    def _open(self) -> int:
        if self._end:
            return self._disk.reopen_file(self._folder, self._file_name)
        try:
            return self._disk.create_file(self._folder, self._file_name)
        except FileExistsError:  # left by one that came no further, or of another transfer: replaced
            self._disk.remove_file(self._folder, self._file_name)
            return self._disk.create_file(self._folder, self._file_name)

    def remove(self) -> None:
        """Remove the file, if there is one; raises `OSError`."""
        if self._end:
            self._end = 0
            self._disk.remove_file(self._folder, self._file_name)


def encode_header(header: Header) -> bytes:
    """The header, padded so that records begin at a multiple of their length."""
    name = header.name.encode()
    head = _HEAD.pack(MAGIC, header.size, header.mtime_ns, header.mode, len(name), header.fingerprint) + name
    head += _CRC.pack(crc32(head))
    return head + bytes(-len(head) % RECORD_BYTES)


def encode_record(start: int, stop: int, digest: bytes, seed: int) -> bytes:
    """One record; `seed` is the CRC32 of the whole header."""
    record = _RECORD.pack(start, stop, digest)
    return record + _CRC.pack(crc32(record, seed))


def decode_header(data: bytes) -> tuple[Header, int] | None:
    """The header and its padded length; None unless it is whole and right."""
    if len(data) < _HEAD.size:
        return None
    magic, size, mtime_ns, mode, name_bytes, fingerprint = _HEAD.unpack_from(data)
    end = _HEAD.size + name_bytes
    if magic != MAGIC or name_bytes > NAME_MAX_BYTES or len(data) < end + _CRC.size:
        return None
    if _CRC.unpack_from(data, end)[0] != crc32(data[:end]):
        return None
    try:
        name = data[_HEAD.size : end].decode()
    except UnicodeDecodeError:
        return None
    header = Header(name, size, fingerprint, mtime_ns, mode)
    return header, len(encode_header(header))


def decode_records(data: bytes, seed: int, *, size: int) -> Iterator[Record]:
    """The records in `data` that are whole, right, and of ranges that a file of `size` bytes has."""
    for position in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        start, stop, digest = _RECORD.unpack_from(data, position)
        crc = _CRC.unpack_from(data, position + _RECORD.size)[0]
        if start < stop <= size and crc == crc32(data[position : position + _RECORD.size], seed):
            yield Record(start, stop, digest)


class JournalReader:
    """The reading end: a journal's header, and its records a bounded batch at a time."""

    def __init__(self, disk: Disk, file: int) -> None:
        self._disk = disk
        self._file = file
        self.end = disk.status(file).st_size
        head = disk.read(file, HEADER_MAX_BYTES, 0)
        decoded = decode_header(head)
        self.header: Header | None = None
        if decoded is not None:
            self.header, self._start = decoded
            self._seed = crc32(encode_header(self.header))

    def records(self) -> Iterator[Record]:
        """Every record that is whole; there must be a header. Raises `OSError`."""
        assert self.header is not None, "a journal without a header has no records"
        step = RECORD_BYTES * _READ_RECORDS
        for offset in range(self._start, self.end, step):
            data = self._disk.read(self._file, step, offset)
            yield from decode_records(data, self._seed, size=self.header.size)


assert JournalPolicy().piece_min_bytes > 12 * RECORD_BYTES, "a journal is under a twelfth of its file"
assert HEADER_MAX_BYTES < 8 * KIB
