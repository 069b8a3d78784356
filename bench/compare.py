"""What got slower between two runs of the bench, beyond the noise.

    python -m bench.compare OLD.json NEW.json

A row is slower when its median is worse by more than 5 % and its repeats lie wholly outside the old ones'
range. With a single repeat there is no range to speak of: then 15 % are asked for. Exits 1 if anything is
slower, or failed that did not.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.runs import Results, Spread

NOISE: Final = 0.05
NOISE_OF_ONE: Final = 0.15
FIGURES: Final = {
    "seconds": -1,
    "cpu_s": -1,
    "memory_bytes": -1,
    "share": 1,
    "jain": 1,
    "share_least": 1,
    "round_trips": -1,
    "bytes_per_connection": -1,
}
"""What is compared; 1 where more is better."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one system on one row, then and now."""

    table: str
    row: str
    system: str
    figure: str
    old: Spread
    new: Spread

    @property
    def factor(self) -> float:
        """New by old."""
        return self.new.median / self.old.median if self.old.median else 1.0

    @property
    def verdict(self) -> int:
        """1: better beyond the noise, -1: worse, 0: neither."""
        direction = FIGURES[self.figure]
        noise = NOISE_OF_ONE if min(self.old.count, self.new.count) == 1 else NOISE
        if abs(self.factor - 1) <= noise:
            return 0
        if self.new.least > self.old.most:
            return direction
        return -direction if self.new.most < self.old.least else 0


def changes(old: Results, new: Results) -> Iterator[Change]:
    """Every figure that both have."""
    for table, row, system in dict.fromkeys((run.table, run.row, run.system) for run in new.runs):
        for figure in FIGURES:
            before = old.spread(table, row, system, figure)
            after = new.spread(table, row, system, figure)
            if before is not None and after is not None and before.median > 0:
                yield Change(table, row, system, figure, before, after)


def newly_failed(old: Results, new: Results) -> list[str]:
    """What fails now and did not."""
    return [
        f"{table}: {row}, {system}: {new.errors(table, row, system)[0]}"
        for table, row, system in dict.fromkeys((run.table, run.row, run.system) for run in new.runs)
        if new.errors(table, row, system)
        and old.of(table, row, system)
        and not old.errors(table, row, system)
    ]


def main() -> int:
    """Print what changed; 1 if something got worse."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--all", action="store_true", help="also what is within the noise")
    arguments = parser.parse_args()
    old, new = Results.load(arguments.old), Results.load(arguments.new)
    console = Console()
    for name in ("machine", "kernel", "python"):
        if old.about.get(name) != new.about.get(name):
            console.print(f"[yellow]not the same {name}: times cannot be compared[/yellow]")
    found = list(changes(old, new))
    table = Table("table", "row", "system", "figure", "old", "new", "new / old", "")
    for change in found:
        if change.verdict or arguments.all:
            word = {1: "[green]better[/green]", -1: "[red]worse[/red]", 0: "noise"}[change.verdict]
            values = (f"{change.old.median:.4g}", f"{change.new.median:.4g}", f"{change.factor:.2f}")
            table.add_row(change.table, change.row, change.system, change.figure, *values, word)
    if table.row_count:
        console.print(table)
    failed = newly_failed(old, new)
    for line in failed:
        console.print(f"[red]failed, and did not before: {line}[/red]")
    worse = sum(change.verdict < 0 for change in found)
    console.print(f"{len(found)} figures compared, {worse} worse, {len(failed)} newly failed")
    return 1 if worse or failed else 0


if __name__ == "__main__":
    sys.exit(main())
