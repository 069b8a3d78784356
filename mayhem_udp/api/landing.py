"""Where downloads land: the folder, the name in it, and what stands there already.

Owns the checks of a place on this side, and the sentences for obstacles there: each names the path as the
caller gave it and says that it is here, for the server is not to blame. Never talks to a server.
"""

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mayhem_udp.config import Settings
from mayhem_udp.endpoint.clock import monotonic_ns, unix_s
from mayhem_udp.errors import Code, IntegrityError, LocalFileError, MayhemError, RefusedError
from mayhem_udp.escape import escape
from mayhem_udp.limits import NAME_COMPONENT_MAX_BYTES
from mayhem_udp.spelling import as_name
from mayhem_udp.store.disk import RealDisk
from mayhem_udp.store.failures import failure
from mayhem_udp.store.names import Name, encode_name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.quota import StoreLimits
from mayhem_udp.store.store import Store
from mayhem_udp.units import SECOND

_OPEN_FILES: Final = "/proc/"
"""Where links lead that stand for what a process has open."""
_OBSTACLES: Final = {
    Code.IS_DIRECTORY: ("there is a folder of that name", "name another place, or move the folder away"),
    Code.NOT_REGULAR: (
        "it is a device, a pipe or the like",
        "use - for standard output: mayhem get URL - > {}",
    ),
    Code.NOT_FOUND: ("there is no such folder, and none can be made", "name another place"),
    Code.PERMISSION: ("permission denied", "check owner and mode of its folder, or name another place"),
    Code.NO_SPACE: ("there is no space left", "make room, then try again"),
    Code.QUOTA: ("the disk quota is used up", "make room or raise the quota, then try again"),
    Code.READ_ONLY: ("the file system is read-only", "name another place"),
    Code.NAME_TOO_LONG: ("the name is too long", "name a shorter one"),
    Code.TOO_MANY_OPEN_FILES: ("too many files are open", "close some programs, then try again"),
    Code.IO_ERROR: ("the disk fails", "check the disk"),
}


def obstacle(code: Code, path: Path) -> LocalFileError:
    """The error for what is in the way of a download at a path of the caller's."""
    what, remedy = _OBSTACLES.get(code, (f"it fails ({code.name})", "name another place"))
    message = f"cannot write {escape(str(path))} here: {what}"
    return LocalFileError(message, code=code, remedy=remedy.format(escape(shlex.quote(str(path)))))


@contextmanager
def landing_at(path: Path) -> Iterator[None]:
    """Around what prepares the landing of a file: whatever is in its way is an obstacle on this side."""
    try:
        yield
    except (LocalFileError, IntegrityError):
        raise
    except MayhemError as error:
        message = f"cannot write {escape(str(path))} here: {error.message}"
        raise LocalFileError(message, code=error.code, remedy=error.remedy) from error


def check_landing(path: Path) -> None:
    """Raise `LocalFileError` where a device, a pipe or a socket is at a path, or at the end of a link there.

    A link to a file is another matter: the file that comes takes its place. Not of /dev/stdout and its like:
    they lead to what a process has open, which may be a file just now.
    """
    try:
        is_open_file = path.is_symlink() and os.readlink(path).startswith(_OPEN_FILES)
        status = RealDisk.status_of_path(os.fspath(path))
    except (OSError, ValueError):  # nothing is there, or nothing to be seen: the store says what is wrong
        return
    if is_open_file or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise obstacle(Code.NOT_REGULAR, path)


def landing_name(path: Path) -> Name:
    """The last part of a path of the caller's own, as a name in its folder. Raises `LocalFileError`."""
    last = as_name(path.name)
    try:
        fits = last not in {"", ".."} and len(encode_name(last)) <= NAME_COMPONENT_MAX_BYTES
    except RefusedError:
        fits = False
    if not fits:
        raise LocalFileError(
            f"{escape(str(path))} cannot be a file here",
            code=Code.NAME_REFUSED,
            remedy=f"name a file to write to, in UTF-8 and at most {NAME_COMPONENT_MAX_BYTES} bytes",
        )
    return Name((last,))


def landing_store(folder: Path, settings: Settings) -> Store:
    """The folder that a download lands in, made if need be. Raises `LocalFileError`, then and later.

    What earlier downloads have left in it, and nobody went on with for long, is removed.
    """

    def explain(error: OSError, about: object) -> LocalFileError:
        return obstacle(failure(error, about).code, folder / str(about))

    # What fits is fetched: `store.free_space_min` is what a server leaves to others.
    limits = StoreLimits(file_size_max_bytes=settings.limits.file_size_max_bytes, free_space_min_bytes=0)
    store = open_store(
        folder, placement=Placement.BESIDE, limits=limits, clock_ns=monotonic_ns, explain=explain
    )
    with suppress(MayhemError):  # it can wait
        store.sweep(before_ns=unix_s() * SECOND - settings.store.staging_age_max_ns)
    return store
