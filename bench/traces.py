"""What the emulator has written down, read again: bytes delivered, queues and drops against time.

Owns the columns of linkem's trace. Never measures, never draws.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

MS_PER_SECOND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Trace:
    """One run over one link."""

    columns: dict[str, NDArray[np.float64]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """From the emulator's file; a last line that is only half there is left out."""
        names, *rows = [line.split(",") for line in path.read_text().splitlines()] or [[]]
        whole = np.array([row for row in rows if len(row) == len(names)], dtype=float)
        return cls({name: whole[:, index] for index, name in enumerate(names)} if len(whole) else {})

    def __bool__(self) -> bool:
        return bool(self.columns)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Since the first packet."""
        return self.columns["ms"] / MS_PER_SECOND

    def queue_ms(self, *, rate_mbit: float, way: str = "up", pipe: int = 0) -> NDArray[np.float64]:
        """How long a packet that came at each time had to wait, at a steady rate."""
        return self.columns[f"{way}_queued_{pipe}"] * 8 / (rate_mbit * 1e6) * MS_PER_SECOND

    def delivered(self, client: int, way: str = "up") -> NDArray[np.float64]:
        """Bytes of IP packets so far."""
        return self.columns[f"{way}_bytes_{client}"]

    def rate_bps(self, client: int, *, start_s: float, stop_s: float, way: str = "up") -> float:
        """Mean rate of IP packets of a client between two times."""
        times = self.seconds
        bytes_then = np.interp([start_s, stop_s], times, self.delivered(client, way))
        return float((bytes_then[1] - bytes_then[0]) * 8 / (stop_s - start_s))

    def active(self, client: int, *, way: str = "up", share: float = 0.02) -> tuple[float, float]:
        """When a client was at it: from the first to the last few of its bytes."""
        delivered = self.delivered(client, way)
        total = delivered[-1]
        if total <= 0:
            return 0.0, 0.0
        inner = np.flatnonzero((delivered > share * total) & (delivered < (1 - share) * total))
        if len(inner) == 0:
            return 0.0, 0.0
        return float(self.seconds[inner[0]]), float(self.seconds[inner[-1]])


def jain_index(rates: list[float]) -> float:
    """Jain's fairness index: 1 where all are alike, 1/n where one has it all."""
    squares = sum(rate * rate for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if squares else 0.0
