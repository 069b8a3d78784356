"""Plots of results, each as PNG and as SVG: goodput against loss, and time against size.

Owns their looks. Never measures.
"""

import re
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.runs import Results

LOSS_ROW: Final = re.compile(r"loss ([\d.]+)%$")
LOSS_TABLES: Final = ("wide_area", "loss_sweep")
SIZE_ROW: Final = re.compile(r"([\d.]+) ([kMG]B)$")
UNITS: Final = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
SIZE_INCHES: Final = (7.0, 4.2)
DOTS_PER_INCH: Final = 140
OWN_WIDTH: Final = 2.6


def goodput_against_loss(results: Results, folder: Path) -> list[Path]:
    """One curve a system, over the rows of random loss."""
    written: list[Path] = []
    for table in LOSS_TABLES:
        rows = {row: float(found[1]) for row in results.rows(table) if (found := LOSS_ROW.match(row))}
        if len(rows) < 2:
            continue
        figure, axes = plt.subplots(figsize=SIZE_INCHES)
        for system in results.systems(table):
            _curve(results, axes, table=table, rows=rows, system=system, figure="goodput_bps", unit=1e6)
        axes.set_xlabel("random loss each way, %")
        axes.set_ylabel("goodput, Mbit/s")
        axes.set_ylim(bottom=0)
        written += _save(figure, axes, folder / f"{table}-goodput-against-loss")
    return written


def time_against_size(results: Results, folder: Path) -> list[Path]:
    """One curve a system, over files of different size on loopback."""
    rows = {
        row: float(found[1]) * UNITS[found[2]]
        for row in results.rows("loopback")
        if (found := SIZE_ROW.match(row))
    }
    if len(rows) < 2:
        return []
    figure, axes = plt.subplots(figsize=SIZE_INCHES)
    for system in results.systems("loopback"):
        _curve(results, axes, table="loopback", rows=rows, system=system, figure="seconds", unit=1.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("bytes of one file")
    axes.set_ylabel("seconds, the whole command")
    return _save(figure, axes, folder / "loopback-time-against-size")


def _curve(
    results: Results,
    axes: Axes,
    *,
    table: str,
    rows: dict[str, float],
    system: str,
    figure: str,
    unit: float,
) -> None:
    points = []
    for row, x in sorted(rows.items(), key=lambda item: item[1]):
        spread = results.spread(table, row, system, figure)
        if spread is not None:
            points.append((x, spread.median / unit, spread.least / unit, spread.most / unit))
    if not points:
        return
    xs, medians, least, most = zip(*points, strict=True)
    width = OWN_WIDTH if system.startswith("mayhem") else 1.2
    (line,) = axes.plot(xs, medians, marker="o", markersize=4, linewidth=width, label=system)
    axes.fill_between(xs, least, most, color=line.get_color(), alpha=0.15, linewidth=0)


def _save(figure: Figure, axes: Axes, stem: Path) -> list[Path]:
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return paths
