"""Putting a finished file in its place: on the device first, then under its name, then that too.

Owns the order of these steps, which is what makes a name hold its old content or its new, whole,
whatever happens in between; and the attributes that a file may have. Never looks at contents.
"""

import errno
import os
import stat
from contextlib import suppress
from typing import Final

from msgspec import Struct

from mayhem_udp.store.disk import Disk, Status
from mayhem_udp.store.folders import Folders, OpenFolders
from mayhem_udp.store.names import Name
from mayhem_udp.store.quota import Quota, Reservation
from mayhem_udp.store.source import PERMISSIONS

OWNER_READS: Final = 0o400
"""A file that its owner could not read would never be served again."""


def sane_mode(mode: int) -> int:
    """Permissions only: no set-user-id, set-group-id or sticky bit comes from elsewhere."""
    return mode & PERMISSIONS | OWNER_READS


def check_replaceable(status: Status) -> None:
    """Raise `OSError` for what no file takes the place of: only files and links are replaced.

    Whoever names a device or a pipe means what is behind it, and others may be using it under that name.
    """
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))


class Finished(Struct, frozen=True):
    """A file that is whole, and has not its name yet."""

    shelf: int
    """The folder that it lies in."""
    file_name: bytes
    size: int
    reservation: Reservation


class Committer:
    """Gives files their names, in the folders of one root. Used by several threads."""

    def __init__(self, disk: Disk, folders: Folders, quota: Quota) -> None:
        self._disk = disk
        self.folders = folders
        self._quota = quota

    def put_in_place(
        self,
        file: int,
        *,
        shelf: int,
        file_name: bytes,
        name: Name,
        mode: int,
        mtime_ns: int,
        reservation: Reservation,
    ) -> OSError | None:
        """Make one finished file durable under its name. Raises `OSError` where it did not get it.

        Returns what the disk said when it was to save the name: a loss of power may still bring the old
        file back.
        """
        self._disk.set_attributes(file, mode=sane_mode(mode), mtime_ns=mtime_ns)
        self._disk.sync(file)
        size = self._disk.status(file).st_size
        with self.folders.open() as opened:
            self.rename(opened, name, Finished(shelf, file_name, size, reservation))
            try:
                opened.sync()
            except OSError as error:
                return error
        return None

    def rename(self, opened: OpenFolders, name: Name, finished: Finished) -> None:
        """Give a file that is on the device its name, and count it; `opened.sync` is still to come."""
        try:
            self._rename(opened, name, finished)
        except FileNotFoundError:  # the folder was removed, with the last file in it, since it was opened
            opened.sync()
            opened.forget()
            self._rename(opened, name, finished)

    def _rename(self, opened: OpenFolders, name: Name, finished: Finished) -> None:
        reservation = finished.reservation
        was: int | None = None
        with self._quota.changing:  # what is counted as replaced must be what is replaced
            folder = opened.get_or_make(
                name.folder, on_made=lambda parts: reservation.make_folder("/".join(parts))
            )
            with suppress(FileNotFoundError):
                there = self._disk.status_of(folder, name.last)
                check_replaceable(there)
                was = there.st_size
            self._disk.rename(finished.shelf, finished.file_name, folder, name.last)
            reservation.become(str(name), was=was, size=finished.size)
        opened.note_changed(name.folder)
