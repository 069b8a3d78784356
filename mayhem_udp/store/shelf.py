"""Where unfinished files lie, and what they are called.

Owns the names of stagings, and who may use one: a staging is locked (flock) by whoever fills it, so
neither a second transfer, nor another process, nor a sweep touches it. Names tell the file meant, its
version, and a number, so that an interrupted transfer is found again by what it was of:

    .mayhem-NAME-VERSION-NUMBER.part       bytes of a transfer, with its .journal beside it
    .mayhem-NAME-VERSION-NUMBER.damaged    set aside: its SHA-256 was wrong, again and again
    .mayhem-PROCESS-NUMBER.new             a small file that is just being written
"""

import itertools
import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, TransferError
from mayhem_udp.store.disk import Disk, Kind
from mayhem_udp.store.journal import Header, JournalReader
from mayhem_udp.store.names import RESERVED
from mayhem_udp.store.source import NO_FINGERPRINT

PART: Final = b".part"
JOURNAL: Final = b".journal"
DAMAGED: Final = b".damaged"
NEW: Final = b".new"
_PREFIX: Final = f"{RESERVED}-"
_OURS: Final = re.compile(rb"\.mayhem-[0-9a-f-]+(\.part|\.journal|\.damaged|\.new)")
KEY_CHARS: Final = 16
_AT_ONCE_MAX: Final = 256
"""Transfers of the same version of the same file at once."""
_TRIES_MAX: Final = 1_000

_numbers = itertools.count()
"""Of this process; another process's are in names of their own."""


class Claim(Struct, frozen=True):
    """A staging that is this transfer's alone."""

    file: int
    base: bytes
    """The staging's name without its ending."""
    header: Header | None
    """Of its journal, when there is something to recover."""
    found_bytes: int
    """How long its file was when it was found; it may have been emptied since."""

    @property
    def part(self) -> bytes:
        """The name of its file."""
        return self.base + PART

    @property
    def journal(self) -> bytes:
        """The name of its journal."""
        return self.base + JOURNAL


