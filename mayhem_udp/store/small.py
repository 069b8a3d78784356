"""Small files, many at a time: each whole in memory, checked, written, and put in place durably.

Owns the batch: all files are written before the first is waited for, so that the device takes them
together; then each gets its name; then every folder is waited for once, unless they are very many. A file
that fails fails alone. Runs in a worker.
"""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final, Protocol

from msgspec import Struct

from mayhem_udp.errors import Code, MayhemError
from mayhem_udp.store.commit import Committer, Finished, sane_mode
from mayhem_udp.store.disk import Disk
from mayhem_udp.store.failures import failure
from mayhem_udp.store.folders import OpenFolders
from mayhem_udp.store.names import Name, check_name
from mayhem_udp.store.quota import Quota, Reservation
from mayhem_udp.store.shelf import Shelf

OPEN_AT_ONCE_MAX: Final = 64
"""Files of one batch that are open together."""
FOLDERS_OPEN_MAX: Final = 64
"""Folders likewise, the root aside: a name may go through nearly as many."""


class SmallFile(Protocol):
    """A file with all its bytes, as it comes from a peer."""

    @property
    def name(self) -> bytes: ...
    @property
    def data(self) -> bytes: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def mode(self) -> int: ...
    @property
    def sha256(self) -> bytes: ...


class _Written(Struct, frozen=True):
    """A file that has its bytes, and not its name yet."""

    index: int
    name: Name
    file: int
    file_name: bytes
    size: int
    reservation: Reservation


class SmallBatch:
    """Files that are stored together. `codes` has the outcome of each."""

    def __init__(self, disk: Disk, shelf: Shelf, committer: Committer, quota: Quota) -> None:
        self._disk = disk
        self._shelf = shelf
        self._committer = committer
        self._quota = quota
        self._names: Sequence[Name] = ()
        self._waiting: list[_Written] = []
        self._unsaved: list[int] = []
        """Files that have names which may not be on the device yet."""
        self.codes: list[Code] = []

    def store(self, files: Sequence[SmallFile], *, names: Sequence[Name] = ()) -> list[Code]:
        """Store them all; what is OK is on the device when this returns.

        `names` are the caller's own, one for each file; without them, those that the peer has given count.
        """
        self._names = names
        self.codes = [Code.OK] * len(files)
        with self._committer.folders.open() as opened:
            for index, file in enumerate(files):
                if len(self._waiting) >= OPEN_AT_ONCE_MAX:
                    self._put_in_place(opened)
                code = self._try(index, file)
                if code is Code.TOO_MANY_OPEN_FILES and self._waiting:
                    self._put_in_place(opened)
                    code = self._try(index, file)
                self.codes[index] = code
            self._put_in_place(opened)
            self._save_names(opened)
        return self.codes

    def _try(self, index: int, file: SmallFile) -> Code:
        try:
            name = self._names[index] if self._names else self._checked_name(file)
            if sha256(file.data).digest() != file.sha256:
                return Code.INTEGRITY
            reservation = Reservation(self._quota)
        except MayhemError as error:
            return error.code
        try:
            reservation.cover(len(file.data))
            written = self._write(index, name, file, reservation)
            reservation.measure(lambda: written.size)
            self._waiting.append(written)
        except MayhemError as error:
            reservation.end()
            return error.code
        except OSError as error:
            reservation.end()
            return failure(error, name).code
        return Code.OK

    def _checked_name(self, file: SmallFile) -> Name:
        limits = self._quota.limits
        return check_name(file.name, max_bytes=limits.name_max_bytes, max_depth=limits.name_depth_max)

    def _write(self, index: int, name: Name, content: SmallFile, reservation: Reservation) -> _Written:
        file, file_name = self._shelf.create_small()
        try:
            view = memoryview(content.data)
            done = self._disk.write(file, view, 0)
            while done < len(view):
                done += self._disk.write(file, view[done:], done)
            self._disk.set_attributes(file, mode=sane_mode(content.mode), mtime_ns=content.mtime_ns)
            self._disk.start_writeback(file)
        except BaseException:
            self._abandon(file, file_name)
            raise
        return _Written(index, name, file, file_name, len(view), reservation)

    def _put_in_place(self, opened: OpenFolders) -> None:
        waiting, self._waiting = self._waiting, []
        for written in waiting:
            try:
                self._disk.sync(written.file)
                if opened.count_with(written.name.folder) > FOLDERS_OPEN_MAX:
                    self._save_names(opened)
                    opened.forget()
                self._rename(opened, written)
                self._unsaved.append(written.index)
                self._disk.close(written.file)
            except (OSError, MayhemError) as error:
                self._abandon(written.file, written.file_name)
                known = failure(error, written.name) if isinstance(error, OSError) else error
                self.codes[written.index] = known.code
            written.reservation.end()

    def _rename(self, opened: OpenFolders, written: _Written) -> None:
        if self._quota.limits.files_max:
            written.reservation.cover_files(self._count_new(opened, written.name))
        finished = Finished(self._shelf.folder, written.file_name, written.size, written.reservation)
        self._committer.rename(opened, written.name, finished)

    def _count_new(self, opened: OpenFolders, name: Name) -> int:
        try:
            self._disk.status_of(opened.get(name.folder), name.last)
        except FileNotFoundError:
            return 1 + opened.count_missing(name.folder)
        return 0

    def _abandon(self, file: int, file_name: bytes) -> None:
        with suppress(OSError):
            self._disk.remove_file(self._shelf.folder, file_name)
        self._disk.close(file)

    def _save_names(self, opened: OpenFolders) -> None:
        unsaved, self._unsaved = self._unsaved, []
        try:
            opened.sync()
        except OSError as error:
            for index in unsaved:
                if self.codes[index] is Code.OK:
                    self.codes[index] = failure(error, "a folder").code
