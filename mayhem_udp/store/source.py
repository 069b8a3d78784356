"""Reading what is sent: a file, bytes, or a stream.

Owns the promise that a file is sent as it was opened or not at all: one that shrinks or changes
meanwhile is an error. `read` never waits for a device, `read_blocking` may and belongs into a worker.
Only ordinary files are opened, never a device, a pipe or a socket.
"""

import os
import stat
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import BinaryIO, Final, Protocol

import numpy as np

from mayhem_udp.errors import Code, LocalFileError, MayhemError, RefusedError, TransferError
from mayhem_udp.escape import escape
from mayhem_udp.limits import BLOCK_BYTES
from mayhem_udp.store.disk import Disk, RealDisk, Status
from mayhem_udp.store.failures import failure

Block = bytes | memoryview

FINGERPRINT_BYTES: Final = 16
NO_FINGERPRINT: Final = bytes(FINGERPRINT_BYTES)
"""Of what cannot be read a second time: never resumed."""
MODE_DEFAULT: Final = 0o644
"""Permissions of what has none of its own."""
PERMISSIONS: Final = 0o777
MTIME_MAX_NS: Final = (1 << 63) - 1
"""In the year 2262; a file system may know later times, a message cannot tell them."""


def told_mtime_ns(status: Status) -> int:
    """When it was last changed, as far as that can be told to a peer."""
    return max(min(status.st_mtime_ns, MTIME_MAX_NS), -MTIME_MAX_NS - 1)


class Source(Protocol):
    """Something to send."""

    @property
    def size(self) -> int | None:
        """In bytes; None while it is not known."""

    @property
    def mtime_ns(self) -> int:
        """When it was last changed, in nanoseconds since 1970."""

    @property
    def mode(self) -> int:
        """Its permissions."""

    @property
    def fingerprint(self) -> bytes:
        """The same as long as the contents are; `NO_FINGERPRINT` where nobody can tell."""

    def read(self, offset: int, size: int) -> Block | None:
        """At most `size` bytes, and at least one before the end; None where it would wait."""

    def read_blocking(self, offset: int, size: int) -> Block:
        """At most `size` bytes, however long it takes; empty at the end of a stream."""

    def looks_unchanged(self, *, sent_bytes: int) -> bool:
        """Whether it is what it was when it was opened; raises `TransferError` where it surely is not.

        False: only reading it again tells. That is `check_unchanged`.
        """

    def check_unchanged(self, *, sent_bytes: int, digest: bytes) -> None:
        """Raise `TransferError` unless what was sent, with this SHA-256, is the source. May take long."""

    def close(self) -> None:
        """Let go of it; a second time does nothing."""


def feed(source: Source, take: Callable[[Block], object], start: int, stop: int) -> None:
    """Give `[start, stop)` of a source, which has as much, to `take`, block by block. May take long."""
    while start < stop:
        block = source.read_blocking(start, min(BLOCK_BYTES - start % BLOCK_BYTES, stop - start))
        take(block)
        start += len(block)


