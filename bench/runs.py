"""What a run of the bench leaves: one value a measurement, and the file that they are kept in.

Owns the shape of a measurement, the medians and spreads over repeats, and the JSON that is appended to
while the bench goes on, so that a run that was cut can be resumed. Never measures, never prints.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

BITS_PER_BYTE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One system, once, on one row of one table."""

    table: str
    row: str
    system: str
    seconds: float = 0.0
    """Wall time, from the start of the command to its end."""
    bytes: int = 0
    """Of files, that arrived whole."""
    cpu_s: float = 0.0
    """User and system time of both processes."""
    memory_bytes: int = 0
    """Resident memory of the larger of both, at its most."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What else was measured, by name."""
    error: str = ""
    """Why it failed; empty if it did not."""
    seed: int = 0

    @property
    def goodput_bps(self) -> float:
        """Bits of files a second."""
        return self.bytes * BITS_PER_BYTE / self.seconds if self.seconds else 0.0

    def figure(self, name: str) -> float:
        """A figure by its name, be it a field or one of `figures`. Raises `KeyError` where there is none."""
        if name in ("seconds", "bytes", "cpu_s", "memory_bytes", "goodput_bps"):
            return float(getattr(self, name))
        return self.figures[name]

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "figures": dict(self.figures), "goodput_bps": self.goodput_bps}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """What `as_dict` was made of."""
        return cls(**{name: value for name, value in values.items() if name != "goodput_bps"})


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of repeats."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Of at least one value."""
        known = sorted(values)
        return cls(statistics.median(known), known[0], known[-1], len(known))


@dataclass(slots=True)
class Results:
    """Everything measured so far, and where it was."""

    about: dict[str, Any]
    """Machine, kernel, versions, commit, seed: what a figure means nothing without."""
    runs: list[Run] = field(default_factory=list)
    path: Path | None = None

    def add(self, run: Run) -> Run:
        """Keep a measurement, at once also in the file."""
        self.runs.append(run)
        self.save()
        return run

    def save(self) -> None:
        """Write the file anew; a cut never leaves half of one."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        text = json.dumps({"about": self.about, "runs": [run.as_dict() for run in self.runs]}, indent=1)
        fresh.write_text(text + "\n", "utf-8")
        fresh.replace(self.path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` has written."""
        values = json.loads(path.read_text("utf-8"))
        return cls(values["about"], [Run.of(run) for run in values["runs"]], path)

    def of(self, table: str, row: str, system: str) -> list[Run]:
        """The repeats of one measurement."""
        return [run for run in self.runs if (run.table, run.row, run.system) == (table, row, system)]

    def spread(self, table: str, row: str, system: str, figure: str) -> Spread | None:
        """A figure over the repeats that did not fail; None where there is none."""
        values = [
            run.figure(figure)
            for run in self.of(table, row, system)
            if not run.error and (figure in run.figures or hasattr(run, figure))
        ]
        return Spread.of(values) if values else None

    def errors(self, table: str, row: str, system: str) -> list[str]:
        """What failed, each once."""
        return list(dict.fromkeys(run.error for run in self.of(table, row, system) if run.error))

    def rows(self, table: str) -> list[str]:
        """Rows of a table, in the order of their first measurement."""
        return list(dict.fromkeys(run.row for run in self.runs if run.table == table))

    def systems(self, table: str, row: str | None = None) -> list[str]:
        """Systems of a table or a row, likewise."""
        return list(
            dict.fromkeys(
                run.system for run in self.runs if run.table == table and (row is None or run.row == row)
            )
        )
