"""One transfer's staging: from its first byte to its place under its name, or to its end without one.

Owns the phases of a transfer, and who is at it. The loop's thread writes; what may take long (`recover`,
`finish`, `block_digests`, `checkpoint`, and writes while the disk is slow) runs in a worker, one job of a
staging at a time and in order. `keep`, `discard` and `set_aside` may come at any moment from the loop:
where a worker is at it just then, they take effect when it is done.

Nothing gets its name before the SHA-256 of all of it was found right, and it is on the device.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, IntegrityError, MayhemError, PeerError, TransferError
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.store import recovery
from mayhem_udp.store.disk import Buffer, Disk
from mayhem_udp.store.failures import SPACE_CODES, Explain
from mayhem_udp.store.filling import Filling
from mayhem_udp.store.journal import Header, Journal, JournalPolicy, JournalReader
from mayhem_udp.store.pace import SLOW_JOB_NS, SLOW_WRITE_NS, Pace
from mayhem_udp.store.quota import Reservation
from mayhem_udp.store.shelf import DAMAGED, Claim
from mayhem_udp.store.source import NO_FINGERPRINT, FileSource, open_source
from mayhem_udp.store.turns import Turns
from mayhem_udp.units import MIB

CHECKPOINT_MIN_BYTES: Final = 4 * MIB
CHECKPOINT_SHARE: Final = 50
"""A loss of power costs 4 MiB or a fiftieth of the file, whichever is more."""


class Phase(Enum):
    """Where a staging is."""

    FILLING = "bytes come"
    DAMAGED = "complete, but its SHA-256 is wrong"
    REPAIRING = "its damaged blocks come again"
    OVER = "in place, or gone"


class Desk(Struct, frozen=True):
    """What a staging works with, and where it lies."""

    disk: Disk
    folder: int
    clock_ns: Callable[[], int]
    may_wait: bool
    policy: JournalPolicy
    put_in_place: Callable[["Staging", bytes], OSError | None] | None
    """Gives the finished file its name, and tells what is doubtful. None for what never gets one."""
    on_kept: Callable[[], None]
    """Told when a staging is left to be resumed."""
    explain: Explain


class Staging:
    """The staging of one transfer. `size` is None where nobody knows it yet."""

    def __init__(
        self, desk: Desk, claim: Claim, reservation: Reservation, *, header: Header, size: int | None
    ) -> None:
        self._desk = desk
        self._claim = claim
        self.reservation = reservation
        self.name = header.name
        self.size = size
        self.fingerprint = header.fingerprint
        self.mtime_ns = header.mtime_ns
        self.mode = header.mode
        self.needs_recovery = claim.header is not None
        """Whether `recover` has to be called before anything else."""
        self._journal: Journal | None = None
        if size is not None and size >= desk.policy.resume_min_bytes and header.fingerprint != NO_FINGERPRINT:
            self._journal = Journal(
                desk.disk, desk.folder, claim.journal, claim.header or header, policy=desk.policy
            )
        self._filling = Filling(desk.disk, claim.file, self._journal)
        self._pace = Pace(desk.clock_ns, may_wait=desk.may_wait)
        self._phase = Phase.FILLING
        self._turns = Turns()
        self._is_doomed = False
        """Whether what is here is of no use, or in the way of others."""
        self._must_read_again = False
        self._checkpointed_bytes = 0

    # --- What is here --------------------------------------------------------------------------------

    @property
    def file(self) -> int:
        return self._claim.file

    @property
    def file_name(self) -> bytes:
        """What the file is called as long as it is not in place."""
        return self._claim.part

    @property
    def folder(self) -> int:
        """The folder that it lies in."""
        return self._desk.folder

    @property
    def have(self) -> RangeSet:
        """Every byte that is here, and verified if it was here before."""
        return self._filling.have()

    @property
    def received_bytes(self) -> int:
        """How many bytes are here."""
        return self._filling.received_bytes

    def is_complete(self, size: int) -> bool:
        """Whether all bytes of a file of that size are here, and written."""
        return not self._turns.has_jobs and self._filling.covers(size)

    # --- Bytes come ----------------------------------------------------------------------------------

    @property
    def is_slow(self) -> bool:
        """Whether the next bytes had better be written by a worker: see `deferred`."""
        return self._turns.has_jobs or self._pace.is_slow

    def write(self, offset: int, data: Buffer, *, slow_ns: int = SLOW_WRITE_NS) -> int:
        """Put bytes in their place, now, and say how many; those that are here already are passed over.

        Raises `TransferError` for what the disk says, `RefusedError` where a limit is reached.
        """
        with self._turns.guard:
            if self._phase is not Phase.FILLING:
                raise self._not_now()
            stop = offset + len(data)
            if stop > self.reservation.bytes:
                self._make_room(stop)
            began_ns = self._desk.clock_ns()
            try:
                self._filling.write(offset, data)
            except OSError as error:
                raise self._failed(error) from error
            self._pace.on_write(len(data), began_ns=began_ns, slow_ns=slow_ns)
        return len(data)

    def deferred(self, pieces: Sequence[tuple[int, Buffer]]) -> Callable[[], int]:
        """The same for many as a job for a worker, that must be run; it gives how many bytes they were.

        While one is under way, `is_slow` stays true: order is kept. Credit is for what was written only.
        """
        return self._turns.later(lambda: sum(self.write(*piece, slow_ns=SLOW_JOB_NS) for piece in pieces))

    @property
    def hash_is_behind(self) -> bool:
        """Whether `hash_pump` has something to do."""
        return self._phase is Phase.FILLING and self._turns.is_free and self._filling.is_behind

    def hash_pump(self, budget_bytes: int) -> bool:
        """Hash at most about that much of what came out of order; True when there is more to do."""
        if not self.hash_is_behind:
            return False
        with self._turns.attempt() as is_mine:
            if is_mine and self._phase is Phase.FILLING:
                try:
                    self._filling.catch_up(budget_bytes)
                except OSError as error:
                    raise self._failed(error) from error
        return self.hash_is_behind

    def _make_room(self, stop: int) -> None:
        if self.size is not None:
            raise PeerError("more bytes came than were announced", code=Code.SIZE_MISMATCH)
        try:
            self.reservation.grow(stop)
        except MayhemError as error:
            self._is_doomed = self._is_doomed or error.code in SPACE_CODES
            raise

    # --- A worker's ----------------------------------------------------------------------------------

    def recover(self) -> RangeSet:
        """Verify what is left of an interrupted transfer; returns what is good. May take long."""
        with self._working(Phase.FILLING):
            self.needs_recovery = False
            try:
                self._recover()
            except OSError as error:
                raise self._failed(error) from error
            self._checkpointed_bytes = self.received_bytes
            return self.have

    def _recover(self) -> None:
        disk = self._desk.disk
        journal = disk.open_file(self._desk.folder, self._claim.journal)
        try:
            reader = JournalReader(disk, journal)
            if reader.header is not None and self._journal is not None:
                self._journal.resume_at(reader.end)
                recovery.recover(disk, self.file, reader, self._filling)
        finally:
            disk.close(journal)

    @property
    def checkpoint_is_due(self) -> bool:
        """Whether a loss of power would cost more than it should: see `checkpoint`."""
        if self._journal is None or self.size is None or not self._desk.may_wait:
            return False  # what lives in memory survives no such loss
        grown = self.received_bytes - self._checkpointed_bytes
        return grown >= max(CHECKPOINT_MIN_BYTES, self.size // CHECKPOINT_SHARE) // 2

    def checkpoint(self) -> None:
        """Bring what is here to the device, and the journal that says so. May take long.

        Writes go on meanwhile. Without it a transfer survives all but a loss of power.
        """
        opened: list[int] = []
        disk, folder = self._desk.disk, self._desk.folder
        try:
            with self._working(Phase.FILLING):
                self._checkpointed_bytes = self.received_bytes
                if self._journal is None:
                    return
                self._journal.finish_run()
                self._journal.flush()
                # Opened by name, not duplicated: a duplicate would hold the lock of a transfer that is
                # cut meanwhile, and the next one could not go on with it.
                opened.append(disk.open_file(folder, self.file_name))
                if self._journal.exists:
                    opened.append(disk.open_file(folder, self._claim.journal))
            for file in (*opened, folder):
                disk.sync(file)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            for file in opened:
                disk.close(file)

    def finish(self, sha256: bytes, size: int) -> None:
        """Check the SHA-256 of all `size` bytes, and put the file in place for good. May take long.

        Raises `IntegrityError` when it is another: then `block_digests`, `rewrite` and `finish` again,
        or `set_aside`. When it returns, the file is on the device under its name.
        """
        with self._working(Phase.FILLING, Phase.REPAIRING):
            try:
                self._check(sha256, size)
                if self._desk.put_in_place is None:
                    return
                doubt = self._desk.put_in_place(self, sha256)
            except OSError as error:
                raise self._failed(error) from error
            self._phase = Phase.OVER
            self._remove_journal()
            self._close()
            if doubt is not None:
                raise self._failed(doubt) from doubt

    def _check(self, expected: bytes, size: int) -> None:
        filling = self._filling
        if not filling.covers(size) or self._desk.disk.status(self.file).st_size != size:
            raise TransferError("the file is not complete", code=Code.SIZE_MISMATCH, remedy="send it again")
        filling.catch_up(size)
        found = filling.digest_again(size) if self._must_read_again else filling.digest()
        if found != expected:
            self._must_read_again = True
            self._phase = Phase.DAMAGED
            self.size = size
            raise IntegrityError("the SHA-256 of what arrived is not that of what was sent")

    def block_digests(self) -> list[bytes]:
        """The XXH3-128 of each block as it is on the disk, after `finish` found damage. May take long."""
        with self._working(Phase.DAMAGED):
            assert self.size is not None, "it is complete"
            try:
                digests = self._filling.block_digests(self.size)
            except OSError as error:
                raise self._failed(error) from error
            self._phase = Phase.REPAIRING
            return digests

    def rewrite(self, offset: int, data: Buffer) -> None:
        """Replace bytes of a block that was found to be damaged, inside the file."""
        with self._turns.attempt() as is_mine:
            is_inside = self.size is not None and offset + len(data) <= self.size
            if not is_mine or self._phase is not Phase.REPAIRING or not is_inside:
                raise self._not_now()
            try:
                self._filling.rewrite(offset, data)
            except OSError as error:
                raise self._failed(error) from error

    # --- The end -------------------------------------------------------------------------------------

    def keep(self) -> None:
        """The transfer was cut: leave what is here to be resumed, if it is worth it."""
        self._turns.at_last(self._keep_or_remove)

    def discard(self) -> None:
        """The transfer is not wanted: leave nothing."""
        self._turns.at_last(self._remove)

    def set_aside(self) -> str:
        """Leave a file that cannot be repaired for inspection; returns what it is called there."""
        disk, folder, aside = self._desk.disk, self._desk.folder, self._claim.base + DAMAGED
        earlier_bytes, left_as = 0, aside
        with self._working(Phase.FILLING, Phase.DAMAGED, Phase.REPAIRING):
            self._phase = Phase.OVER
            try:
                with suppress(FileNotFoundError):
                    earlier_bytes = disk.status_of(folder, aside).st_size
                disk.rename(folder, self.file_name, folder, aside)
            except OSError as error:
                earlier_bytes, left_as = 0, self.file_name
                raise self._failed(error) from error
            finally:
                self._remove_journal()
                self._close(left_bytes=self._size_left(), left_as=left_as, was_bytes=earlier_bytes)
        return aside.decode()

    def as_source(self) -> FileSource:
        """What is here, to be read; for a scratch file that `finish` has checked."""
        disk = self._desk.disk
        try:
            return open_source(disk, lambda: disk.duplicate(self.file), self.name)
        except OSError as error:
            raise self._desk.explain(error, self.name) from error

    def _keep_or_remove(self) -> None:
        if self._phase is Phase.OVER or self._is_doomed or not self._is_worth_keeping():
            self._remove()
            return
        self._phase = Phase.OVER
        self._desk.on_kept()
        self._close(left_bytes=self._size_left())

    def _remove(self) -> None:
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OVER
        left = 0
        try:
            self._desk.disk.remove_file(self._desk.folder, self.file_name)
        except FileNotFoundError:
            pass
        except OSError:  # what cannot be removed is swept, and counts until then
            left = self._size_left()
        self._remove_journal()
        self._close(left_bytes=left)

    def _size_left(self) -> int:
        try:
            status = self._desk.disk.status(self.file)
        except OSError:
            return self.received_bytes
        return status.st_size if status.st_nlink else 0

    def _is_worth_keeping(self) -> bool:
        if self.needs_recovery:
            return True
        if self._journal is None or self.received_bytes < self._desk.policy.resume_min_bytes:
            return False
        with suppress(OSError):
            self._journal.finish_run()
            self._journal.flush()
        return self._journal.exists

    def _remove_journal(self) -> None:
        with suppress(OSError):  # a journal without its file is swept
            self._desk.disk.remove_file(self._desk.folder, self._claim.journal)

    def _close(self, *, left_bytes: int = 0, left_as: bytes = b"", was_bytes: int = 0) -> None:
        self._desk.disk.close(self.file)
        self.reservation.end(left_bytes=left_bytes, left_as=left_as.decode(), was_bytes=was_bytes)

    # --- Who is at it --------------------------------------------------------------------------------

    @contextmanager
    def _working(self, *phases: Phase) -> Iterator[None]:
        """Have the staging alone, in one of these phases."""
        with self._turns.wait():
            if self._phase not in phases:
                raise self._not_now()
            yield

    def _not_now(self) -> MayhemError:
        if self._phase is Phase.OVER:
            return TransferError("the transfer has ended already", code=Code.CANCELLED)
        return PeerError("bytes came at a moment when none are expected", code=Code.STATE_ILLEGAL)

    def _failed(self, error: OSError) -> MayhemError:
        """The error to raise. What an I/O error has left is not trusted, and what filled a disk goes."""
        known = self._desk.explain(error, self.name)
        self._is_doomed = self._is_doomed or known.code in SPACE_CODES or known.code is Code.IO_ERROR
        return known
