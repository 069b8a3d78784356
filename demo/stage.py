"""What is seen of the demo: bars and a table in a terminal, plain lines elsewhere.

Owns the wording and the looks. Never judges: the verdicts come with the rows.
"""

from typing import Final, NamedTuple, Protocol, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from demo.plan import SAMPLES
from mayhem_udp.units import SECOND, format_bytes, format_duration

QUARTERS: Final = 4
PLAIN_WIDTH: Final = 118


class Row(NamedTuple):
    """How it went for one file; without figures where the client failed."""

    name: str
    size: int
    figures: tuple[float, int, int, int] | None
    """Seconds, datagrams there and back, retransmitted, corrupt."""
    sha256: str
    """Of the copy, as the demo computed it; empty where there is none."""
    is_same: bool
    trouble: str = ""


class Stage(Protocol):
    """Where progress is shown, between `with` and its end."""

    def moved(self, name: str, done: int) -> None:
        """A file is so far on its round trip."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def open_stage(console: Console) -> Stage:
    """Bars where somebody looks on, lines elsewhere."""
    return _Bars(console) if console.is_terminal else _Lines(console)


class _Bars:
    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("  {task.description:<12}", markup=False),
            BarColumn(bar_width=40),
            DownloadColumn(binary_units=True),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def moved(self, name: str, done: int) -> None:
        task = self._tasks[name]
        self._progress.update(task, completed=done)
        if self._progress.tasks[task].finished:
            self._progress.stop_task(task)

    def __enter__(self) -> Self:
        self._progress.start()
        for sample in SAMPLES:
            self._tasks[sample.name] = self._progress.add_task(sample.name, total=sample.size)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._sizes = {sample.name: sample.size for sample in SAMPLES}
        self._told = dict.fromkeys(self._sizes, 0)

    def moved(self, name: str, done: int) -> None:
        quarters = QUARTERS * done // self._sizes[name]
        if quarters > self._told[name]:
            self._told[name] = quarters
            self._console.print(f"  {name:<12} {100 * quarters // QUARTERS:>3} %", highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


def open_console() -> Console:
    """The terminal, or whatever standard output is; then wide enough for the table."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def table_of(rows: list[Row]) -> Table:
    """The end: one line a file."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file")
    for name in ("size", "time", "datagrams", "retransmitted", "corrupt"):
        table.add_column(name, justify="right")
    table.add_column("SHA-256")
    for row in rows:
        cells = ("-",) * 4
        if row.figures is not None:
            seconds, datagrams, repeated, corrupt = row.figures
            took = format_duration(round(seconds * SECOND))
            cells = (took, f"{datagrams:,}", f"{repeated:,}", f"{corrupt:,}")
        table.add_row(Text(row.name), format_bytes(row.size), *cells, _verdict(row))
    return table


def _verdict(row: Row) -> Text:
    if row.is_same:
        return Text.assemble((f"{row.sha256[:12]}… ", "dim"), ("verified", "bold green"))
    return Text(row.trouble or "NOT the same", style="bold red")
