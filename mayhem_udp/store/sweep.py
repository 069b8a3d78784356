"""Sweeping: what interrupted transfers have left, and nobody will go on with.

Owns what counts as stale. What somebody is at is locked, and never touched; what can be resumed is kept
for a time; everything else of the store's own goes. Never looks at files that have a name.
"""

from contextlib import suppress

from msgspec import Struct

from mayhem_udp.store.disk import Disk, Kind
from mayhem_udp.store.journal import JournalReader
from mayhem_udp.store.shelf import DAMAGED, JOURNAL, NEW, PART, Shelf


class Swept(Struct, frozen=True):
    """What a sweep removed."""

    files: int
    bytes: int


class Sweep:
    """One sweep of a shelf. `before_ns`: what was last changed before this time is too old."""

    def __init__(self, disk: Disk, shelf: Shelf, *, before_ns: int) -> None:
        self._disk = disk
        self._shelf = shelf
        self._before_ns = before_ns
        self._files = 0
        self._bytes = 0

    def run(self) -> Swept:
        """Remove what is stale; what cannot be removed is left for the next time. Raises `OSError`."""
        for file_name, kind in list(self._shelf.files()):
            if kind is Kind.FILE:
                with suppress(OSError):
                    self._look_at(file_name)
        return Swept(self._files, self._bytes)

    def _look_at(self, file_name: bytes) -> None:
        if file_name.endswith(JOURNAL):
            if not self._exists(file_name.removesuffix(JOURNAL) + PART):
                self._disk.remove_file(self._shelf.folder, file_name)
        elif self._is_stale(file_name):
            self._remove_unless_used(file_name)

    def _is_stale(self, file_name: bytes) -> bool:
        if file_name.endswith(NEW) or self._is_old(file_name):
            return True
        return file_name.endswith(PART) and not self._has_journal(file_name.removesuffix(PART) + JOURNAL)

    def _is_old(self, file_name: bytes) -> bool:
        return self._disk.status_of(self._shelf.folder, file_name).st_mtime_ns < self._before_ns

    def _exists(self, file_name: bytes) -> bool:
        try:
            self._disk.status_of(self._shelf.folder, file_name)
        except FileNotFoundError:
            return False
        return True

    def _has_journal(self, file_name: bytes) -> bool:
        try:
            file = self._disk.open_file(self._shelf.folder, file_name)
        except FileNotFoundError:
            return False
        try:
            return JournalReader(self._disk, file).header is not None
        finally:
            self._disk.close(file)

    def _remove_unless_used(self, file_name: bytes) -> None:
        file = self._disk.reopen_file(self._shelf.folder, file_name)
        try:
            if not self._shelf.lock(file, file_name):
                return
            size = self._disk.status(file).st_size
            self._disk.remove_file(self._shelf.folder, file_name)
            self._files += 1
            if file_name.endswith((PART, DAMAGED)):
                self._bytes += size
            if file_name.endswith(PART):
                with suppress(FileNotFoundError):
                    self._disk.remove_file(self._shelf.folder, file_name.removesuffix(PART) + JOURNAL)
        finally:
            self._disk.close(file)
