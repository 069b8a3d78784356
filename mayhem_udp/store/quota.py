"""What the store may hold: bytes, files with their folders, open files, and the space that others need.

Owns the limits and the counts. A transfer reserves what it has announced before its first byte, so that
many at once cannot exceed together what each alone would not. What is there and what is reserved are
counted apart; a `census` replaces the first, whatever goes on meanwhile. Until there was one, only what
has come since the start is known, and the limits hold for that. Used by several threads.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, MayhemError, RefusedError, TransferError
from mayhem_udp.limits import NAME_DEPTH_MAX, NAME_MAX_BYTES
from mayhem_udp.store.census import Census
from mayhem_udp.store.failures import failure
from mayhem_udp.units import MIB, format_bytes

GROWTH_BYTES: Final = 16 * MIB
"""A transfer of unknown size reserves this much more each time."""
UNASKED_SHARE: Final = 64
UNASKED_MAX_BYTES: Final = 16 * MIB
"""Of what the file system has to spare, this part, and this much at most, is given out before it is asked
again: to ask for each of many small files took a fifth of their time."""


class StoreLimits(Struct, frozen=True):
    """Bounds that a user may set; 0 means none."""

    file_size_max_bytes: int = 0
    stored_max_bytes: int = 0
    files_max: int = 0
    """Files and folders: an empty folder takes an inode too, and nobody can remove it from afar."""
    open_files_max: int = 0
    free_space_min_bytes: int | None = None
    """Left to others on the file system; 0: it may be filled; None: it is not asked what it has."""
    name_max_bytes: int = NAME_MAX_BYTES
    name_depth_max: int = NAME_DEPTH_MAX


class Quota:
    """The counts of one store; `free_bytes` asks the file system."""

    def __init__(self, limits: StoreLimits, *, free_bytes: Callable[[], int]) -> None:
        self.limits = limits
        self.open_files = 0
        self.changing = threading.RLock()
        """Held while a name changes and the change is counted: what is counted is what was done."""
        self._there_bytes = 0
        self._there_files = 0
        self._reserved_bytes = 0
        self._reserved_files = 0
        self._free_bytes = free_bytes
        self._unasked_bytes = 0
        self._lock = threading.Lock()
        self._reservations: set[Reservation] = set()
        self._stagings: set[str] = set()
        """In use: they are reserved, and not counted as being there."""
        self._census: Census | None = None
        self._counting = threading.Lock()

    @property
    def stored_bytes(self) -> int:
        """In files and in stagings; a staging in use counts with what it has announced."""
        return self._there_bytes + self._reserved_bytes

    @property
    def files(self) -> int:
        """There, and reserved."""
        return self._there_files + self._reserved_files

    @property
    def needs_count(self) -> bool:
        """Whether some limit asks for what is in the store already."""
        return bool(self.limits.stored_max_bytes or self.limits.files_max)

    def change_limits(self, limits: StoreLimits) -> None:
        """From now on these."""
        with self._lock:
            self.limits = limits
            self._unasked_bytes = 0

    def check_size(self, size: int) -> None:
        """Refuse a file that is too large by itself."""
        limit = self.limits.file_size_max_bytes
        if limit and size > limit:
            raise RefusedError(
                f"a file may have at most {format_bytes(limit)}",
                code=Code.FILE_TOO_LARGE,
                remedy="send a smaller one, or raise limits.file_size_max",
            )

    def cover(self, reservation: "Reservation", total: int, *, there_bytes: int = 0) -> None:
        """Raise a reservation to `total` bytes, if the limits and the file system have them, in one step.

        `there_bytes` of them take space already.
        """
        with self._lock:
            count = total - reservation.bytes
            self._check_space(max(count - there_bytes, 0))
            limit = self.limits.stored_max_bytes
            if limit and self.stored_bytes + count > limit:
                raise RefusedError(
                    f"the store may hold at most {format_bytes(limit)}, and is full",
                    code=Code.STORE_FULL,
                    remedy="remove something, or raise limits.stored_max",
                )
            self._reserved_bytes += count
            reservation.bytes = total

    def _check_space(self, count: int) -> None:
        least = self.limits.free_space_min_bytes
        if least is None:
            return
        if count <= self._unasked_bytes:
            self._unasked_bytes -= count
            return
        try:
            free = self._free_bytes()
        except OSError as error:
            raise failure(error, "the store") from error
        # What others have reserved and not written yet is free for the file system, and for nobody else.
        promised = sum(reservation.unwritten_bytes for reservation in self._reservations)
        left = free - promised - count
        spare = left - least
        self._unasked_bytes = max(0, min(spare // UNASKED_SHARE, UNASKED_MAX_BYTES))
        if spare < 0:
            message, remedy = f"there is no space for {format_bytes(count)} more", "make room"
            if left >= 0:
                message += f": store.free_space_min keeps {format_bytes(least)} free"
                remedy += " or lower store.free_space_min"
            raise TransferError(message, code=Code.NO_SPACE, remedy=f"{remedy}, then try again")

    def cover_files(self, reservation: "Reservation", total: int) -> None:
        """Raise a reservation to as many files and folders, if the limit has them."""
        with self._lock:
            count = total - reservation.files
            limit = self.limits.files_max
            if limit and self.files + count > limit:
                raise RefusedError(
                    f"the store may hold at most {limit} files and folders",
                    code=Code.TOO_MANY_FILES,
                    remedy="remove some, or raise limits.files_max",
                )
            self._reserved_files += count
            reservation.files = total

    # --- What is there -------------------------------------------------------------------------------

    def count_change(self, name: str, *, was: int | None, size: int | None) -> None:
        """A file or folder has changed, with `changing` held: from so many bytes to so many; None: none."""
        with self._lock:
            self._count(name, was_bytes=was or 0, was_files=was is not None)
            self._there_bytes += (size or 0) - (was or 0)
            self._there_files += (size is not None) - (was is not None)

    def count_swept(self, stored_bytes: int) -> None:
        """Stagings are there no more. Never during a census."""
        with self._lock:
            self._there_bytes -= stored_bytes

    def _count(self, name: str, *, was_bytes: int, was_files: int) -> None:
        if self._census is not None:
            self._census.touch(name, stored_bytes=was_bytes, files=was_files)

    def begin(self, reservation: "Reservation", found_bytes: int) -> None:
        """Its staging is in use from now on; what was found of it is reserved with the rest."""
        with self._lock:
            self._reservations.add(reservation)
            self._there_bytes -= found_bytes
            if reservation.staging:
                self._count(reservation.staging, was_bytes=found_bytes, was_files=0)
                self._stagings.add(reservation.staging)

    def settle(self, reservation: "Reservation", *, left_bytes: int, left_as: str, was_bytes: int) -> None:
        """It is over, and its staging in use no more: so much is left of it, in place of `was_bytes`."""
        with self._lock:
            self._give_back(reservation)
            self._reservations.discard(reservation)
            self._there_bytes += left_bytes - was_bytes
            if left_as:
                self._count(left_as, was_bytes=was_bytes, was_files=0)
            if reservation.staging:
                self._count(reservation.staging, was_bytes=0, was_files=0)
                self._stagings.discard(reservation.staging)

    def replace(self, reservation: "Reservation", name: str, *, was: int | None, size: int) -> None:
        """It has become a file, with `changing` held: what was reserved is there from now on."""
        with self._lock:
            self._give_back(reservation)
        self.count_change(name, was=was, size=size)

    def make_folder(self, reservation: "Reservation", name: str) -> None:
        """A folder was made, with `changing` held; it is there from now on, and reserved no more."""
        with self._lock:
            if reservation.files:
                reservation.files -= 1
                self._reserved_files -= 1
        self.count_change(name, was=None, size=0)

    def _give_back(self, reservation: "Reservation") -> None:
        self._reserved_bytes -= reservation.bytes
        self._reserved_files -= reservation.files
        reservation.bytes = reservation.files = 0

    @contextmanager
    def census(self) -> Iterator[Callable[[str, int, int], None]]:
        """Count anew: tell it name, bytes and files of all that is there; stagings by the name of theirs."""
        with self._counting:
            census = Census()
            with self._lock:
                self._census = census
                before = self._there_bytes, self._there_files

            def meet(name: str, stored_bytes: int, files: int) -> None:
                with self.changing, self._lock:
                    if name not in self._stagings:
                        census.meet(name, stored_bytes=stored_bytes, files=files)

            try:
                yield meet
                with self._lock:
                    counted_bytes, counted_files = census.result()
                    self._there_bytes += counted_bytes - before[0]
                    self._there_files += counted_files - before[1]
            finally:
                self._census = None

    # --- Descriptors ---------------------------------------------------------------------------------

    def take_open_file(self) -> None:
        """Reserve a descriptor."""
        with self._lock:
            limit = self.limits.open_files_max
            if limit and self.open_files >= limit:
                raise RefusedError(
                    "too many files are open at once",
                    code=Code.TOO_MANY_OPEN_FILES,
                    remedy="try again later, or raise limits.open_files_max",
                )
            self.open_files += 1

    def return_open_file(self) -> None:
        """Give it back."""
        with self._lock:
            self.open_files -= 1
            assert self.open_files >= 0, "every descriptor is given back once"


class Reservation:
    """What one transfer has reserved: bytes, a descriptor, and the places of a file that is new, and its folders.

    `staging` is the name of the file that is counted as this, `found_bytes` what it had before.
    """

    def __init__(self, quota: Quota, *, staging: str = "", found_bytes: int = 0) -> None:
        self._quota = quota
        self.staging = staging
        self.bytes = 0
        """Set by the quota, which has a lock; `files` too."""
        self.files = 0
        self._written: Callable[[], int] = lambda: 0
        self._is_open = True
        quota.take_open_file()
        quota.begin(self, found_bytes)

    def measure(self, written: Callable[[], int]) -> None:
        """Ask this, from any thread, how many of the bytes are written: the file system knows of those."""
        self._written = written

    @property
    def unwritten_bytes(self) -> int:
        """Reserved, and still free for the file system."""
        return max(0, self.bytes - self._written())

    def cover(self, total: int, *, there_bytes: int = 0) -> None:
        """Have `total` bytes reserved at least, of which some may be there already.

        Raises when there is no room, and then changes nothing.
        """
        if total > self.bytes:
            self._quota.check_size(total)
            self._quota.cover(self, total, there_bytes=there_bytes)

    def grow(self, total: int) -> None:
        """The same in large steps, for a size that nobody knows; exactly that much near a limit."""
        if total > self.bytes:
            try:
                self.cover(-(-total // GROWTH_BYTES) * GROWTH_BYTES)
            except MayhemError:
                self.cover(total)

    def cover_files(self, total: int) -> None:
        """Have the places of `total` new files and folders reserved at least."""
        if total > self.files:
            self._quota.cover_files(self, total)

    def make_folder(self, name: str) -> None:
        """Trade a part of the reservation for a folder that was made."""
        self._quota.make_folder(self, name)

    def become(self, name: str, *, was: int | None, size: int) -> None:
        """Trade the reservation for a file that has its name now, where one of `was` bytes was before."""
        self._quota.replace(self, name, was=was, size=size)

    def end(self, *, left_bytes: int = 0, left_as: str = "", was_bytes: int = 0) -> None:
        """Give back what has not become a file. Only the first time counts.

        Of the staging is left so much; where it has another name now, there were `was_bytes` before.
        """
        if self._is_open:
            self._is_open = False
            self._quota.return_open_file()
            self._quota.settle(self, left_bytes=left_bytes, left_as=left_as, was_bytes=was_bytes)
