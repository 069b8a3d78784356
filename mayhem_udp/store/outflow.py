"""A download that goes into a stream: standard output, or any binary file object.

Stands in for a `Staging`: bytes are put in order, in memory, and written on as the edge moves; what waits
is bounded by the credit that the sender has, which is given back as bytes leave. There is no going back in a stream: it cannot be resumed and
not be repaired, and what was written of a transfer that fails was written.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import BinaryIO

from mayhem_udp.errors import Code, IntegrityError, LocalFileError
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.store.disk import Buffer
from mayhem_udp.store.source import NO_FINGERPRINT


class Outflow:
    """Bytes on their way into a stream, which a worker writes to, since it may make us wait."""

    name = "the stream"
    fingerprint = NO_FINGERPRINT
    needs_recovery = False
    checkpoint_is_due = False
    hash_is_behind = False
    is_slow = True
    """Always: whoever reads the stream may take his time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead: dict[int, bytes] = {}
        self._here = RangeSet()
        self._edge = 0
        self._sha = sha256()
        self._jobs = 0
        self._jobs_done = 0
        self.received_bytes = 0

    @property
    def have(self) -> RangeSet:
        """Nothing that could be counted on another time."""
        return RangeSet()

    def write(self, offset: int, data: Buffer) -> int:
        """Take bytes, and write on what is in order; passes over what was taken before. Says how many came."""
        stop = offset + len(data)
        view = memoryview(data)
        for start, end in list(self._here.holes(max(offset, self._edge), stop)):
            self._ahead[start] = bytes(view[start - offset : end - offset])
            self._here.add(start, end)
        while (block := self._ahead.pop(self._edge, None)) is not None:
            self._pour(block)
            self._sha.update(block)
            self._edge += len(block)
            self.received_bytes = self._edge
        self._here.drop_below(self._edge)
        return len(data)

    def _pour(self, block: bytes) -> None:
        """All of it goes into the stream: one without a buffer may take less at a time than it is given."""
        left: bytes | memoryview = block
        while left:
            try:
                taken = self._stream.write(left)
            except (OSError, ValueError, TypeError) as error:
                raise _cannot_write(error) from error
            if not isinstance(taken, int) or not 0 < taken <= len(left):  # None where it would have to wait
                raise LocalFileError(
                    f"the stream took none of {len(left)} bytes, or does not say how many (it said {taken!r})",
                    remedy="use a binary stream that blocks, and whose write() returns how many bytes it took",
                )
            left = memoryview(left)[taken:]

    def deferred(self, pieces: Sequence[tuple[int, Buffer]]) -> Callable[[], int]:
        """The same for many as a job for a worker; the jobs run in the order in which they were made.

        Each gives how many bytes have left with it: what came before its turn still waits in memory.
        """
        self._jobs += 1

        def job() -> int:
            before = self._edge
            try:
                for offset, data in pieces:
                    self.write(offset, data)
                return self._edge - before
            finally:
                self._jobs_done += 1

        return job

    def is_complete(self, size: int) -> bool:
        """Whether all bytes are in the stream."""
        return self._jobs == self._jobs_done and self._edge >= size

    def finish(self, digest: bytes, size: int) -> None:
        """Check the SHA-256 of all that went into the stream. Raises `IntegrityError`."""
        assert self._edge == size, "it is complete"
        if self._sha.digest() != digest:
            raise _spoilt()
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise _cannot_write(error) from error

    def checkpoint(self) -> None:
        """There is nothing to keep."""

    def hash_pump(self, budget_bytes: int) -> bool:
        """The hash is never behind."""
        assert budget_bytes > 0, "a budget lets something be done"
        return False

    def block_digests(self) -> list[bytes]:
        """What is in the stream cannot be looked at again."""
        raise _spoilt()

    def rewrite(self, offset: int, data: Buffer) -> None:
        """What is in the stream cannot be changed."""
        raise _spoilt()

    def set_aside(self) -> str:
        """There is no file to set aside."""
        return ""

    def keep(self) -> None:
        """There is nothing to keep."""

    def discard(self) -> None:
        """There is nothing to let go of: the stream is its owner's."""


def _spoilt() -> IntegrityError:
    return IntegrityError(
        "what went into the stream is damaged, and a stream cannot be repaired",
        remedy="do not use it; get the file by its name instead",
    )


def _cannot_write(error: OSError | ValueError | TypeError) -> LocalFileError:
    if isinstance(error, BrokenPipeError):
        return LocalFileError("whoever read the stream has gone away", code=Code.CANCELLED)
    if isinstance(error, TypeError):
        return LocalFileError(f"the stream takes no bytes: {error}", remedy="open it in binary mode")
    why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
    return LocalFileError(f"the stream cannot be written to: {why}", remedy="check where it goes")