class FileSource:
    """A file that is open. Reads of one at a time; `read_blocking` may run in another thread."""

    def __init__(
        self,
        disk: Disk,
        file: int,
        about: object,
        *,
        status: Status,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._disk = disk
        self._file = file
        self._about = about
        self._on_close = on_close
        self._is_open = True
        self._status = status
        self._never_waits = disk.is_in_memory(self._status)
        self.size = self._status.st_size
        self.mtime_ns = told_mtime_ns(self._status)
        self._settled_ns = self._status.st_ctime_ns
        """The inode's last change that is known to be harmless."""
        self.mode = stat.S_IMODE(self._status.st_mode) & PERMISSIONS
        self.fingerprint = fingerprint_of(self._status)

    @property
    def status(self) -> Status:
        """What the file was when it was opened."""
        return self._status

    def read(self, offset: int, size: int) -> Block | None:
        """What is in memory of `[offset, offset + size)`, from its start; None if nothing is."""
        if self._never_waits:
            return self.read_blocking(offset, size)
        size = min(size, self.size - offset)
        buffer = np.empty(size, np.uint8).data  # unlike bytearray, not filled with zeros first
        try:
            count = self._disk.read_cached(self._file, buffer, offset)
        except OSError as error:
            raise failure(error, self._about) from error
        if count == 0 and size > 0:
            raise self._changed("has become shorter")
        return None if count is None else buffer[:count]

    def read_blocking(self, offset: int, size: int) -> Block:
        """`[offset, offset + size)`, as far as the file goes."""
        try:
            block = self._disk.read(self._file, min(size, self.size - offset), offset)
        except OSError as error:
            raise failure(error, self._about) from error
        if not block and offset < self.size and size > 0:
            raise self._changed("has become shorter")
        return block

    def looks_unchanged(self, *, sent_bytes: int) -> bool:
        """Raise unless size and time of the last change are those of the opening; False in doubt.

        Anybody can set that time back, and nobody the inode's. But a new name, a link or new permissions
        move the inode's too, so it only tells that there is something to find out.
        """
        now = self._status_now()
        if now.st_size != self.size or sent_bytes != self.size:
            raise self._changed("has another size than before")
        if now.st_mtime_ns != self._status.st_mtime_ns:
            raise self._changed("was changed")
        return now.st_ctime_ns == self._settled_ns

    def check_unchanged(self, *, sent_bytes: int, digest: bytes) -> None:
        """Raise where it was changed; in doubt, read it again and compare."""
        if self.looks_unchanged(sent_bytes=sent_bytes):
            return
        self._settled_ns = self._status_now().st_ctime_ns
        if self.digest() != digest or not self.looks_unchanged(sent_bytes=sent_bytes):
            raise self._changed("was changed")

    def digest(self) -> bytes:
        """The SHA-256 of all of it as it is now. May take long."""
        hashed = sha256()
        feed(self, hashed.update, 0, self.size)
        return hashed.digest()

    def _status_now(self) -> Status:
        try:
            return self._disk.status(self._file)
        except OSError as error:
            raise failure(error, self._about) from error

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._is_open:
            self._is_open = False
            self._disk.close(self._file)
            self._on_close()

    def _changed(self, what: str) -> TransferError:
        return TransferError(
            f"{escape(str(self._about))} {what} while it was being sent",
            code=Code.SOURCE_CHANGED,
            remedy="send it again when nobody writes to it",
        )


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: Block, *, mtime_ns: int = 0, mode: int = MODE_DEFAULT) -> None:
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)
        self.mtime_ns = mtime_ns
        self.mode = mode & PERMISSIONS
        self.fingerprint = blake2b(self._data, digest_size=FINGERPRINT_BYTES).digest()

    def read(self, offset: int, size: int) -> Block:
        """A piece of them."""
        return self._data[offset : offset + size]

    read_blocking = read

    def looks_unchanged(self, *, sent_bytes: int) -> bool:
        """Memory does not change by itself."""
        assert sent_bytes == self.size, "all of it is sent"
        return True

    def check_unchanged(self, *, sent_bytes: int, digest: bytes) -> None:
        """The same."""
        assert digest, "it was hashed"
        self.looks_unchanged(sent_bytes=sent_bytes)

    def close(self) -> None:
        """There is nothing to let go of."""


