"""Results as lines, as JSON, or not at all: what is written where no terminal looks on.

Owns how often a line of progress is due. Never draws.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TextIO

from mayhem_udp.cli.render import words
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.render.tally import Tally
from mayhem_udp.results import Phase, Progress, TransferResult
from mayhem_udp.units import SECOND

_TOLD_AT_ONCE: Final = (Phase.RETRYING,)
_SMALL_FILES: Final = "small files"
"""What requests for many files are called: there are several at once, and one line is enough for all."""


class JsonOutput(Output):
    """One object a line on standard output; failures in words on standard error."""

    def _tell_transferred(self, result: TransferResult) -> None:
        """The fields of the result."""
        self._write(self._results, json.dumps(result.as_dict()))

    def tell(self, value: Mapping[str, object], text: str) -> None:
        """The value."""
        self._write(self._results, json.dumps(value))


class QuietOutput(Output):
    """Only what was asked for: listings and the like, and failures."""

    def _tell_transferred(self, result: TransferResult) -> None:
        """Nothing: it went well."""

    def tell(self, value: Mapping[str, object], text: str) -> None:
        """The text, since it is the answer."""
        self._write(self._results, text)

    def confirm(self, value: Mapping[str, object], text: str) -> None:
        """Nothing: it went well."""


class LineOutput(Output):
    """A line for each file, and one now and then for a file that takes long."""

    def __init__(self, results: TextIO, notes: TextIO, *, interval_ns: int) -> None:
        """`interval_ns` is the time between two lines of progress; 0: none at all."""
        super().__init__(results, notes)
        self._interval_ns = interval_ns
        self._told: dict[str, tuple[float, Phase]] = {}
        """When each file was last mentioned, in its own seconds, and what it was at."""

    def _show(self, progress: Progress) -> None:
        """A line when one is due, or when the server is lost."""
        if not self._interval_ns:
            return
        self._show_sum()
        if progress.files > 1 and self._tally is not None:
            if progress.state not in (*_TOLD_AT_ONCE, Phase.CONNECTING):
                self._told[_SMALL_FILES] = (progress.seconds, progress.state)
                return
            progress = replace(progress, name=_SMALL_FILES)
        told_s, told_state = self._told.setdefault(progress.name, (0.0, progress.state))
        is_due = (progress.seconds - told_s) * SECOND >= self._interval_ns
        if is_due or (progress.state in _TOLD_AT_ONCE and told_state != progress.state):
            self._write(self._notes, words.progress_line(progress))
            told_s = progress.seconds
        if progress.state is Phase.CONNECTING and told_state in _TOLD_AT_ONCE:
            self._told[progress.name] = (told_s, told_state)  # a try, and no news yet
        else:
            self._told[progress.name] = (told_s, progress.state)

    def _show_sum(self) -> None:
        """A line about all files when one is due."""
        if self._interval_ns and self._tally is not None and self._tally.is_due(self._interval_ns):
            self._write(self._notes, words.sum_line(self._tally))

    def _tell_sum(self, tally: Tally) -> None:
        """A last line about all files."""
        self.note(words.sum_closing(tally))

    def confirm(self, value: Mapping[str, object], text: str) -> None:
        """The text, and a line about all when one is due."""
        super().confirm(value, text)
        self._show_sum()

    def _tell_transferred(self, result: TransferResult) -> None:
        """A line about the file."""
        self._told.pop(result.name, None)
        self._write(self._results, words.transferred(result))

    def tell(self, value: Mapping[str, object], text: str) -> None:
        """The text."""
        self._write(self._results, text)

    def note(self, text: str) -> None:
        """The text, beside the results."""
        self._write(self._notes, f"mayhem: {text}")
