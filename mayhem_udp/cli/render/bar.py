"""Progress bars while a terminal looks on: speed, time left and, where it is wide, loss and retransmissions.

Owns what is drawn: one line a file, however narrow. rich is imported only once a transfer has lasted long enough for somebody to wonder.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

from mayhem_udp.cli.render import words
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.render.tally import Tally
from mayhem_udp.errors import MayhemError
from mayhem_udp.escape import escape
from mayhem_udp.results import Phase, Progress, TransferResult
from mayhem_udp.units import format_rate

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

PATIENCE_S: Final = 0.3
"""A transfer that is over sooner gets no bar."""
BARS_MAX: Final = 8
"""Files with a bar of their own at once; more would not fit on a screen."""
NAME_WIDTH: Final = 32
NAME_WIDTH_NARROW: Final = 18
TROUBLES_COLUMNS: Final = 100
"""A narrower terminal shows nothing of loss and retransmissions."""
_ALL: Final = ""
"""The bar of all small files; no file is called that."""
WIDE_COLUMNS: Final = 120
"""A narrower one shows less of a long name."""


class BarOutput(Output):
    """A bar for each file on its way, and a line for each that has arrived."""

    def __init__(self, results: TextIO, notes: TextIO) -> None:
        super().__init__(results, notes)
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def _show(self, progress: Progress) -> None:
        """Draw, or draw anew."""
        if self._bars is None:
            if progress.seconds < PATIENCE_S and progress.state is not Phase.RETRYING:
                return
            self._bars = _started_bars(self._notes)
        if progress.files > 1 and self._tally is not None:
            self._show_sum(self._bars, self._tally)
            return
        if progress.state is Phase.DONE:
            self._drop(progress.name)
            return
        shown: dict[str, Any] = {
            "completed": progress.bytes_done,
            "total": progress.bytes_total,
            "told": words.phase(progress) or _pace(progress),
            "troubles": words.troubles(progress),
        }
        if progress.name in self._tasks:
            self._bars.update(self._tasks[progress.name], **shown)
        elif len(self._tasks) < BARS_MAX:
            is_wide = self._bars.console.width >= WIDE_COLUMNS
            name = _short(escape(progress.name), NAME_WIDTH if is_wide else NAME_WIDTH_NARROW)
            self._tasks[progress.name] = self._bars.add_task(name, **shown)

    def _show_sum(self, bars: "Bars", tally: Tally) -> None:
        """One bar for all files that travel together; nobody knows how many bytes they are."""
        shown: dict[str, Any] = {
            "description": words.counted(tally),
            "completed": tally.bytes,
            "total": None,
            "told": format_rate(tally.goodput_bps),
            "troubles": "",
        }
        if _ALL in self._tasks:
            bars.update(self._tasks[_ALL], **shown)
        else:
            self._tasks[_ALL] = bars.add_task(**shown)

    def _tell_sum(self, tally: Tally) -> None:
        """A last line about all files."""
        self.note(words.sum_closing(tally))

    def _tell_transferred(self, result: TransferResult) -> None:
        """The bar goes, a line stays."""
        self._drop(result.name)
        self._say(self._results, words.transferred(result))

    def tell(self, value: Mapping[str, object], text: str) -> None:
        """The text."""
        self._say(self._results, text)

    def note(self, text: str) -> None:
        """The text, beside the results."""
        self._say(self._notes, f"mayhem: {text}")

    def failed(self, error: MayhemError | OSError, *, about: str = "") -> None:
        """The bars make room for what went wrong."""
        self.close()
        super().failed(error, about=about)

    def close(self) -> None:
        """Take all bars away; they come back with the next progress."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._tasks.clear()

    def _drop(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None and self._bars is not None:
            self._bars.remove_task(task)

    def _say(self, stream: TextIO, line: str) -> None:
        """Write a line where it belongs, above the bars if that is the same terminal.

        Bars that have nothing more to show are taken away before, and so are those of another stream:
        it may be shown at the same terminal after all, behind a pipe.
        """
        if not self._tasks or not stream.isatty():
            self.close()
        if self._bars is None:
            self._write(stream, line)
            return
        from rich.text import Text

        self._bars.console.print(Text(line), soft_wrap=True)


def _started_bars(stream: TextIO) -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    def one_line() -> Column:
        return Column(no_wrap=True, overflow="ellipsis")

    console = Console(file=stream)
    columns = [
        TextColumn("{task.description}", markup=False, table_column=one_line()),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True, table_column=one_line()),
        TextColumn("{task.fields[told]}", markup=False, table_column=one_line()),
    ]
    if console.width >= TROUBLES_COLUMNS:
        text = "{task.fields[troubles]}"
        columns.append(TextColumn(text, markup=False, style="dim", table_column=one_line()))
    bars = Bars(
        *columns,
        console=console,
        transient=True,
        expand=True,
        refresh_per_second=5,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bars.start()
    return bars


def _pace(progress: Progress) -> str:
    return ", ".join(part for part in (format_rate(progress.goodput_bps), words.left(progress)) if part)


def _short(name: str, width: int) -> str:
    """The end of a long name, which tells more than its beginning."""
    return name if len(name) <= width else "…" + name[1 - width :]
