"""What a network does wrong: the fault models of one direction, as checked values.

Owns the names, units and legal ranges of every fault. A `FaultSpec` is one direction, a `MayhemSpec`
both of them with the seed that decides which datagrams are hit.
Never decides the fate of a datagram (`verdicts`, `link`) and never reads text (`spec`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final

from mayhem_udp.errors import ConfigError
from mayhem_udp.units import BITS_PER_BYTE, HOUR, KIB, MS, SECOND, spell_duration, spell_rate, spell_size

HEADER_BYTES: Final = 28
"""IPv4 (20) and UDP (8) headers: what a datagram weighs on a link beyond its payload."""
QUEUE_DEFAULT_NS: Final = 100 * MS
"""A queue that is not given holds this much time at the link's rate."""
QUEUE_DEFAULT_MIN_BYTES: Final = 32 * KIB

DURATION_MAX_NS: Final = HOUR
RATE_MIN_BPS: Final = 1_000
RATE_MAX_BPS: Final = 1_000_000_000_000
QUEUE_MAX_BYTES: Final = 1 << 30
BURST_MAX: Final = 1_000_000
REORDER_BY_MAX: Final = 10_000
BLACKOUTS_MAX: Final = 64
WEIGHT_MAX: Final = 1e9
SEED_MAX: Final = (1 << 64) - 1


def _check_share(name: str, share: float) -> None:
    if not 0.0 <= share <= 1.0:  # also refuses NaN
        raise ConfigError(
            f"{name}={share:g} is not a share between 0 and 1",
            remedy="write 0.1 or 10% for one datagram in ten",
        )


def _check_range(
    word: str, value: Any, low: Any, high: Any, *, spell: Callable[[Any], str] = "{}".format
) -> None:
    """Refuse a value in the words of a spec: `word` is its key, and `spell` writes what belongs to it."""
    if not low <= value <= high:
        raise ConfigError(
            f"{word}={spell(value)} is out of range",
            remedy=f"give a value from {spell(low)} to {spell(high)}",
        )


def _check_duration(word: str, value_ns: int, *, low_ns: int = 0) -> None:
    _check_range(word, value_ns, low_ns, DURATION_MAX_NS, spell=spell_duration)


def _check_mix(mix: tuple[float, float, float]) -> None:
    if any(not 0.0 <= weight <= WEIGHT_MAX for weight in mix) or sum(mix) <= 0:
        raise ConfigError(
            "corrupt_mix needs three weights of which at least one is above zero",
            remedy="write it like 8:1:1, for bit flips, truncation and garbage",
        )


class Direction(Enum):
    """Which way a datagram goes, always as the client sees it, wherever the faults are made.

    So one spec means the same at a client, at a daemon and in the proxy between them.
    """

    OUT = "out"
    """From the client to the server."""
    IN = "in"
    """From the server back to the client."""

    @property
    def opposite(self) -> "Direction":
        """The other one."""
        return Direction.IN if self is Direction.OUT else Direction.OUT


class Order(Enum):
    """Whether jitter may make a datagram overtake an earlier one."""

    KEEP = "keep"
    """The extra delay drifts, and nothing overtakes."""
    FREE = "free"
    """Each datagram draws its own extra delay, and overtakes as that says."""


class Damage(Enum):
    """What corruption does to a datagram, in the order of `corrupt_mix`."""

    FLIP = 0
    """One to eight bits are flipped."""
    TRUNCATE = 1
    """The end is cut off, at least one byte of it, at most all."""
    GARBAGE = 2
    """A stretch of bytes is overwritten with noise."""


