"""Folders below a root, opened one name at a time, so that no link and no race of links leads outside.

Owns which folders are known to be on the device themselves: a file is not safe while the entry of a
folder above it may still be lost. Descriptors live as long as the `OpenFolders` of one piece of work,
never longer: a folder that was moved away is not written to under its old name.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from mayhem_udp.store.disk import Disk

Parts = tuple[str, ...]

_DURABLE_MAX: Final = 16_384
"""Folders remembered as durable; past it all are forgotten, which costs an fsync each."""


def open_or_make_root(disk: Disk, path: str) -> int:
    """A folder by its path, as the user gave it; made if need be, on the device too, with those above it."""
    try:
        return disk.open_root(path)
    except FileNotFoundError:
        above, name = os.path.split(path.rstrip("/"))
        if name in {"", "."}:
            raise
    parent = open_or_make_root(disk, above or ".")
    try:
        with suppress(FileExistsError):  # somebody else was quicker
            disk.make_folder(parent, os.fsencode(name))
        disk.sync(parent)
    finally:
        disk.close(parent)
    return disk.open_root(path)


class Folders:
    """The folders of one root. Used by several threads."""

    def __init__(self, disk: Disk, root: int) -> None:
        self.disk = disk
        self.root = root
        self._durable: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    def open(self) -> "OpenFolders":
        """For one piece of work; to be closed after it (a context manager)."""
        return OpenFolders(self)

    def open_alone(self, parts: Parts) -> int:
        """A folder, with none of those above it left open; to be closed by the caller."""
        folder = self.disk.duplicate(self.root)
        for part in parts:
            above = folder
            try:
                folder = self.disk.open_folder(above, part.encode())
            finally:
                self.disk.close(above)
        return folder

    def open_or_make(self, parent: int, name: bytes, *, on_made: Callable[[], None] = lambda: None) -> int:
        """A folder in a folder, made if need be; then `on_made` is told."""
        try:
            return self.disk.open_folder(parent, name)
        except FileNotFoundError:
            pass
        with self._lock:  # nobody may take the new folder for an old one of the same number
            try:
                self.disk.make_folder(parent, name)
            except FileExistsError:
                return self.disk.open_folder(parent, name)
            on_made()
            made = self.disk.open_folder(parent, name)
            try:
                self._durable.discard(self._key(made))
            except BaseException:
                self.disk.close(made)
                raise
            return made

    def is_durable(self, folder: int) -> bool:
        """Whether the entry of this folder in the one above is known to be on the device."""
        with self._lock:
            return self._key(folder) in self._durable

    def note_durable(self, folder: int) -> None:
        """The folder above has been synced since this one was opened."""
        with self._lock:
            if len(self._durable) >= _DURABLE_MAX:
                self._durable.clear()
            self._durable.add(self._key(folder))

    def _key(self, folder: int) -> tuple[int, int]:
        status = self.disk.status(folder)
        return status.st_dev, status.st_ino


class OpenFolders:
    """Folders that are open for one piece of work. Used by one thread."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._disk = folders.disk
        self._opened: dict[Parts, int] = {(): folders.root}
        self._changed: dict[Parts, None] = {}

    def get(self, parts: Parts) -> int:
        """The folder; raises `OSError` where there is none, or a link or file in its place."""
        known = self._opened.get(parts)
        if known is None:
            known = self._disk.open_folder(self.get(parts[:-1]), parts[-1].encode())
            self._opened[parts] = known
        return known

    def get_or_make(self, parts: Parts, *, on_made: Callable[[Parts], None] = lambda _parts: None) -> int:
        """The folder, made if need be with those above it; `on_made` is told of each."""
        known = self._opened.get(parts)
        if known is None:
            above = self.get_or_make(parts[:-1], on_made=on_made)
            known = self._folders.open_or_make(above, parts[-1].encode(), on_made=lambda: on_made(parts))
            self._opened[parts] = known
        return known

    def get_existing(self, parts: Parts) -> int:
        """The lowest folder on the way to `parts` that exists; raises `OSError` for a link or a file."""
        for depth in range(1, len(parts) + 1):
            try:
                self.get(parts[:depth])
            except FileNotFoundError:
                return self._opened[parts[: depth - 1]]
        return self._opened[parts]

    def count_missing(self, parts: Parts) -> int:
        """How many folders are to be made on the way to `parts`; raises like `get_existing`."""
        self.get_existing(parts)
        return sum(parts[:depth] not in self._opened for depth in range(1, len(parts) + 1))

    def note_changed(self, parts: Parts) -> None:
        """Names in this folder were changed: `sync` is to bring that to the device."""
        self._changed[parts] = None

    def sync(self) -> None:
        """Wait until the changes are on the device, with the folders that they are in."""
        fresh: list[int] = []
        for parts in list(self._changed):
            for depth in range(len(parts), 0, -1):
                folder = self._opened[parts[:depth]]
                if not self._folders.is_durable(folder):
                    fresh.append(folder)
                    self._changed[parts[: depth - 1]] = None
        for parts in self._changed:
            self._disk.sync(self._opened[parts])
        for folder in fresh:
            self._folders.note_durable(folder)
        self._changed.clear()

    def count_with(self, parts: Parts) -> int:
        """How many would be open with this folder and those above it."""
        return len(self._opened.keys() | {parts[:depth] for depth in range(1, len(parts) + 1)}) - 1

    def forget(self) -> None:
        """Close all, and look again the next time; what was changed should be synced before."""
        for parts, folder in self._opened.items():
            if parts:
                self._disk.close(folder)
        self._opened = {(): self._folders.root}
        self._changed.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
