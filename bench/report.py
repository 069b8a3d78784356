"""What the bench has found, for people: tables, the targets that were missed, and plots.

Owns how results look. Never measures, never judges: `targets` does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.machine import in_words
from bench.runs import Results, Run, Spread
from bench.targets import State, Target

BUSY: Final = 0.15
"""Share of the machine that others had, from which on a run is marked."""
COLUMNS: Final = {
    "seconds": ("s", 1.0, 2),
    "goodput_bps": ("Mbit/s", 1e6, 1),
    "share": ("share", 1.0, 3),
    "of_line": ("of the line", 1.0, 3),
    "cpu_s": ("CPU s", 1.0, 2),
    "memory_bytes": ("MB", 1e6, 0),
    "round_trips": ("round trips", 1.0, 2),
    "jain": ("Jain", 1.0, 3),
    "share_least": ("least share", 1.0, 2),
    "share_total": ("sum of shares", 1.0, 2),
    "queue_ms_p95": ("queue ms", 1.0, 0),
    "slowest_to_median": ("slowest/median", 1.0, 2),
    "bytes_per_connection": ("B/connection", 1.0, 0),
}
"""Figures with their heading, unit and decimals; a table shows those that it has."""


def show(results: Results, console: Console, targets: Sequence[Target]) -> int:
    """Print everything; returns how many targets were missed."""
    for line in in_words(results.about):
        console.print(line, highlight=False)
    for name in dict.fromkeys(run.table for run in results.runs):
        console.print(_table(results, name))
    busy = [run for run in results.runs if run.figures.get("others_cpu", 0.0) > BUSY]
    if busy:
        console.print(
            f"[yellow]{len(busy)} of {len(results.runs)} runs had others at work on this machine (more than "
            f"{BUSY:.0%} of it): their times say little[/yellow]"
        )
    return _show_targets(results, console, targets)


def _table(results: Results, name: str) -> Table:
    runs = [run for run in results.runs if run.table == name]
    shown = [
        figure
        for figure in COLUMNS
        if any(not run.error and (figure in run.figures or getattr(run, figure, 0)) for run in runs)
    ]
    headings = [COLUMNS[figure][0] for figure in shown]
    table = Table("row", "system", *headings, "runs", "", title=name, title_justify="left")
    for row in results.rows(name):
        for system in results.systems(name, row):
            cells = [_cell(results.spread(name, row, system, figure), figure) for figure in shown]
            errors = results.errors(name, row, system)
            repeats = results.of(name, row, system)
            note = f"[red]failed: {errors[0]}[/red]" if errors else ""
            if not errors and any(run.figures.get("cut") for run in repeats):
                note = "cut: its time was over"
            table.add_row(row, system, *cells, str(len(repeats)), note)
    return table


def _cell(spread: Spread | None, figure: str) -> str:
    """The median, and how far the repeats are from it where there are some."""
    _, unit, decimals = COLUMNS[figure]
    if spread is None:
        return ""
    text = f"{spread.median / unit:.{decimals}f}"
    if spread.count > 1:
        text += f" [dim]({spread.least / unit:.{decimals}f} to {spread.most / unit:.{decimals}f})[/dim]"
    return text


def _show_targets(results: Results, console: Console, targets: Sequence[Target]) -> int:
    verdicts = [(target, target.judge(results)) for target in targets]
    table = Table("table", "row", "target", "measured", "", title="targets", title_justify="left")
    for target, verdict in verdicts:
        color = {State.MET: "green", State.MISSED: "red", State.UNKNOWN: "yellow"}[verdict.state]
        measured = "" if verdict.measured is None else f"{verdict.measured:.4g}"
        state = f"[{color}]{verdict.state.value}[/{color}]" + (f" ({verdict.why})" if verdict.why else "")
        table.add_row(target.table, target.row, target.words, measured, state)
    if verdicts:
        console.print(table)
    counts = {state: sum(verdict.state is state for _, verdict in verdicts) for state in State}
    console.print(", ".join(f"{count} {state.value}" for state, count in counts.items()) + " of the targets")
    return counts[State.MISSED]


def line_of(found: Run) -> str:
    """One measurement, as soon as it is there."""
    head = f"{found.table:12} {found.row:28} {found.system:20}"
    if found.error:
        return f"{head} failed: {found.error}"
    figures = [
        f"{found.figure(name) / unit:.{decimals}f} {heading}"
        for name, (heading, unit, decimals) in COLUMNS.items()
        if name in found.figures or getattr(found, name, 0)
    ]
    return f"{head} {', '.join(figures)}"


def finish(results: Results, console: Console, targets: Sequence[Target]) -> int:
    """Print, keep the verdicts beside the figures, and draw; returns how many targets were missed."""
    results.about["targets"] = _as_dicts(results, targets)
    results.save()
    missed = show(results, console, targets)
    if results.path is not None:
        plots = write_all(results, results.path.parent)
        for path in (results.path, *plots):
            console.print(f"written: {path}", highlight=False)
    return missed


def _as_dicts(results: Results, targets: Sequence[Target]) -> list[dict[str, object]]:
    verdicts = ((target, target.judge(results)) for target in targets)
    return [
        {
            "table": target.table,
            "row": target.row,
            "target": target.words,
            "measured": verdict.measured,
            "state": verdict.state.value,
            "why": verdict.why,
        }
        for target, verdict in verdicts
    ]


def write_all(results: Results, folder: Path) -> list[Path]:
    """The plots beside the results, where there is something to plot."""
    from bench.plots import goodput_against_loss, time_against_size  # noqa: PLC0415  # matplotlib is slow

    return [*goodput_against_loss(results, folder), *time_against_size(results, folder)]
