"""SHA-256 of files that are in place, remembered.

Owns the memory, and the reading for it in rounds: a digest holds for one version of one file, told by device,
inode, size and both of its times. The time of the inode's last change is among them since nobody can choose it,
unlike the other.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from mayhem_udp.limits import BLOCK_BYTES
from mayhem_udp.store.disk import Status
from mayhem_udp.store.source import FileSource, feed

REMEMBERED_MAX: Final = 4_096
ROUND_BYTES: Final = 32 * BLOCK_BYTES
"""What is read at a time: others wait for the thread, and for the request that has ended meanwhile."""

_Key = tuple[int, int, int, int, int]


class DigestCache:
    """Digests by version, the longest unused forgotten first. Used by several threads."""

    def __init__(self) -> None:
        self._digests: OrderedDict[_Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, status: Status) -> bytes | None:
        """The digest of a file as it is now, if it is known."""
        key = _key(status)
        with self._lock:
            if key in self._digests:
                self._digests.move_to_end(key)
            return self._digests.get(key)

    def put(self, status: Status, digest: bytes) -> None:
        """Remember."""
        with self._lock:
            self._digests[_key(status)] = digest
            if len(self._digests) > REMEMBERED_MAX:
                self._digests.popitem(last=False)


def _key(status: Status) -> _Key:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Digesting:
    """The digest of one file, a bounded round at a time. Used by one thread at a time.

    The file is open between rounds, and counts as such. Close it where it is not read to its end.
    """

    def __init__(self, cache: DigestCache, opener: Callable[[], FileSource]) -> None:
        self._cache = cache
        self._opener = opener
        self._source: FileSource | None = None
        self._hashed = sha256()
        self._position = 0

    def read(self) -> bytes | None:
        """Read on; the digest when that was the end, or where it was known. Raises `MayhemError`."""
        try:
            if self._source is None:
                self._source = self._opener()
            digest = self._cache.get(self._source.status) or self._read(self._source)
        except BaseException:
            self.close()
            raise
        if digest is not None:
            self.close()
        return digest

    def _read(self, source: FileSource) -> bytes | None:
        stop = min(self._position + ROUND_BYTES, source.size)
        feed(source, self._hashed.update, self._position, stop)
        self._position = stop
        if self._position < source.size:
            return None
        digest = self._hashed.digest()
        source.check_unchanged(sent_bytes=source.size, digest=digest)
        self._cache.put(source.status, digest)
        return digest

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if self._source is not None:
            self._source.close()
