"""What comes in: stagings for transfers, and batches of small files.

Owns the steps from a name to a staging: limits, where it will land, space, the staging itself. A refusal
comes before the first byte, and leaves nothing behind. Never reads what is in place.
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.store.commit import Committer, check_replaceable
from mayhem_udp.store.digests import DigestCache
from mayhem_udp.store.disk import Disk
from mayhem_udp.store.failures import Explain
from mayhem_udp.store.journal import Header, JournalPolicy
from mayhem_udp.store.names import Name
from mayhem_udp.store.quota import Quota, Reservation
from mayhem_udp.store.shelf import Claim, Shelf
from mayhem_udp.store.small import SmallBatch, SmallFile
from mayhem_udp.store.source import NO_FINGERPRINT
from mayhem_udp.store.staging import Desk, Staging


class Intake:
    """The way in of one store."""

    def __init__(
        self,
        disk: Disk,
        shelf: Shelf,
        committer: Committer,
        quota: Quota,
        *,
        digests: DigestCache,
        clock_ns: Callable[[], int],
        policy: JournalPolicy,
        explain: Explain,
    ) -> None:
        self._disk = disk
        self.shelf = shelf
        self._committer = committer
        self._quota = quota
        self._digests = digests
        self._clock_ns = clock_ns
        self._policy = policy
        self._explain = explain
        self._may_wait = _may_wait(disk, shelf.folder)

    def stage(self, name: Name, *, size: int | None, fingerprint: bytes, mtime_ns: int, mode: int) -> Staging:
        """A staging for a file; the one of an interrupted transfer of the same version, if there is one."""
        self._check_limits(name, size)
        header = Header(str(name), size or 0, fingerprint, mtime_ns, mode)
        is_known = size is not None and size >= self._policy.resume_min_bytes
        try:
            new_files = self._look_at_landing(name)
            if is_known and fingerprint != NO_FINGERPRINT:
                claim = self.shelf.claim(str(name), size=header.size, fingerprint=fingerprint)
            else:
                claim = self.shelf.claim_new()
        except OSError as error:
            raise self._explain(error, name) from error
        return self._staging(claim, header, size, partial(self._put_in_place, name), new_files=new_files)

    def find_partial(self, name: Name) -> Staging | None:
        """The staging of an interrupted transfer of any version of a file; to be recovered first."""
        try:
            new_files = self._look_at_landing(name)
            claim = self.shelf.claim_partial(str(name))
        except OSError as error:
            raise self._explain(error, name) from error
        if claim is None or claim.header is None:
            return None
        header = claim.header
        return self._staging(
            claim, header, header.size, partial(self._put_in_place, name), new_files=new_files
        )

    def scratch(self, *, size: int | None) -> Staging:
        """A staging that never gets a name, and is gone with its last descriptor, come what may."""
        if size is not None:
            self._quota.check_size(size)
        header = Header("the file to be sent back", size or 0, NO_FINGERPRINT, 0, 0)
        try:
            claim = self.shelf.claim_new()
            try:
                self._disk.remove_file(self.shelf.folder, claim.part)
            except BaseException:
                self._disk.close(claim.file)
                raise
        except OSError as error:
            raise self._explain(error, header.name) from error
        return self._staging(claim, header, size, None, new_files=0)

    def write_small(self, files: Sequence[SmallFile], *, names: Sequence[Name] = ()) -> list[Code]:
        """Store files that are whole in memory; those with OK are on the device when this returns."""
        return SmallBatch(self._disk, self.shelf, self._committer, self._quota).store(files, names=names)

    # --- Steps ---------------------------------------------------------------------------------------

    def _check_limits(self, name: Name, size: int | None) -> None:
        limits = self._quota.limits
        if len(str(name).encode()) > limits.name_max_bytes or len(name.parts) > limits.name_depth_max:
            raise RefusedError(
                f"a name may have {limits.name_max_bytes} bytes and {limits.name_depth_max} parts at most",
                code=Code.NAME_TOO_LONG,
                remedy="use a shorter name",
            )
        if size is not None:
            self._quota.check_size(size)

    def _look_at_landing(self, name: Name) -> int:
        """How many files and folders it would add; raises `OSError` where a file could not land there."""
        with self._committer.folders.open() as opened:
            lowest = opened.get_existing(name.folder)
            if self._disk.status(lowest).st_dev != self._disk.status(self.shelf.folder).st_dev:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            try:
                found = self._disk.status_of(opened.get(name.folder), name.last)
            except FileNotFoundError:
                return 1 + opened.count_missing(name.folder)
            check_replaceable(found)
            return 0

    def _staging(
        self,
        claim: Claim,
        header: Header,
        size: int | None,
        put_in_place: Callable[[Staging, bytes], OSError | None] | None,
        *,
        new_files: int,
    ) -> Staging:
        """The staging of a claim, with everything reserved; where that fails, all is as before."""
        reservation: Reservation | None = None
        is_kept = claim.header is not None
        try:
            reservation = Reservation(self._quota, staging=claim.part.decode(), found_bytes=claim.found_bytes)
            reservation.cover(size or 0, there_bytes=claim.found_bytes if is_kept else 0)
            reservation.cover_files(new_files)
        except BaseException:
            if reservation is not None:
                reservation.end(left_bytes=claim.found_bytes if is_kept else 0)
            elif not is_kept:
                self._quota.count_swept(claim.found_bytes)
            self._unclaim(claim)
            raise
        desk = Desk(
            disk=self._disk,
            folder=self.shelf.folder,
            clock_ns=self._clock_ns,
            may_wait=self._may_wait,
            policy=self._policy,
            put_in_place=put_in_place,
            on_kept=self.shelf.note_kept,
            explain=self._explain,
        )
        staging = Staging(desk, claim, reservation, header=header, size=size)
        reservation.measure(lambda: staging.received_bytes)
        return staging

    def _unclaim(self, claim: Claim) -> None:
        if claim.header is None:
            with suppress(OSError):  # a scratch file has no name; anything else is swept
                self._disk.remove_file(self.shelf.folder, claim.part)
        self._disk.close(claim.file)

    def _put_in_place(self, name: Name, staging: Staging, sha256: bytes) -> OSError | None:
        doubt = self._committer.put_in_place(
            staging.file,
            shelf=staging.folder,
            file_name=staging.file_name,
            name=name,
            mode=staging.mode,
            mtime_ns=staging.mtime_ns,
            reservation=staging.reservation,
        )
        with suppress(OSError):  # then it is computed when somebody asks
            self._digests.put(self._disk.status(staging.file), sha256)
        return doubt


def _may_wait(disk: Disk, folder: int) -> bool:
    """Whether writing there may wait for a device."""
    try:
        return not disk.is_in_memory(disk.status(folder))
    except OSError:
        return True
