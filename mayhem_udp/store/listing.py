"""What is in the store: files and folders that match a pattern, found one at a time.

Owns the walk, and its rounds for a peer. It goes only where the pattern may still match, looks single
names up instead of reading a folder for them, holds one folder open at a time, and never follows a link.
What could not be asked for (links, devices, names against the rules, the store's own) is not shown. A folder
that cannot be read leaves a gap, which is told: it may hold what was asked for.
"""

import errno
import stat
from collections.abc import Generator, Iterator
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import MayhemError
from mayhem_udp.limits import NAME_DEPTH_MAX
from mayhem_udp.store.disk import Disk, Kind, Status
from mayhem_udp.store.failures import failure
from mayhem_udp.store.folders import Folders, Parts
from mayhem_udp.store.names import is_allowed_part
from mayhem_udp.store.patterns import Pattern, States, check_pattern
from mayhem_udp.store.quota import Quota
from mayhem_udp.store.source import PERMISSIONS, told_mtime_ns
from mayhem_udp.units import KIB

LOOKS_MAX: Final = 1_024
"""Names looked at, each for every part of the pattern that it may be, between two pauses: a few ms of work."""
ENTRIES_PER_ROUND: Final = 256
ROUND_BYTES: Final = 64 * KIB
"""A round is over, too, when its entries are about this large."""
ENTRY_BYTES: Final = 64
"""What an entry is made of beside its name."""
DESCRIPTORS: Final = 3
"""What a walk holds: the folder, the same opened to be read, and what the system reads it with."""


class Entry(Struct, frozen=True):
    """A file or a folder; `name` is whole, with its folders, and empty for the root."""

    name: str
    size: int
    mtime_ns: int
    mode: int
    is_directory: bool


class _Stop(Struct, frozen=True):
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
    return Entry("/".join(parts), size, told_mtime_ns(status), mode, is_directory)


