"""The secret that a server keeps over restarts, so that its clients know it again.

Owns one file: 32 bytes that only their owner may read, written whole or not at all. Never makes
randomness: a fresh secret is handed in, and used only where there is none.
"""

import errno
import os
import stat
from contextlib import suppress
from os import PathLike, fspath
from typing import Final

from mayhem_udp.errors import LocalFileError
from mayhem_udp.escape import escape
from mayhem_udp.store.disk import Disk, RealDisk
from mayhem_udp.store.failures import failure
from mayhem_udp.store.folders import open_or_make_root

SECRET_BYTES: Final = 32
FILE_NAME: Final = b"secret"
_FRESH_NAME: Final = b"secret.new"
_FOR_OTHERS: Final = 0o077


def load_or_create_secret(folder: str | PathLike[str], *, fresh: bytes, disk: Disk | None = None) -> bytes:
    """The secret kept in `folder` (made if need be), or `fresh` after it was kept there.

    One that is damaged, or that others could have read, is replaced. Raises `LocalFileError`.
    """
    assert len(fresh) == SECRET_BYTES, "a secret has 32 bytes"
    disk = disk or RealDisk()
    path = fspath(folder)
    try:
        opened = open_or_make_root(disk, path)
        try:
            known = _load(disk, opened)
            if known is None:
                _keep(disk, opened, fresh)
            return known or fresh
        finally:
            disk.close(opened)
    except OSError as error:
        reason = (error.strerror or "it does not work").lower()
        raise LocalFileError(
            f"cannot keep the server's secret in {escape(path)}: {reason}",
            code=failure(error, path).code,
            remedy="set server.state_dir to a folder of the daemon's own",
        ) from error


def _load(disk: Disk, folder: int) -> bytes | None:
    try:
        if not stat.S_ISREG(disk.status_of(folder, FILE_NAME).st_mode):
            return None
        file = disk.open_file(folder, FILE_NAME)
    except FileNotFoundError:
        return None
    try:
        status = disk.status(file)
        secret = disk.read(file, SECRET_BYTES + 1, 0)
    finally:
        disk.close(file)
    is_private = not stat.S_IMODE(status.st_mode) & _FOR_OTHERS
    return secret if is_private and len(secret) == SECRET_BYTES else None


def _keep(disk: Disk, folder: int, secret: bytes) -> None:
    with suppress(FileNotFoundError):
        disk.remove_file(folder, _FRESH_NAME)
    file = disk.create_file(folder, _FRESH_NAME)
    try:
        if disk.write(file, secret, 0) != len(secret):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        disk.sync(file)
    finally:
        disk.close(file)
    disk.rename(folder, _FRESH_NAME, folder, FILE_NAME)
    disk.sync(folder)
