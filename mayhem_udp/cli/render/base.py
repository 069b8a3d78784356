"""What every way of speaking has in common.

Owns the two streams (results; notes and failures), and the exit code that failures add up to.
Never decides which way it is: `render` does.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from types import TracebackType
from typing import Final, Self, TextIO

from mayhem_udp.cli.failures import FAILED, failure_of
from mayhem_udp.cli.render.tally import Tally
from mayhem_udp.cli.streams import ClosedOutput, flush_or_abandon
from mayhem_udp.errors import LocalFileError, MayhemError
from mayhem_udp.results import Outcome, Phase, Progress, TransferFailure, TransferResult

_BEFORE: Final = (Phase.CONNECTING, Phase.DONE)
"""What is told of a transfer that never begins, too."""
_ALL_THE_SAME: Final = "send it elsewhere; what is asked for is done all the same"


class Form(Enum):
    """Who reads the results."""

    PEOPLE = "people"
    JSON = "json"


class Output(ABC):
    """Where a verb tells what happens; used with `with`, and from one thread."""

    def __init__(self, results: TextIO, notes: TextIO) -> None:
        self._results = results
        self._notes = notes
        self._is_heard = not isinstance(results, ClosedOutput)
        """Whether results go anywhere: where nobody wants them, what went well is not told."""
        self._is_cut_off = False
        """Whether results went somewhere at first, and do no longer."""
        self._exit_code = 0
        self.has_begun = False
        """Whether a server has been reached, and a transfer was under way."""
        self._tally: Tally | None = None

    @property
    def exit_code(self) -> int:
        """That of the first failure; what could not be told is one, where nothing else is."""
        return self._exit_code or (FAILED if self._is_cut_off else 0)

    def expect(self, tally: Tally) -> None:
        """Many files are coming, which are told of as one piece of work, too."""
        self._tally = tally

    def progress(self, progress: Progress) -> None:
        """How far a transfer is (the callback that the library calls)."""
        self.has_begun = self.has_begun or progress.state not in _BEFORE
        if self._tally is not None:
            self._tally.follow(progress)
        self._show(progress)

    def _show(self, progress: Progress) -> None:
        """Show how far a transfer is."""

    def transferred(self, result: TransferResult) -> None:
        """One file has arrived."""
        if self._tally is not None:
            self._tally.arrived(result)
        if self._is_heard:
            with self._going_on():
                self._tell_transferred(result)

    @abstractmethod
    def _tell_transferred(self, result: TransferResult) -> None:
        """Say that one file has arrived."""

    @abstractmethod
    def tell(self, value: Mapping[str, object], text: str) -> None:
        """A result of another kind: as a value, and as a text that is safe to show."""

    def confirm(self, value: Mapping[str, object], text: str) -> None:
        """Like `tell`, for what the user knows already if it went well."""
        if self._tally is not None:
            self._tally.done()
        if self._is_heard:
            with self._going_on():
                self.tell(value, text)

    def note(self, text: str) -> None:
        """Something worth knowing that is no result; safe to show."""

    def failed(self, error: MayhemError | OSError, *, about: str = "") -> None:
        """One file among several did not arrive; the others go on. `about` is its name."""
        failure = failure_of(error, about=about)
        self._exit_code = self._exit_code or failure.exit_code
        for line in failure.lines:
            self._write(self._notes, line)

    def outcome(self, outcome: Outcome) -> None:
        """One file has arrived or failed."""
        if isinstance(outcome, TransferFailure):
            if self._tally is not None:
                self._tally.missed()
            self.failed(outcome.error, about=outcome.name)
        else:
            self.transferred(outcome)

    def close(self) -> None:
        """Nothing more will come."""

    def _tell_sum(self, tally: Tally) -> None:
        """Say what many files came to."""

    def _write(self, stream: TextIO, line: str) -> None:
        try:
            stream.write(line + "\n")
            stream.flush()
        except OSError:
            if stream is not self._notes:
                raise
            flush_or_abandon(stream)  # nobody reads notes any more; what they are about goes on

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Around what tells that something went well: it did, also where that cannot be told any more."""
        try:
            yield
        except (BrokenPipeError, LocalFileError) as error:
            self._is_heard, self._is_cut_off = False, True
            flush_or_abandon(self._results)
            self.close()
            if isinstance(error, LocalFileError):  # a reader that has seen enough needs no telling
                error = LocalFileError(error.message, remedy=_ALL_THE_SAME)
            for line in failure_of(error).lines:
                self._write(self._notes, line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        tally, self._tally = self._tally, None
        if tally is not None and tally.files > 1:
            with suppress(OSError):  # of two things that went wrong, the first is told
                self._tell_sum(tally)
