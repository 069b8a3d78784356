"""Putting a finished file in its place: on the device first, then under its name, then that too.

Owns the order of these steps, which is what makes a name hold its old content or its new, whole,
whatever happens in between; and the attributes that a file may have. Never looks at contents.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mayhem_udp.store.disk import Disk, Status
from mayhem_udp.store.folders import Folders, OpenFolders
from mayhem_udp.store.names import Name
from mayhem_udp.store.source import PERMISSIONS

OWNER_READS: Final = 0o400
"""A file that its owner could not read would never be served again."""


def sane_mode(mode: int) -> int:
    """Permissions only: no set-user-id, set-group-id or sticky bit comes from elsewhere."""
    return mode & PERMISSIONS | OWNER_READS


@dataclass(frozen=True, slots=True)
class Placed:
    """A file has its name."""

    stored_bytes: int
    """How many more the store has."""
    files: int
    doubt: OSError | None
    """What the disk said when it was to save the name: a loss of power may still bring the old file back."""


class Committer:
    """Gives files their names, in the folders of one root. Used by several threads."""

    def __init__(self, disk: Disk, folders: Folders) -> None:
        self._disk = disk
        self.folders = folders
        self._lock = threading.Lock()

    def put_in_place(
        self, file: int, *, shelf: int, file_name: bytes, name: Name, mode: int, mtime_ns: int
    ) -> Placed:
        """Make one finished file durable under its name. Raises `OSError` where it did not get it."""
        self._disk.set_attributes(file, mode=sane_mode(mode), mtime_ns=mtime_ns)
        self._disk.sync(file)
        size = self._disk.status(file).st_size
        doubt: OSError | None = None
        with self.folders.open() as opened:
            replaced = self.rename(opened, shelf=shelf, file_name=file_name, name=name)
            try:
                opened.sync()
            except OSError as error:
                doubt = error
        if replaced is None:
            return Placed(size, 1, doubt)
        return Placed(size - replaced.st_size, 0, doubt)

    def rename(self, opened: OpenFolders, *, shelf: int, file_name: bytes, name: Name) -> Status | None:
        """Give a file that is on the device its name; `opened.sync` is still to come."""
        try:
            return self._rename(opened, shelf, file_name, name)
        except FileNotFoundError:  # the folder was removed, with the last file in it, since it was opened
            opened.sync()
            opened.forget()
            return self._rename(opened, shelf, file_name, name)

    def _rename(self, opened: OpenFolders, shelf: int, file_name: bytes, name: Name) -> Status | None:
        folder = opened.get_or_make(name.folder)
        replaced: Status | None = None
        with self._lock:  # what is counted as replaced must be what is replaced
            with suppress(FileNotFoundError):
                replaced = self._disk.status_of(folder, name.last)
            self._disk.rename(shelf, file_name, folder, name.last)
        opened.note_changed(name.folder)
        return replaced
