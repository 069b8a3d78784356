"""What is to be measured: tables, rows and systems as one flat list, and the order they are taken in.

Owns the choice of rows, and that own and peer runs alternate within each repeat. Never knows what a row is.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from bench.files import has_room, random_file, scratch_folder
from bench.processes import ProgramError
from bench.runs import Results, Run


class Storage:
    """A scratch folder in memory, and the one random file that is kept there for the next measurement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: tuple[int, str] | None = None

    @property
    def _source(self) -> Path:
        return self.folder / "source" / "data"

    def source(self, size: int) -> tuple[Path, str]:
        """A file of random bytes and its SHA-256. Raises `ProgramError` if it and a copy do not fit."""
        if self._known is None or self._known[0] != size:
            self.forget()
            if not has_room(2 * size):
                raise ProgramError(
                    f"needs {2 * size / 1e9:.1f} GB of memory-backed storage, more than is free"
                )
            self._known = size, random_file(self._source, size, seed=size)
        return self._source, self._known[1]

    def forget(self) -> None:
        """Make room."""
        self._known = None
        self._source.unlink(missing_ok=True)

    @contextmanager
    def run(self) -> Iterator[Path]:
        """An empty folder for one run, gone afterwards."""
        folder = self.folder / "run"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One system on one row; it can be run as often as one likes."""

    table: str
    row: str
    system: str
    run: Callable[[Storage, int], Run]
    """From storage and a seed."""
    is_peer: bool = False

    @property
    def name(self) -> str:
        """How it is chosen on a command line."""
        return f"{self.table}.{self.row}"


def chosen(
    measurements: Iterable[Measurement], *, only: Sequence[str] = (), systems: Sequence[str] = ()
) -> list[Measurement]:
    """Those whose name begins with one of `only`, and of these systems; all where nothing is asked for."""
    return [
        each
        for each in measurements
        if (not only or any(each.name.startswith(prefix) for prefix in only))
        and (not systems or each.system in systems)
    ]


def carry_out(
    measurements: Sequence[Measurement],
    results: Results,
    *,
    repeat: int,
    peer_repeat: int,
    seed: int,
    on_run: Callable[[Run], object],
    until_s: float = float("inf"),
) -> list[str]:
    """Measure row by row, systems in turn; what the results have already is not measured again.

    Nothing is begun after `until_s` on the monotonic clock: what was left out for that is returned.
    """
    left_out: list[str] = []
    with scratch_folder() as folder:
        storage = Storage(folder)
        for _, group in groupby(measurements, key=lambda each: each.name):
            row = list(group)
            for number in range(repeat):
                for each in row:
                    done = len(results.of(each.table, each.row, each.system))
                    if not done <= number < (peer_repeat if each.is_peer else repeat):
                        continue
                    if time.monotonic() > until_s:
                        left_out.append(f"{each.name}, {each.system}")
                    else:
                        on_run(results.add(_measured(each, storage, seed=seed + number)))
    return left_out


def _measured(each: Measurement, storage: Storage, *, seed: int) -> Run:
    clock = Others()
    try:
        found = each.run(storage, seed)
    except ProgramError as error:
        found = Run(table=each.table, row=each.row, system=each.system, error=str(error))
    figures = {**found.figures, "others_cpu": clock.share()}
    return replace(found, table=each.table, row=each.row, system=each.system, seed=seed, figures=figures)


class Others:
    """How much of the machine went to those who have nothing to do with the bench, from here on."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._busy_s, self._ours_s = _busy_s(), _ours_s()

    def share(self) -> float:
        """Of all cores, so far; what the kernel does for nobody in particular counts as others'."""
        wall_s = time.monotonic() - self._began_s
        others_s = (_busy_s() - self._busy_s) - (_ours_s() - self._ours_s)
        return max(0.0, others_s / (wall_s * (os.cpu_count() or 1)))


def _busy_s() -> float:
    user, nice, system, _idle, _wait, irq, softirq, *_ = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _ours_s() -> float:
    """Of this process and of all that it has started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
