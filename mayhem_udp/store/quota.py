"""What the store may hold: bytes, files, open files, and the space that others need.

Owns the limits and the counts. A transfer reserves what it has announced before its first byte, so that
many at once cannot exceed together what each alone would not. Used by several threads.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mayhem_udp.errors import Code, MayhemError, RefusedError, TransferError
from mayhem_udp.limits import NAME_DEPTH_MAX, NAME_MAX_BYTES
from mayhem_udp.store.failures import failure
from mayhem_udp.units import MIB, format_bytes

GROWTH_BYTES: Final = 16 * MIB
"""A transfer of unknown size reserves this much more each time."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds that a user may set; 0 means none."""

    file_size_max_bytes: int = 0
    stored_max_bytes: int = 0
    files_max: int = 0
    open_files_max: int = 0
    free_space_min_bytes: int = 0
    """Left to others on the file system."""
    name_max_bytes: int = NAME_MAX_BYTES
    name_depth_max: int = NAME_DEPTH_MAX


class Quota:
    """The counts of one store; `free_bytes` asks the file system."""

    def __init__(self, limits: StoreLimits, *, free_bytes: Callable[[], int]) -> None:
        self.limits = limits
        self.stored_bytes = 0
        """In files and in stagings; a staging in use counts with what it has announced."""
        self.files = 0
        self.open_files = 0
        self._free_bytes = free_bytes
        self._lock = threading.Lock()
        self._reservations: set[Reservation] = set()

    @property
    def needs_count(self) -> bool:
        """Whether some limit asks for what is in the store already."""
        return bool(self.limits.stored_max_bytes or self.limits.files_max)

    def check_size(self, size: int) -> None:
        """Refuse a file that is too large by itself."""
        limit = self.limits.file_size_max_bytes
        if limit and size > limit:
            raise RefusedError(
                f"a file may have at most {format_bytes(limit)}",
                code=Code.FILE_TOO_LARGE,
                remedy="send a smaller one, or raise limits.file_size_max",
            )

    def cover(self, reservation: "Reservation", total: int) -> None:
        """Raise a reservation to `total` bytes, if the limits and the file system have them, in one step."""
        with self._lock:
            count = total - reservation.bytes
            self._check_space(count)
            limit = self.limits.stored_max_bytes
            if limit and self.stored_bytes + count > limit:
                raise RefusedError(
                    f"the store may hold at most {format_bytes(limit)}, and is full",
                    code=Code.STORE_FULL,
                    remedy="remove something, or raise limits.stored_max",
                )
            self.stored_bytes += count
            reservation.bytes = total
            self._reservations.add(reservation)

    def _check_space(self, count: int) -> None:
        spare = self.limits.free_space_min_bytes
        if not spare:
            return
        try:
            free = self._free_bytes()
        except OSError as error:
            raise failure(error, "the store") from error
        # What others have reserved and not written yet is free for the file system, and for nobody else.
        promised = sum(reservation.unwritten_bytes for reservation in self._reservations)
        if free - promised - count < spare:
            raise TransferError(
                f"there is no space for {format_bytes(count)} more",
                code=Code.NO_SPACE,
                remedy="make room, then try again",
            )

    def forget(self, reservation: "Reservation") -> None:
        """It is over, and what it has not written is not wanted any more."""
        with self._lock:
            self._reservations.discard(reservation)

    def count_bytes(self, count: int) -> None:
        """Count what is there in any case; negative: what is there no more."""
        with self._lock:
            self.stored_bytes += count

    def take_file(self) -> None:
        """Reserve the place of one more file."""
        with self._lock:
            limit = self.limits.files_max
            if limit and self.files >= limit:
                raise RefusedError(
                    f"the store may hold at most {limit} files",
                    code=Code.TOO_MANY_FILES,
                    remedy="remove some, or raise limits.files_max",
                )
            self.files += 1

    def count_files(self, count: int) -> None:
        """Count files that are there in any case; negative: that are there no more."""
        with self._lock:
            self.files += count

    def start_from(self, *, stored_bytes: int, files: int) -> None:
        """Begin with what was counted."""
        with self._lock:
            self.stored_bytes = stored_bytes
            self.files = files

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
    """What one transfer has reserved: bytes, a descriptor, and the place of a file that is new."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self.bytes = 0
        """Set by the quota, which has a lock."""
        self._files = 0
        self._written: Callable[[], int] = lambda: 0
        self._is_open = True
        quota.take_open_file()

    def measure(self, written: Callable[[], int]) -> None:
        """Ask this, from any thread, how many of the bytes are written: the file system knows of those."""
        self._written = written

    @property
    def unwritten_bytes(self) -> int:
        """Reserved, and still free for the file system."""
        return max(0, self.bytes - self._written())

    def cover(self, total: int) -> None:
        """Have `total` bytes reserved at least; raises when there is no room, and then changes nothing."""
        if total > self.bytes:
            self._quota.check_size(total)
            self._quota.cover(self, total)

    def grow(self, total: int) -> None:
        """The same in large steps, for a size that nobody knows; exactly that much near a limit."""
        if total > self.bytes:
            try:
                self.cover(-(-total // GROWTH_BYTES) * GROWTH_BYTES)
            except MayhemError:
                self.cover(total)

    def cover_file(self) -> None:
        """Have the place of one file reserved."""
        if not self._files:
            self._quota.take_file()
            self._files = 1

    def end(self, *, stored_bytes: int, files: int) -> None:
        """Trade the reservation for what has come of it; a second time does nothing."""
        if self._is_open:
            self._is_open = False
            self._quota.return_open_file()
            self._quota.forget(self)
            self._quota.count_bytes(stored_bytes - self.bytes)
            self._quota.count_files(files - self._files)
