"""`make bench-full`: every table, over real links between namespaces, and every target checked.

Owns the order of tables and the file of results. It needs root, and takes hours with all peers. Single
tables and rows are chosen by the beginnings of their names, and a run that was cut goes on where it stopped:

    python -m bench.full --list
    python -m bench.full --only wide_area.loss --system mayhem --repeat 1 --seconds 20
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench import crowd, fairness, loopback, loss_sweep, machine, sizes, small_files, wide_area
from bench.plan import Measurement, carry_out, chosen
from bench.processes import end_with_cleanup_on_signals
from bench.report import finish, line_of
from bench.runs import Results
from bench.targets import Target, of_tables

FOLDER: Final = Path(__file__).with_name("results")
REPEAT: Final = 3
PEER_REPEAT: Final = 2
SECONDS: Final = 20.0
SIZES_BYTES: Final = (10**7, 10**8)
"""Beside the one that targets are for: the curve of time against size."""


def tables(seconds: float) -> list[Measurement]:
    """Everything, in the order it is taken."""
    found = loopback.measurements()
    for size in SIZES_BYTES:
        found += loopback.measurements(size)
    return [
        *found,
        *sizes.measurements(),
        *small_files.measurements(),
        *wide_area.measurements(seconds=seconds),
        *fairness.measurements(),
        *crowd.measurements(),
        *loss_sweep.measurements(),
    ]


def opened(path: Path, *, seed: int, is_fresh: bool, console: Console) -> Results:
    """Results to go on with, if they are of this machine, commit and day; new ones otherwise."""
    about = machine.about(seed=seed)
    if path.exists() and not is_fresh:
        known = Results.load(path)
        if same_run(known.about, about):
            console.print(f"going on with {path}: {len(known.runs)} runs are there already")
            return known
        console.print(f"{path} is of another day, commit, seed or machine: beginning anew")
    return Results(about, path=path)


def same_run(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether figures of both may stand in one table: none is carried over from another day."""
    same = ("commit", "seed", "machine", "kernel", "python")
    return all(old.get(name) == new[name] for name in same) and old["date"][:10] == new["date"][:10]


def main(argv: list[str] | None = None, *, make: Callable[[float], list[Measurement]] = tables) -> int:
    """Measure what is asked for; 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.full", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="TABLE[.ROW]", help="how a name begins"
    )
    parser.add_argument("--system", action="append", default=[], help="one of the systems")
    parser.add_argument("--repeat", type=int, default=REPEAT, help="of our own runs")
    parser.add_argument("--peer-repeat", type=int, default=PEER_REPEAT)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long a wide-area link needs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=FOLDER / "full.json")
    parser.add_argument("--fresh", action="store_true", help="begin anew, whatever is there")
    parser.add_argument("--list", action="store_true", help="name everything, measure nothing")
    arguments = parser.parse_args(argv)
    wanted = chosen(make(arguments.seconds), only=arguments.only, systems=arguments.system)
    if arguments.list or not wanted:
        for each in wanted:
            print(f"{each.name}: {each.system}")
        return 0 if wanted else 2
    end_with_cleanup_on_signals()
    console = Console()
    results = opened(arguments.output, seed=arguments.seed, is_fresh=arguments.fresh, console=console)
    try:
        carry_out(
            wanted,
            results,
            repeat=arguments.repeat,
            peer_repeat=arguments.peer_repeat,
            seed=arguments.seed,
            on_run=lambda found: console.print(line_of(found), highlight=False, markup=False),
        )
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on with {arguments.output}")
        return 130
    names = {each.name for each in wanted}
    judged = [
        target for target in of_tables({run.table for run in results.runs}) if _is_asked_for(target, names)
    ]
    return 1 if finish(results, console, judged) else 0


def _is_asked_for(target: Target, names: set[str]) -> bool:
    return f"{target.table}.{target.row}" in names


if __name__ == "__main__":
    sys.exit(main())