@dataclass(frozen=True, slots=True)
class Blackout:
    """A time in which everything that enters the link is lost, counted from the link's origin.

    `period_ns` 0 means once; otherwise it comes again that long after each start.
    """

    start_ns: int
    length_ns: int
    period_ns: int = 0

    def __post_init__(self) -> None:
        _check_duration("blackout start", self.start_ns)
        _check_duration("blackout length", self.length_ns, low_ns=1)
        if self.period_ns and not self.length_ns < self.period_ns <= DURATION_MAX_NS:
            raise ConfigError(
                "the period of a blackout must be longer than the blackout itself",
                remedy="write it like 2s+500ms/7s: after 2 s, for 500 ms, every 7 s",
            )

    def covers(self, since_origin_ns: int) -> bool:
        """Whether a datagram that enters this long after the origin is lost."""
        into_ns = since_origin_ns - self.start_ns
        if into_ns < 0:
            return False
        return (into_ns % self.period_ns if self.period_ns else into_ns) < self.length_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """Everything that one direction does to its datagrams; the default does nothing.

    Shares are probabilities from 0 to 1. A datagram meets the faults in this order: loss, blackout,
    duplication, the rate and its queue, corruption, delay with jitter, reordering.
    """

    drop: float = 0.0
    """Share of datagrams lost at random, bursts included."""
    burst: float = 1.0
    """Mean losses in a row (Gilbert-Elliott); what independent losses give anyway when smaller."""
    corrupt: float = 0.0
    """Share of datagrams that arrive damaged."""
    corrupt_mix: tuple[float, float, float] = (8.0, 1.0, 1.0)
    """Weights of bit flips, truncation and garbage among the damaged."""
    duplicate: float = 0.0
    """Share of datagrams that arrive twice; the copy follows at once and is never damaged."""
    reorder: float = 0.0
    """Share of datagrams held back until later ones have overtaken them."""
    reorder_by: int = 8
    """The most that overtake one; how many is drawn from 1 to this."""
    reorder_hold_ns: int = 20 * MS
    """The longest that one is held back when too few follow."""
    delay_ns: int = 0
    """One way, for every datagram."""
    jitter_ns: int = 0
    """The most that is added to the delay."""
    order: Order = Order.KEEP
    rate_bps: int | None = None
    """Bits a second of payload and headers (`HEADER_BYTES`); None: no cap."""
    rate_alt_bps: int | None = None
    """The rate changes between `rate_bps` and this one every `rate_every_ns`; None: it stays."""
    rate_every_ns: int = 4 * SECOND
    queue_bytes: int | None = None
    """What waits for the rate at most, headers included; the rest is lost at the tail. None: 100 ms."""
    blackouts: tuple[Blackout, ...] = ()

    def __post_init__(self) -> None:
        for name in ("drop", "corrupt", "duplicate", "reorder"):
            _check_share(name, getattr(self, name))
        _check_range("burst", self.burst, 1, BURST_MAX)
        _check_mix(self.corrupt_mix)
        _check_range("reorder_by", self.reorder_by, 1, REORDER_BY_MAX)
        for word in ("reorder_hold", "delay", "jitter"):
            _check_duration(word, getattr(self, f"{word}_ns"))
        _check_duration("rate_every", self.rate_every_ns, low_ns=MS)
        for word, rate_bps in (("rate", self.rate_bps), ("rate_alt", self.rate_alt_bps)):
            if rate_bps is not None:
                _check_range(word, rate_bps, RATE_MIN_BPS, RATE_MAX_BPS, spell=spell_rate)
        if self.rate_alt_bps is not None and self.rate_bps is None:
            raise ConfigError(
                "rate_alt needs a rate to change from", remedy="give both, like rate=100M,rate_alt=5M"
            )
        if self.queue_bytes is not None:
            _check_range("queue", self.queue_bytes, 1, QUEUE_MAX_BYTES, spell=spell_size)
        if len(self.blackouts) > BLACKOUTS_MAX:
            raise ConfigError(
                f"there are {len(self.blackouts)} blackouts, at most {BLACKOUTS_MAX} are possible"
            )

    @property
    def is_bursty(self) -> bool:
        """Whether losses come in longer runs than independence makes by itself, 1 / (1 - drop)."""
        return self.burst * (1.0 - self.drop) > 1.0

    @property
    def queue_limit_bytes(self) -> int:
        """The queue's size in force: the one given, or 100 ms of the rate."""
        if self.queue_bytes is not None:
            return self.queue_bytes
        rate_bps = max(self.rate_bps or 0, self.rate_alt_bps or 0)
        return max(rate_bps * QUEUE_DEFAULT_NS // (BITS_PER_BYTE * SECOND), QUEUE_DEFAULT_MIN_BYTES)

    def is_harmless(self) -> bool:
        """Whether every datagram passes at once and untouched."""
        acts = (self.drop, self.corrupt, self.duplicate, self.reorder, self.delay_ns, self.jitter_ns)
        return not any(acts) and self.rate_bps is None and not self.blackouts


HARMLESS: Final = FaultSpec()
FAULT_NAMES: Final = tuple(each.name for each in fields(FaultSpec))


@dataclass(frozen=True, slots=True, kw_only=True)
class MayhemSpec:
    """The faults of both directions and the seed that decides which datagrams they hit."""

    outward: FaultSpec = field(default=HARMLESS)
    inward: FaultSpec = field(default=HARMLESS)
    seed: int = 0

    def __post_init__(self) -> None:
        _check_range("seed", self.seed, 0, SEED_MAX)

    def toward(self, direction: Direction) -> FaultSpec:
        """The faults of one direction."""
        return self.outward if direction is Direction.OUT else self.inward

    def is_harmless(self) -> bool:
        """Whether neither direction does anything."""
        return self.outward.is_harmless() and self.inward.is_harmless()
