"""SHA-256 of files that are in place, remembered.

Owns the memory: a digest holds for one version of one file, told by device, inode, size and both of its
times. The time of the inode's last change is among them since nobody can choose it, unlike the other.
"""

import threading
from collections import OrderedDict
from typing import Final

from mayhem_udp.store.disk import Status
from mayhem_udp.store.source import FileSource

REMEMBERED_MAX: Final = 4_096

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


def digest_of(source: FileSource) -> bytes:
    """The SHA-256 of all of a file, which must not change meanwhile. May take long."""
    digest = source.digest()
    source.check_unchanged(sent_bytes=source.size, digest=digest)
    return digest
