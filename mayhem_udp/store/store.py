"""The store: files under one root, by name; the front of everything in this folder.

Owns the root, and brings the parts together. The daemon's root and the folder that a client downloads
into are the same class. Used by several threads; everything but `open_source`, `stage` and `scratch` may
take long and belongs into a worker, and where a disk is slow to open files, these do too. Errors are
`RefusedError` for what makes no sense here or is not allowed, `TransferError` for what the disk cannot
do at the moment. Never reads a clock, never knows a peer.
"""

from collections.abc import Generator, Sequence
from hashlib import sha256

from msgspec import Struct

from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.escape import escape
from mayhem_udp.limits import SMALL_FILE_MAX_BYTES
from mayhem_udp.store.digests import DigestCache, Digesting
from mayhem_udp.store.disk import Disk
from mayhem_udp.store.failures import failure
from mayhem_udp.store.folders import Folders, OpenFolders
from mayhem_udp.store.intake import Intake
from mayhem_udp.store.listing import Entry, Listing, Walk, entry_of
from mayhem_udp.store.names import Name
from mayhem_udp.store.patterns import EVERYTHING, Pattern
from mayhem_udp.store.quota import Quota, StoreLimits
from mayhem_udp.store.small import SmallFile
from mayhem_udp.store.source import FileSource, check_regular, open_source
from mayhem_udp.store.staging import Staging
from mayhem_udp.store.sweep import Sweep, Swept

__all__ = ["Entry", "Store", "WholeFile"]


class WholeFile(Struct, frozen=True):
    """A small file with all its bytes."""

    data: bytes
    mtime_ns: int
    mode: int
    sha256: bytes


