"""Every target of the product's speed, in one table, and whether results reach it.

Owns the figures that are asked for. Medians over repeats are what counts; what was not measured is said to
be not measured, never to be reached. Never measures, never prints.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bench import crowd, fairness, loopback, sizes, small_files, wide_area
from bench.runs import Results

OWN: Final = "mayhem"
OWN_ETHERNET: Final = "mayhem, 1,472 bytes"
GIGABYTE: Final = loopback.row_of(loopback.SIZE_BYTES)
MEMORY_MAX_BYTES: Final = 150e6
SAME_COST: Final = 0.10
"""How much CPU per byte may differ between sizes."""


class State(Enum):
    """What has become of a target."""

    MET = "met"
    MISSED = "MISSED"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured for a target."""

    state: State
    measured: float | None = None
    why: str = ""
    """Why it is not known, or why it failed."""


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that is asked for."""

    table: str
    row: str
    words: str
    """What is measured, and what is asked."""
    judge: Callable[[Results], Verdict]


def targets() -> list[Target]:
    """All of them."""
    return [*_loopback(), *_sizes(), *_small_files(), *_wide_area(), *_fairness(), *_crowd()]


def of_tables(tables: set[str]) -> list[Target]:
    """Those of some tables."""
    return [target for target in targets() if target.table in tables]


# --- The tables -------------------------------------------------------------------------------------


def _loopback() -> Iterator[Target]:
    def ratio(ours: str, theirs: str, figure: str, most: float) -> Target:
        words = f"{figure} of {ours} / {theirs}, at most {most:g}"
        return Target(loopback.TABLE, GIGABYTE, words, _ratio(_at(ours), _at(theirs), figure, most))

    def _at(system: str) -> "Place":
        return Place(loopback.TABLE, GIGABYTE, system)

    yield ratio(OWN_ETHERNET, "rsync daemon", "seconds", 0.75)
    yield ratio(OWN, "rsync daemon", "seconds", 0.6)
    yield ratio(OWN, "scp", "seconds", 0.4)
    for peer in ("SRT file mode", "UFTP", "ngtcp2"):
        yield ratio(OWN, peer, "seconds", 0.35)
    yield ratio(OWN, "floor", "cpu_s", 1.15)
    yield ratio(OWN_ETHERNET, "floor, 1,472 bytes", "cpu_s", 1.15)


def _sizes() -> Iterator[Target]:
    for row, (size, count) in {**sizes.ROWS, sizes.LARGEST: (sizes.LARGEST_BYTES, 1)}.items():
        place = Place(sizes.TABLE, row, OWN)
        if row not in (sizes.NOTHING, "1 GB"):
            words = f"CPU per byte against 1 GB, within {SAME_COST:.0%}"
            yield Target(sizes.TABLE, row, words, _same_cost(row, size * count))
        words = f"memory of either side, at most {MEMORY_MAX_BYTES / 1e6:.0f} MB"
        yield Target(sizes.TABLE, row, words, _at_most(place, "memory_bytes", MEMORY_MAX_BYTES))


def _small_files() -> Iterator[Target]:
    def most(row: str, figure: str, limit: float, words: str) -> Target:
        return Target(
            small_files.TABLE, row, words, _at_most(Place(small_files.TABLE, row, OWN), figure, limit)
        )

    many = small_files.MANY
    yield most(many, "seconds", 2.0, "at most 2 s")
    ours, theirs = Place(small_files.TABLE, many, OWN), Place(small_files.TABLE, many, "rsync daemon")
    words = "seconds / rsync daemon, at most 3"
    yield Target(small_files.TABLE, many, words, _ratio(ours, theirs, "seconds", 3.0))
    yield most(small_files.ONE, "seconds", 0.25, "at most 0.25 s")
    yield most(small_files.VERSION, "seconds", 0.12, "at most 0.12 s")
    for verb in ("put", "get"):
        new, known = (f"{verb} over 50 ms, {who}" for who in ("new client", "with a token"))
        yield most(new, "round_trips", 2 + A_LITTLE, f"at most 2 round trips and a little ({A_LITTLE:g})")
        yield most(known, "round_trips", 1 + A_LITTLE, f"at most 1 round trip and a little ({A_LITTLE:g})")


A_LITTLE: Final = 0.3
"""Of a round trip: what handling a request may take on top."""


def _wide_area() -> Iterator[Target]:
    for row in wide_area.ROWS.values():
        place = Place(wide_area.TABLE, row.name, OWN)
        words = f"share of what the link can carry, at least {row.share_min:.2f}"
        yield Target(wide_area.TABLE, row.name, words, _at_least(place, "share", row.share_min))


def _fairness() -> Iterator[Target]:
    for row in fairness.ROWS.values():
        place = Place(fairness.TABLE, row.name, OWN)
        if len(row.flows) == 4:
            yield Target(
                fairness.TABLE, row.name, "Jain's index, at least 0.95", _at_least(place, "jain", 0.95)
            )
        elif len(row.flows) == 2:
            words = "each keeps at least 0.25 of the link"
            yield Target(fairness.TABLE, row.name, words, _at_least(place, "share_least", 0.25))
        elif row.link.queue_bdp > 1:
            words = f"queue that we build (95 in 100 of the time), at most {row.link.rtt_ms:.0f} ms"
            judge = _at_most(place, "queue_ms_p95_from_the_start", row.link.rtt_ms)
            yield Target(fairness.TABLE, row.name, words, judge)
        else:
            words = "share of what the link can carry, at least 0.85"
            yield Target(fairness.TABLE, row.name, words, _at_least(place, "share_total", 0.85))


def _crowd() -> Iterator[Target]:
    many, one = (Place(crowd.TABLE, row, OWN) for row in (crowd.MANY_CLIENTS, crowd.ONE_CLIENT))
    words = "rate of all / one client's, at least 0.6"
    yield Target(crowd.TABLE, many.row, words, _ratio_at_least(many, one, "goodput_bps", 0.6))
    words = "the slowest / the median, at most 2"
    yield Target(crowd.TABLE, many.row, words, _at_most(many, "slowest_to_median", 2.0))
    words = "the daemon's memory, at most 150 MB"
    yield Target(crowd.TABLE, many.row, words, _at_most(many, "memory_bytes", MEMORY_MAX_BYTES))
    idle, lossy = (Place(crowd.TABLE, row, OWN) for row in (crowd.IDLE, crowd.LOSSY))
    words = "bytes of memory for each, at most 20 KB"
    yield Target(crowd.TABLE, idle.row, words, _at_most(idle, "bytes_per_connection", 20_000))
    words = "share of what all links carry, at least 0.9"
    yield Target(crowd.TABLE, lossy.row, words, _at_least(lossy, "share", 0.90))


# --- Judging ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure is found in results."""

    table: str
    row: str
    system: str