_GONE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What went away while the walk was on its way, or became something else."""


class Walk:
    """One walk through the tree. Folders that go away meanwhile are passed over; see `shortfall`."""

    def __init__(self, disk: Disk, folders: Folders, pattern: Pattern, *, recursive: bool) -> None:
        self._disk = disk
        self._folders = folders
        self._pattern = pattern
        self._recursive = recursive
        self._stops: list[_Stop] = []
        self._looks = 0
        self._unread: tuple[Parts, OSError] | None = None
        """The first folder that could not be read."""
        self._last_unread: Parts | None = None
        self._unread_count = 0

    @property
    def shortfall(self) -> MayhemError | None:
        """Why this was not all that matches, as far as the walk has come."""
        if self._unread is None:
            return None
        parts, error = self._unread
        known = failure(error, "/".join(parts) or "the root")
        others = f" (and {self._unread_count - 1} more)" if self._unread_count > 1 else ""
        message = f"the list has gaps: {known.message}{others}"
        return type(known)(message, code=known.code, remedy=known.remedy)

    def _note_unread(self, parts: Parts, error: OSError) -> None:
        if error.errno in _GONE:
            return
        self._unread = self._unread or (parts, error)
        if parts != self._last_unread:  # it is told for each of its names
            self._last_unread = parts
            self._unread_count += 1

    def entries(self) -> Generator[Entry | None, None, None]:
        """The matches, in no order; None for a pause, where much was looked at since the last one.

        Raises `OSError` only for what concerns the whole walk.
        """
        start = self._pattern.start()
        if self._pattern.accepts(start):
            root = entry_of((), self._disk.status(self._folders.root))
            if root is not None:
                yield root
        self._stops = [_Stop((), None if self._pattern.accepts(start) and self._recursive else start)]
        while self._stops:
            stop = self._stops.pop()
            if self._is_time_to_pause(1 + len(stop.parts)):
                yield None
            try:
                folder = self._folders.open_alone(stop.parts)
            except OSError as error:
                self._note_unread(stop.parts, error)
                continue
            try:
                yield from self._in_folder(folder, stop)
            except OSError as error:
                self._note_unread(stop.parts, error)
            finally:
                self._disk.close(folder)

    def _in_folder(self, folder: int, stop: _Stop) -> Iterator[Entry | None]:
        looks = 1 if stop.states is None else len(stop.states)
        for part, kind in self._names(folder, stop):
            if kind is not Kind.OTHER:
                yield from self._visit(folder, stop, part, kind)
            if self._is_time_to_pause(looks):
                yield None

    def _is_time_to_pause(self, looks: int) -> bool:
        self._looks += looks
        if self._looks < LOOKS_MAX:
            return False
        self._looks = 0
        return True

    def _names(self, folder: int, stop: _Stop) -> Iterator[tuple[str, Kind]]:
        """The names, and what each stands for: nothing that matters, where it is not worth a look."""
        is_root = not stop.parts
        literals = None if stop.states is None else self._pattern.literals(stop.states)
        if literals is None:
            for raw, kind in self._disk.entries(folder):
                part = raw.decode(errors="replace")
                is_shown = kind is not Kind.OTHER and part.encode() == raw
                is_shown = is_shown and is_allowed_part(part, is_first=is_root)
                yield part, kind if is_shown else Kind.OTHER
            return
        for part in literals:
            if is_allowed_part(part, is_first=is_root):
                try:
                    status = self._disk.status_of(folder, part.encode())
                except OSError as error:
                    self._note_unread(stop.parts, error)
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
            except OSError as error:
                self._note_unread(stop.parts, error)
                return
            if entry is not None:
                yield entry
        below = None if is_match and self._recursive else states
        is_wanted = below is None or self._pattern.goes_on(below)
        if kind is Kind.FOLDER and is_wanted and len(parts) < NAME_DEPTH_MAX:
            self._stops.append(_Stop(parts, below))


class Listing:
    """A walk for a peer, a bounded round at a time. Used by one thread at a time.

    What it holds open between rounds counts as open files. Close it where it is not read to its end.
    """

    def __init__(
        self, disk: Disk, folders: Folders, quota: Quota, pattern: bytes | str, *, recursive: bool
    ) -> None:
        self._disk = disk
        self._folders = folders
        self._quota = quota
        self._pattern = pattern
        self._recursive = recursive
        self._walk: Walk | None = None
        self._found: Generator[Entry | None, None, None] | None = None
        self._descriptors = 0

    def read(self) -> list[Entry] | None:
        """A round, in which there may be none; None when there are no more. Raises `MayhemError`."""
        try:
            entries = self._read()
        except BaseException:
            self.close()
            raise
        if entries is None:
            self.close()
        return entries

    @property
    def shortfall(self) -> MayhemError | None:
        """Why what was read is not all that matches; None where it is."""
        return self._walk.shortfall if self._walk is not None else None

    def _read(self) -> list[Entry] | None:
        if self._found is None:
            self._found = self._begin()
        entries: list[Entry] = []
        left = ROUND_BYTES
        try:
            for entry in self._found:
                if entry is None:
                    return entries
                entries.append(entry)
                left -= ENTRY_BYTES + len(entry.name)
                if left <= 0 or len(entries) == ENTRIES_PER_ROUND:
                    return entries
        except OSError as error:
            raise failure(error, "the list") from error
        return entries or None

    def _begin(self) -> Generator[Entry | None, None, None]:
        pattern = check_pattern(self._pattern)  # here, since the check takes time
        for _ in range(DESCRIPTORS):
            self._quota.take_open_file()
            self._descriptors += 1
        self._walk = Walk(self._disk, self._folders, pattern, recursive=self._recursive)
        return self._walk.entries()

    def close(self) -> None:
        """Let go of the folder that is being read; a second time does nothing."""
        if self._found is not None:
            self._found.close()
        while self._descriptors:
            self._descriptors -= 1
            self._quota.return_open_file()