class Store:
    """Files under one root. Made by `opening.open_store`; `intake` is None where nothing is taken in."""

    def __init__(
        self,
        disk: Disk,
        folders: Folders,
        intake: Intake | None,
        *,
        quota: Quota,
        digests: DigestCache,
    ) -> None:
        self._disk = disk
        self._folders = folders
        self._intake = intake
        self._quota = quota
        self._digests = digests

    # --- What comes in -------------------------------------------------------------------------------

    def stage(self, name: Name, *, size: int | None, fingerprint: bytes, mtime_ns: int, mode: int) -> Staging:
        """A staging for a file that comes; see `Staging.needs_recovery`.

        `size` is None where it is not known; `fingerprint` tells versions of the file apart.
        """
        return self._taking().stage(name, size=size, fingerprint=fingerprint, mtime_ns=mtime_ns, mode=mode)

    def find_partial(self, name: Name) -> Staging | None:
        """The staging that an interrupted transfer of a file has left, whichever version it was of."""
        return self._taking().find_partial(name)

    def scratch(self, *, size: int | None) -> Staging:
        """A staging without a name: for bytes that are only passed on."""
        return self._taking().scratch(size=size)

    def write_small(self, files: Sequence[SmallFile], *, names: Sequence[Name] = ()) -> list[Code]:
        """Store many small files durably; returns the outcome of each."""
        return self._taking().write_small(files, names=names)

    @property
    def takes_files(self) -> bool:
        """Whether it was opened so that files can come in."""
        return self._intake is not None

    def _taking(self) -> Intake:
        if self._intake is None:
            raise RefusedError(
                "this store takes no files",
                code=Code.READ_ONLY,
                remedy="start the server with access.write on",
            )
        return self._intake

    # --- What goes out -------------------------------------------------------------------------------

    def open_source(self, name: Name) -> FileSource:
        """The file, to be sent."""
        quota = self._quota
        quota.take_open_file()
        try:
            with self._folders.open() as opened:
                return self._open_source(opened, name)
        except OSError as error:
            quota.return_open_file()
            raise failure(error, name) from error
        except BaseException:
            quota.return_open_file()
            raise

    def _open_source(self, opened: OpenFolders, name: Name) -> FileSource:
        folder = opened.get(name.folder)
        # Looked at before it is opened, so that no device is; and again after, for the name may have
        # been given to something else meanwhile.
        check_regular(self._disk.status_of(folder, name.last), name, refusal=RefusedError)
        return open_source(
            self._disk,
            lambda: self._disk.open_file(folder, name.last),
            name,
            on_close=self._quota.return_open_file,
        )

    def read_small(self, name: Name) -> WholeFile:
        """A small file, whole; refuses one that is larger than those may be."""
        source = self.open_source(name)
        try:
            if source.size > SMALL_FILE_MAX_BYTES:
                message = f"{escape(str(name))} is not small"
                raise RefusedError(message, code=Code.FILE_TOO_LARGE, remedy="get it by itself")
            data = bytes(source.read_blocking(0, source.size))
            digest = sha256(data).digest()
            source.check_unchanged(sent_bytes=len(data), digest=digest)
            return WholeFile(data, source.mtime_ns, source.mode, digest)
        finally:
            source.close()

    def entries(self, pattern: Pattern, *, recursive: bool) -> Generator[Entry, None, None]:
        """What matches, found as it is asked for; with `recursive`, also all that is below a match.

        Folders without permission are passed over; where others cannot be read, that is raised at the end. Close it when no more is wanted: a folder is open meanwhile.
        """
        walk = Walk(self._disk, self._folders, pattern, recursive=recursive)
        try:
            for entry in walk.entries():
                if entry is not None:
                    yield entry
        except OSError as error:
            raise failure(error, "the list") from error
        if walk.shortfall is not None and walk.shortfall.code is not Code.PERMISSION:
            raise walk.shortfall

    def listing(self, pattern: bytes, *, recursive: bool) -> Listing:
        """The same for a peer: not checked yet, and found a round at a time."""
        return Listing(self._disk, self._folders, self._quota, pattern, recursive=recursive)

    def stat(self, name: Name) -> Entry:
        """One file or folder."""
        try:
            with self._folders.open() as opened:
                status = self._disk.status_of(opened.get(name.folder), name.last)
        except OSError as error:
            raise failure(error, name) from error
        entry = entry_of(name.parts, status)
        if entry is None:
            check_regular(status, name, refusal=RefusedError)
            raise AssertionError("what is a file or a folder has an entry")
        return entry

    def digest(self, name: Name) -> bytes:
        """The SHA-256 of a file, remembered as long as the file is the same."""
        digesting = self.digesting(name)
        while (digest := digesting.read()) is None:
            pass
        return digest

    def digesting(self, name: Name) -> Digesting:
        """The same a round at a time."""
        return Digesting(self._digests, lambda: self.open_source(name))

    # --- Order ---------------------------------------------------------------------------------------

    def remove(self, name: Name) -> None:
        """Remove one file, for good when this returns. Folders stay, even when they are empty."""
        try:
            with self._folders.open() as opened:
                folder = opened.get(name.folder)
                with self._quota.changing:
                    status = self._disk.status_of(folder, name.last)
                    check_regular(status, name, refusal=RefusedError)
                    self._disk.remove_file(folder, name.last)
                    self._quota.count_change(str(name), was=status.st_size, size=None)
                self._disk.sync(folder)
        except OSError as error:
            raise failure(error, name) from error

    def sweep(self, *, before_ns: int) -> Swept:
        """Remove what interrupted transfers have left: of no use, or last changed before that time.

        The time is the calendar's, in nanoseconds since 1970.
        """
        if self._intake is None:
            return Swept(0, 0)
        try:
            swept = Sweep(self._disk, self._intake.shelf, before_ns=before_ns).run()
        except OSError as error:
            raise failure(error, "the stagings") from error
        self._quota.count_swept(swept.bytes)
        self._intake.shelf.note_kept()
        return swept

    def count(self) -> None:
        """Count what is stored, for the limits that ask for it; at the start, and when limits change.

        Transfers may go on meanwhile, but no `sweep`.
        """
        if not self._quota.needs_count:
            return
        with self._quota.census() as meet:
            for entry in self.entries(EVERYTHING, recursive=True):
                meet(entry.name, entry.size, 1 if entry.name else 0)
            if self._intake is not None:
                for staging, stored_bytes in self._intake.shelf.stored():
                    meet(staging, stored_bytes, 0)

    @property
    def limits(self) -> StoreLimits:
        """The limits in force."""
        return self._quota.limits

    @limits.setter
    def limits(self, limits: StoreLimits) -> None:
        """Others from now on; `count` again after it."""
        self._quota.change_limits(limits)

    @property
    def quota(self) -> Quota:
        """The counts."""
        return self._quota

    def close(self) -> None:
        """Let go of the root; stagings and sources are their owners' to end before."""
        if self._intake is not None and self._intake.shelf.folder != self._folders.root:
            self._disk.close(self._intake.shelf.folder)
        self._disk.close(self._folders.root)
