"""`make bench`: under five minutes, without root, with what the project brings and the peers that are here.

Owns what is measured then: loopback, small files, and a sweep of loss through the product's own proxy.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import loopback, loss_sweep, machine, small_files
from bench.plan import Measurement, carry_out
from bench.processes import end_with_cleanup_on_signals
from bench.report import finish, line_of
from bench.runs import Results
from bench.targets import of_tables

OUTPUT: Final = Path(__file__).with_name("results") / "quick.json"
BUDGET_S: Final = 240.0
"""Nothing is begun after so long; what is under way then ends within a minute."""
SIZES_BYTES: Final = (10**7, 10**8, 10**9)
ROUND_TRIPS: Final = " over "
"""Rows of small files that need a link."""


def rows() -> list[Measurement]:
    """What there is to measure, what matters most first."""
    sizes = [each for size in reversed(SIZES_BYTES) for each in loopback.measurements(size)]
    small = [each for each in small_files.measurements() if ROUND_TRIPS not in each.row]
    return [*sizes, *loss_sweep.measurements(), *small]


def main() -> int:
    """Measure; 0 also where a target is missed: this is the short form, on any machine."""
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    end_with_cleanup_on_signals()
    console = Console()
    results = Results(machine.about(seed=arguments.seed), path=arguments.output)
    try:
        left_out = carry_out(
            rows(),
            results,
            repeat=1,
            peer_repeat=1,
            seed=arguments.seed,
            on_run=lambda found: console.print(line_of(found), highlight=False, markup=False),
            until_s=time.monotonic() + BUDGET_S,
        )
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    measured = {(run.table, run.row) for run in results.runs}
    tables = of_tables({run.table for run in results.runs})
    finish(results, console, [target for target in tables if (target.table, target.row) in measured])
    for name in left_out:
        console.print(f"[yellow]left out, the time was over: {name}[/yellow]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
