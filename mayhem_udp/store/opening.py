"""Opening a store: the root, and where its stagings lie.

Owns the checks that a root has to pass before anything is promised, and their sentences.
"""

from collections.abc import Callable
from enum import Enum
from os import PathLike, fspath
from typing import Final

from mayhem_udp.errors import Code, LocalFileError
from mayhem_udp.escape import escape
from mayhem_udp.store.commit import Committer
from mayhem_udp.store.digests import DigestCache
from mayhem_udp.store.disk import Disk, RealDisk
from mayhem_udp.store.failures import Explain, failure
from mayhem_udp.store.folders import Folders, open_or_make_root
from mayhem_udp.store.intake import Intake
from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.store.names import RESERVED
from mayhem_udp.store.quota import Quota, StoreLimits
from mayhem_udp.store.shelf import Shelf
from mayhem_udp.store.store import Store

HIDDEN_FOLDER: Final = RESERVED
"""The store's own folder in a root: stagings, and the daemon's keys where it has no other place."""
STAGING_FOLDER: Final = "staging"


class Placement(Enum):
    """Where stagings lie."""

    HIDDEN_FOLDER = "in the hidden folder of the root: for a daemon"
    BESIDE = "in the root, under hidden names that go away: for a folder that is downloaded into"
    NOWHERE = "nothing is taken in"


def open_store(
    root: str | PathLike[str],
    *,
    placement: Placement,
    limits: StoreLimits | None = None,
    disk: Disk | None = None,
    clock_ns: Callable[[], int] = lambda: 0,
    policy: JournalPolicy | None = None,
    explain: Explain = failure,
) -> Store:
    """The store under `root`, which is made if need be (unless nothing is taken in).

    `clock_ns` tells how long writes take; without one no disk is slow. `explain` has the words for what the
    disk says of files that come in. Raises `LocalFileError`. Where
    limits ask for a count, `Store.count` is still to be called.
    """
    disk = disk or RealDisk()
    path = fspath(root)
    opened: list[int] = []
    try:
        is_only_read = placement is Placement.NOWHERE
        opened.append(disk.open_root(path) if is_only_read else open_or_make_root(disk, path))
        shelf = _open_shelf(disk, opened, placement)
    except OSError as error:
        for folder in opened:
            disk.close(folder)
        raise _unusable(path, error, placement) from error
    folder = opened[0]
    quota = Quota(limits or StoreLimits(), free_bytes=lambda: disk.free_bytes(folder))
    digests = DigestCache()
    folders = Folders(disk, folder)
    intake: Intake | None = None
    if shelf is not None:
        committer = Committer(disk, folders, quota)
        intake = Intake(
            disk,
            shelf,
            committer,
            quota,
            digests=digests,
            clock_ns=clock_ns,
            policy=policy or JournalPolicy(),
            explain=explain,
        )
    return Store(disk, folders, intake, quota=quota, digests=digests)


def _open_shelf(disk: Disk, opened: list[int], placement: Placement) -> Shelf | None:
    root = opened[0]
    if placement is Placement.NOWHERE:
        return None
    if placement is Placement.BESIDE:
        return Shelf(disk, root)
    folder = root
    folders = Folders(disk, root)
    for part in (HIDDEN_FOLDER, STAGING_FOLDER):
        above, folder = folder, folders.open_or_make(folder, part.encode())
        opened.append(folder)
        disk.sync(above)  # what a checkpoint saves must be found again
    disk.close(opened.pop(1))
    shelf = Shelf(disk, folder)
    file, file_name = shelf.create_small()  # better now than with the first upload
    disk.close(file)
    disk.remove_file(folder, file_name)
    return shelf


def _unusable(path: str, error: OSError, placement: Placement) -> LocalFileError:
    shown = escape(path)
    known = failure(error, path, refusal=LocalFileError)
    reason = (error.strerror or "it does not work").lower()
    remedy = "check owner and mode of the folder" if known.code is Code.PERMISSION else known.remedy
    if isinstance(error, FileNotFoundError):
        return LocalFileError(
            f"there is no folder {shown}", code=known.code, remedy="make it, or name another"
        )
    if placement is Placement.BESIDE:
        return LocalFileError(f"cannot write to {shown} here: {reason}", code=known.code, remedy=remedy)
    if isinstance(error, NotADirectoryError | FileExistsError):
        return LocalFileError(
            f"{shown} is not a folder", code=known.code, remedy="name another as store.root"
        )
    remedy = f"{remedy}, name another as store.root, or serve it with access.write off"
    return LocalFileError(f"cannot store files in {shown}: {reason}", code=known.code, remedy=remedy)
