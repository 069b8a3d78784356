"""The standard streams as the command finds them: some are closed, some cannot be written.

Owns what stands in for a closed one, and the error for output that cannot be written: neither is an error of
the transfer, which goes well or badly by itself. Never writes anything of its own.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NoReturn, TextIO, cast

from mayhem_udp.errors import LocalFileError


class ClosedInput(io.TextIOBase):
    """Standard input that was closed before we began."""

    @property
    def buffer(self) -> BinaryIO:
        """Nothing. Raises `LocalFileError`."""
        self._refuse()

    def read(self, size: int | None = -1, /) -> str:
        """Nothing. Raises `LocalFileError`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise LocalFileError(
            "standard input is closed, there is nothing to read",
            remedy="give it something, as in `... < FILE`",
        )


class ClosedOutput(io.TextIOBase):
    """Standard output that was closed before we began: what was asked for cannot be told, the rest need not be."""

    @property
    def buffer(self) -> BinaryIO:
        """Nothing. Raises `LocalFileError`."""
        self._refuse()

    def write(self, text: str, /) -> int:
        """Nothing. Raises `LocalFileError`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise LocalFileError(
            "standard output is closed, and what was asked for goes there",
            remedy="leave it open, or send it to a file with `> FILE`",
        )


class _CheckedOutput(io.TextIOWrapper):
    """Standard output whose errors say that they are its own, and no transfer's."""

    def write(self, text: str, /) -> int:
        with writing_output():
            return super().write(text)

    def flush(self) -> None:
        with writing_output():
            super().flush()


@contextmanager
def writing_output() -> Iterator[None]:
    """Around a write to standard output: says that it failed there. A reader that has gone is no failure."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        from mayhem_udp.cli.failures import reason_of

        raise LocalFileError(
            f"the output could not be written: {reason_of(error)}",
            remedy="send it elsewhere, then give the same command again",
        ) from None


def flush_or_abandon(stream: TextIO) -> None:
    """Write out what waits, or give the stream up: what is gone must not make Python complain at its exit."""
    try:
        stream.flush()
    except Exception:  # noqa: BLE001  # whatever it is, there is nobody to tell
        with suppress(OSError, ValueError), open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())


def take_standard_streams() -> None:
    """Put something in the place of streams that are closed, and make output tell what is wrong with it.

    A number that is free would be given to the next socket or file, which a message would then be written to.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = cast("TextIO", ClosedInput())
    if sys.stdout is None:
        sys.stdout = cast("TextIO", ClosedOutput())
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _checked(sys.stdout)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), errors="backslashreplace")
    elif isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def _checked(stream: io.TextIOWrapper) -> _CheckedOutput:
    """The same; a terminal that cannot show a name shows its code."""
    encoding, by_line, at_once = stream.encoding, stream.line_buffering, stream.write_through
    return _CheckedOutput(
        stream.detach(),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line,
        write_through=at_once,
    )
