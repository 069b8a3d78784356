"""The shape of a pack: small files one after the other, each with a short head.

Owns how a file stands in a pack, and how a pack that comes in pieces is taken apart. Never reads or stores one.
"""

from typing import Final

from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import NAME_MAX_BYTES, SMALL_FILE_MAX_BYTES
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.wire.layout import head_struct
from mayhem_udp.wire.messages import NO_DIGEST, PACK_ENTRY

HEAD: Final = head_struct(PACK_ENTRY)
DIGEST_BYTES: Final = len(NO_DIGEST)


class SmallFile(Struct, frozen=True):
    """One file of a pack, whole; `code` is not OK where it could not be had, and `data` empty then."""

    name: bytes
    data: bytes
    mtime_ns: int
    mode: int
    code: int
    sha256: bytes


def encode_file(file: SmallFile) -> bytes:
    """A file as it stands in a pack."""
    head = HEAD.pack(len(file.name), len(file.data), file.mtime_ns, file.mode, file.code)
    return b"".join((head, file.sha256, file.name, file.data))


def size_in_pack(file: SmallFile) -> int:
    """How many bytes of a pack a file is."""
    return HEAD.size + DIGEST_BYTES + len(file.name) + len(file.data)


class PackReader:
    """Takes a pack apart; what comes out of order waits (within the body's credit)."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._base = 0
        self._received = RangeSet()

    @property
    def held_bytes(self) -> int:
        """What waits until it is whole, the room for what is missing included."""
        return len(self._bytes)

    @property
    def edge(self) -> int:
        """Everything below this offset has come."""
        return self._received.stop_of(self._base)

    def put(self, offset: int, data: NDArray[uint8]) -> list[SmallFile]:
        """Take bytes of the body; returns the files that are whole now. Raises `PeerError`."""
        stop = offset + len(data)
        position = offset - self._base
        if len(self._bytes) < stop - self._base:
            self._bytes.extend(bytes(stop - self._base - len(self._bytes)))
        self._bytes[position : position + len(data)] = data.data
        self._received.add(offset, stop)
        ready = self._received.stop_of(self._base) - self._base
        files: list[SmallFile] = []
        used = 0
        while (file := self._next(used, ready)) is not None:
            files.append(file)
            used += size_in_pack(file)
        if used:
            del self._bytes[:used]
            self._base += used
            self._received.drop_below(self._base)
        return files

    def _next(self, start: int, ready: int) -> SmallFile | None:
        body = start + HEAD.size + DIGEST_BYTES
        if ready < body:
            return None
        name_bytes, size, mtime_ns, mode, code = HEAD.unpack_from(self._bytes, start)
        if name_bytes > NAME_MAX_BYTES or size > SMALL_FILE_MAX_BYTES:
            raise PeerError("a file in a pack is larger than any may be", code=Code.LIMIT_EXCEEDED)
        if ready < body + name_bytes + size:
            return None
        digest = bytes(self._bytes[body - DIGEST_BYTES : body])
        name = bytes(self._bytes[body : body + name_bytes])
        data = bytes(self._bytes[body + name_bytes : body + name_bytes + size])
        return SmallFile(name, data, mtime_ns, mode, code, digest)