def _median(results: Results, place: Place, figure: str) -> float | Verdict:
    """The figure, or why there is none: our own failure misses a target, a peer's leaves it unknown."""
    spread = results.spread(place.table, place.row, place.system, figure)
    errors = results.errors(place.table, place.row, place.system)
    is_ours = place.system.startswith(OWN)
    if errors and is_ours:
        return Verdict(State.MISSED, why=f"{place.system}: {errors[0]}")
    if spread is not None:
        return spread.median
    if errors:
        return Verdict(State.UNKNOWN, why=f"{place.system}: {errors[0]}")
    return Verdict(State.UNKNOWN, why=f"{place.system} was not run")


def _at_most(place: Place, figure: str, limit: float) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        found = _median(results, place, figure)
        if isinstance(found, Verdict):
            return found
        return Verdict(State.MET if found <= limit else State.MISSED, found)

    return judge


def _at_least(place: Place, figure: str, limit: float) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        found = _median(results, place, figure)
        if isinstance(found, Verdict):
            return found
        return Verdict(State.MET if found >= limit else State.MISSED, found)

    return judge


def _quotient(results: Results, ours: Place, theirs: Place, figure: str) -> float | Verdict:
    above, below = _median(results, ours, figure), _median(results, theirs, figure)
    if isinstance(above, Verdict):
        return above
    if isinstance(below, Verdict):
        return below
    return above / below if below else Verdict(State.UNKNOWN, why=f"{theirs.system} has no {figure}")


def _ratio(ours: Place, theirs: Place, figure: str, limit: float) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        found = _quotient(results, ours, theirs, figure)
        if isinstance(found, Verdict):
            return found
        return Verdict(State.MET if found <= limit else State.MISSED, found)

    return judge


def _ratio_at_least(ours: Place, theirs: Place, figure: str, limit: float) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        found = _quotient(results, ours, theirs, figure)
        if isinstance(found, Verdict):
            return found
        return Verdict(State.MET if found >= limit else State.MISSED, found)

    return judge


def _same_cost(row: str, size: int) -> Callable[[Results], Verdict]:
    def judge(results: Results) -> Verdict:
        places = [Place(sizes.TABLE, name, OWN) for name in (sizes.NOTHING, row, "1 GB")]
        found = [_median(results, place, "cpu_s") for place in places]
        for each in found:
            if isinstance(each, Verdict):
                return each
        nothing_s, here_s, gigabyte_s = (each for each in found if isinstance(each, float))
        cost = (here_s - nothing_s) / size / ((gigabyte_s - nothing_s) / sizes.TOTAL_BYTES)
        return Verdict(State.MET if abs(cost - 1) <= SAME_COST else State.MISSED, cost)

    return judge
