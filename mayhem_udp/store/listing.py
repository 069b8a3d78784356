"""What is in the store: files and folders that match a pattern, found one at a time.

Owns the walk. It goes only where the pattern may still match, looks single names up instead of reading
a folder for them, holds one folder open at a time, and never follows a link. What could not be asked
for (links, devices, names against the rules, the store's own) is not shown.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from mayhem_udp.limits import NAME_DEPTH_MAX
from mayhem_udp.store.disk import Disk, Kind, Status
from mayhem_udp.store.folders import Folders, Parts
from mayhem_udp.store.names import is_allowed_part
from mayhem_udp.store.patterns import Pattern, States
from mayhem_udp.store.source import PERMISSIONS


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder; `name` is whole, with its folders, and empty for the root."""

    name: str
    size: int
    mtime_ns: int
    mode: int
    is_directory: bool


@dataclass(frozen=True, slots=True)
class _Stop:
    """A folder to look into, and what of the pattern is still to be matched; None: everything matches."""

    parts: Parts
    states: States | None


def entry_of(parts: Parts, status: Status) -> Entry | None:
    """The entry for a name; None for what is neither a file nor a folder."""
    is_directory = stat.S_ISDIR(status.st_mode)
    if not is_directory and not stat.S_ISREG(status.st_mode):
        return None
    size = 0 if is_directory else status.st_size
    mode = stat.S_IMODE(status.st_mode) & PERMISSIONS
    return Entry("/".join(parts), size, status.st_mtime_ns, mode, is_directory)


class Walk:
    """One walk through the tree. Folders that go away meanwhile are passed over."""

    def __init__(self, disk: Disk, folders: Folders, pattern: Pattern, *, recursive: bool) -> None:
        self._disk = disk
        self._folders = folders
        self._pattern = pattern
        self._recursive = recursive
        self._stops: list[_Stop] = []

    def entries(self) -> Iterator[Entry]:
        """The matches, in no order. Raises `OSError` only for what concerns the whole walk."""
        start = self._pattern.start()
        if self._pattern.accepts(start):
            root = entry_of((), self._disk.status(self._folders.root))
            if root is not None:
                yield root
        self._stops = [_Stop((), None if self._pattern.accepts(start) and self._recursive else start)]
        while self._stops:
            stop = self._stops.pop()
            with self._folders.open() as opened:
                try:
                    folder = opened.get(stop.parts)
                except OSError:
                    continue
                for part, kind in self._names(folder, stop):
                    yield from self._visit(folder, stop, part, kind)

    def _names(self, folder: int, stop: _Stop) -> Iterator[tuple[str, Kind]]:
        """The names that are worth a look, and what each stands for."""
        literals = None if stop.states is None else self._pattern.literals(stop.states)
        if literals is None:
            for raw, kind in self._disk.entries(folder):
                try:
                    part = raw.decode()
                except UnicodeDecodeError:
                    continue
                if kind is not Kind.OTHER and is_allowed_part(part):
                    yield part, kind
            return
        for part in literals:
            if is_allowed_part(part):
                try:
                    status = self._disk.status_of(folder, part.encode())
                except OSError:
                    continue
                yield part, Kind.FOLDER if stat.S_ISDIR(status.st_mode) else Kind.FILE

    def _visit(self, folder: int, stop: _Stop, part: str, kind: Kind) -> Iterator[Entry]:
        states = None if stop.states is None else self._pattern.step(stop.states, part)
        if states is not None and not states:
            return
        parts = (*stop.parts, part)
        is_match = states is None or self._pattern.accepts(states)
        if is_match:
            try:
                entry = entry_of(parts, self._disk.status_of(folder, part.encode()))
            except OSError:
                return
            if entry is not None:
                yield entry
        if kind is Kind.FOLDER and len(parts) < NAME_DEPTH_MAX:
            self._stops.append(_Stop(parts, None if is_match and self._recursive else states))