class StreamSource:
    """A stream that is read once, to its end: standard input, a pipe, any binary file object.

    Its size is known at the end only, and it cannot be resumed.
    """

    size: int | None = None
    fingerprint = NO_FINGERPRINT

    def __init__(self, stream: BinaryIO, *, mtime_ns: int = 0, mode: int = MODE_DEFAULT) -> None:
        self._stream = stream
        self._position = 0
        self.mtime_ns = mtime_ns
        self.mode = mode & PERMISSIONS

    def read(self, _offset: int, _size: int) -> Block | None:
        """Nobody knows whether a stream would wait: always None."""
        return None

    def read_blocking(self, offset: int, size: int) -> Block:
        """The next bytes; empty at the end. What has been read is gone."""
        if offset != self._position:
            raise TransferError(
                "the file was damaged on its way, and a stream cannot be read twice to repair it",
                code=Code.NOT_RESUMABLE,
                remedy="send it again, or from a file",
            )
        try:
            block = self._next(size)
        except BlockingIOError:
            block = None
        except ValueError as error:  # closed, or not open for reading
            raise LocalFileError(
                f"the stream cannot be read: {error}", remedy="give one that is open for reading"
            ) from error
        except OSError as error:
            raise failure(error, "standard input", refusal=LocalFileError) from error
        if block is None:
            raise LocalFileError(
                "the stream has no bytes yet, and does not wait for them",
                remedy="use one that blocks: os.set_blocking(stream.fileno(), True)",
            )
        if not isinstance(block, bytes | bytearray | memoryview):
            raise LocalFileError(
                f"the stream gives {type(block).__name__}, not bytes", remedy="open it in binary mode"
            )
        self._position += len(block)
        return bytes(block)

    def _next(self, size: int) -> object:
        """What the stream gives; None where it would have to wait.

        `read1` of a buffer says the end, too, where it would have to wait, so that end is asked for twice;
        not at a terminal, where that would take a second Ctrl-D.
        """
        read_some = getattr(self._stream, "read1", None)
        if read_some is None:
            return self._stream.read(size)
        block: object = read_some(size)
        if isinstance(block, bytes) and not block and not _blocks(self._stream):
            return self._stream.read(1)
        return block

    def looks_unchanged(self, *, sent_bytes: int) -> bool:
        """A stream is what came out of it."""
        assert sent_bytes == self._position, "all of it is sent"
        return True

    def check_unchanged(self, *, sent_bytes: int, digest: bytes) -> None:
        """The same."""
        assert digest, "it was hashed"
        self.looks_unchanged(sent_bytes=sent_bytes)

    def close(self) -> None:
        """The stream is its owner's to close."""


def _blocks(stream: BinaryIO) -> bool:
    """Whether a stream surely waits for its bytes."""
    try:
        return os.get_blocking(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False


def fingerprint_of(status: Status) -> bytes:
    """What tells one version of a file from another: device, inode, size and time of the last change.

    Not the time of the last change of the inode: a link or a new name does not make another file.
    """
    text = f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"
    return blake2b(text.encode(), digest_size=FINGERPRINT_BYTES).digest()


def open_local(path: str | os.PathLike[str], *, disk: Disk | None = None) -> FileSource:
    """A file of the user's own, by its path; links are followed. Raises `LocalFileError`."""
    disk = disk or RealDisk()
    shown = os.fspath(path)
    closed = "folders that it is in"  # where there is no permission even to look at it
    try:
        check_regular(disk.status_of_path(shown), shown, refusal=LocalFileError)
        closed = "file"
        return open_source(disk, lambda: disk.open_path(shown), shown, refusal=LocalFileError)
    except OSError as error:
        raise local_failure(error, shown, closed=closed) from error


def open_source(
    disk: Disk,
    opener: Callable[[], int],
    about: object,
    *,
    on_close: Callable[[], None] = lambda: None,
    refusal: type[MayhemError] = RefusedError,
) -> FileSource:
    """The source for what `opener` opens, if that is an ordinary file; may raise `OSError` too."""
    file = opener()
    try:
        status = disk.status(file)
        check_regular(status, about, refusal=refusal)
        return FileSource(disk, file, about, status=status, on_close=on_close)
    except BaseException:
        disk.close(file)
        raise


def check_regular(status: Status, about: object, *, refusal: type[MayhemError]) -> None:
    """Raise `refusal` for anything but an ordinary file."""
    if stat.S_ISREG(status.st_mode):
        return
    shown = escape(str(about))
    if stat.S_ISDIR(status.st_mode):
        raise refusal(f"{shown} is a folder", code=Code.IS_DIRECTORY, remedy="name a file")
    raise refusal(
        f"{shown} is not an ordinary file", code=Code.NOT_REGULAR, remedy="a pipe goes through standard input"
    )


def local_failure(error: OSError, path: str, *, closed: str = "file") -> LocalFileError:
    """The error for a path of the user's own, where what the system said is the clearest there is.

    `closed` is what may well be closed to the user, where permission is what he lacks.
    """
    known = failure(error, path, refusal=LocalFileError)
    remedy = "check the path" if known.code in {Code.NOT_FOUND, Code.NOT_REGULAR} else known.remedy
    if known.code is Code.PERMISSION:
        remedy = f"check owner and mode of the {closed}"
    what = (error.strerror or "it cannot be read").lower()
    return LocalFileError(f"cannot read {escape(path)}: {what}", code=known.code, remedy=remedy)