class Shelf:
    """The stagings in one folder. Errors of the disk are raised as `OSError`."""

    def __init__(self, disk: Disk, folder: int) -> None:
        self._disk = disk
        self.folder = folder
        self._lock = threading.Lock()
        self._partials: dict[bytes, list[bytes]] | None = None

    def claim(self, name: str, *, size: int, fingerprint: bytes) -> Claim:
        """A staging for this version of a file: the one that was interrupted, or a new one."""
        assert fingerprint != NO_FINGERPRINT, "without one, nothing can be found again"
        key = f"{_PREFIX}{name_key(name)}-{_version_key(size, fingerprint)}"
        for number in range(_AT_ONCE_MAX):
            base = f"{key}-{number}".encode()
            found = self._reclaim(base)
            if found is None:
                claim = self._create(base)
                if claim is not None:
                    return claim
                continue
            header = found.header
            if header is None or (header.name, header.size, header.fingerprint) != (name, size, fingerprint):
                return self._emptied(found)
            return found
        raise TransferError(
            "too many transfers of the same file at once", code=Code.BUSY, remedy="try again later"
        )

    def claim_new(self) -> Claim:
        """A staging that nobody will look for again."""
        for _ in range(_TRIES_MAX):
            claim = self._create(f"{_PREFIX}{os.getpid():x}-{next(_numbers):x}".encode())
            if claim is not None:
                return claim
        raise TransferError("no name is free for a staging", code=Code.BUSY, remedy="try again later")

    def create_small(self) -> tuple[int, bytes]:
        """A new file for something that is written at once, and its name."""
        for _ in range(_TRIES_MAX):
            file_name = f"{_PREFIX}{os.getpid():x}-{next(_numbers):x}".encode() + NEW
            file = self._create_locked(file_name)
            if file is not None:
                return file, file_name
        raise TransferError("no name is free for a staging", code=Code.BUSY, remedy="try again later")

    def claim_partial(self, name: str) -> Claim | None:
        """The newest interrupted transfer of any version of a file, if nobody is at it."""
        found = []
        for base in self._bases_of(name):
            with suppress(FileNotFoundError):
                found.append((self._disk.status_of(self.folder, base + PART).st_mtime_ns, base))
        for _, base in sorted(found, reverse=True):
            claim = self._reclaim(base)
            if claim is not None and claim.header is not None and claim.header.name == name:
                return claim
            if claim is not None:
                self._disk.close(claim.file)
        return None

    def _bases_of(self, name: str) -> list[bytes]:
        """The stagings of any version of a file; the folder is read once, not for each of many files."""
        with self._lock:
            if self._partials is None:
                self._partials = {}
                for file_name, _ in self.files():
                    if file_name.endswith(PART):
                        key = file_name[: len(_PREFIX) + KEY_CHARS]
                        self._partials.setdefault(key, []).append(file_name.removesuffix(PART))
            return self._partials.get(f"{_PREFIX}{name_key(name)}".encode(), [])

    def note_kept(self) -> None:
        """A transfer was cut: the next look for partial ones has to read the folder again."""
        with self._lock:
            self._partials = None

    def stored(self) -> Iterator[tuple[str, int]]:
        """The stagings that take space, in use, kept or set aside: name and bytes."""
        for file_name, _ in self.files():
            if file_name.endswith((PART, DAMAGED)):
                with suppress(FileNotFoundError):
                    yield file_name.decode(), self._disk.status_of(self.folder, file_name).st_size

    def files(self) -> Iterator[tuple[bytes, Kind]]:
        """Everything that is the store's own in this folder."""
        for file_name, kind in self._disk.entries(self.folder):
            if _OURS.fullmatch(file_name):
                yield file_name, kind

    def _reclaim(self, base: bytes) -> Claim | None:
        """An existing staging that is nobody's at the moment, as it is."""
        try:
            file = self._disk.reopen_file(self.folder, base + PART)
        except FileNotFoundError:
            return None
        try:
            claim = self._lock_and_look(file, base)
        except BaseException:
            self._disk.close(file)
            raise
        if claim is None:
            self._disk.close(file)
        return claim

    def _lock_and_look(self, file: int, base: bytes) -> Claim | None:
        if not self.lock(file, base + PART):
            return None
        status = self._disk.status(file)
        if status.st_nlink > 1:
            # A file system that lost power in the midst of a rename may show a file under both of its
            # names: this one is in place already, and must not be written to.
            self._disk.remove_file(self.folder, base + PART)
            return None
        return Claim(file, base, self._read_header(base + JOURNAL), status.st_size)

    def lock(self, file: int, file_name: bytes) -> bool:
        """Have an open file alone, if it is nobody's and still has this name.

        Between its opening and its locking it may have been swept, or finished: then it is in place under
        its own name, and whoever wrote to it would write to that.
        """
        if not self._disk.lock(file):
            return False
        try:
            named = self._disk.status_of(self.folder, file_name)
        except FileNotFoundError:
            return False
        opened = self._disk.status(file)
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)

    def _emptied(self, claim: Claim) -> Claim:
        """The same staging without what is in it."""
        try:
            self._disk.truncate(claim.file, 0)
        except BaseException:
            self._disk.close(claim.file)
            raise
        return Claim(claim.file, claim.base, None, claim.found_bytes)

    def _read_header(self, journal: bytes) -> Header | None:
        try:
            file = self._disk.open_file(self.folder, journal)
        except FileNotFoundError:
            return None
        try:
            return JournalReader(self._disk, file).header
        finally:
            self._disk.close(file)

    def _create(self, base: bytes) -> Claim | None:
        file = self._create_locked(base + PART)
        return None if file is None else Claim(file, base, None, 0)

    def _create_locked(self, file_name: bytes) -> int | None:
        try:
            file = self._disk.create_file(self.folder, file_name)
        except FileExistsError:
            return None
        try:
            is_ours = self.lock(file, file_name)  # not where a sweep was quicker
        except BaseException:
            self._disk.close(file)
            raise
        if is_ours:
            return file
        self._disk.close(file)
        return None


def name_key(name: str) -> str:
    """What a staging's name says of the file's name."""
    return blake2b(name.encode(), digest_size=KEY_CHARS // 2).hexdigest()


def _version_key(size: int, fingerprint: bytes) -> str:
    return blake2b(fingerprint + size.to_bytes(8), digest_size=KEY_CHARS // 2).hexdigest()
