"""How much of the loss is none of ours: what the path loses however slowly one sends.

Owns the estimate and its spread. It is told the loss of round trips in which no queue stood, since
what is lost there was not lost for want of room; and at which speed they were sent, since a policer
drops without ever queueing: loss that vanishes when we slow down is congestion, too.
Never decides what to do about either.
"""

from math import sqrt
from typing import Final

from mayhem_udp.transport.congestion.bbr.constants import RANDOM_LOSS_MAX

SLOW_SPEED: Final = 0.93
FAST_SPEED: Final = 1.1
"""Relative to the estimated bandwidth: below the first, losses are those of a path with room; above
the second, they may be the probe's own and are left out."""
SLOW_MEMORY: Final = 3
FAST_MEMORY: Final = 8
"""Over how many round trips either average runs."""
DATAGRAMS_MIN: Final = 16
"""Fewer say nothing."""
DEVIATIONS: Final = 3.0
MARGIN: Final = 0.02
"""Loss at full speed exceeds loss at a low one if it does so by both."""


class Average:
    """A mean of shares, weighted by what they are shares of, that forgets."""

    __slots__ = ("_keep", "lost", "of", "rounds")

    def __init__(self, memory: int) -> None:
        self._keep = 1 - 1 / memory
        self.lost = 0.0
        self.of = 0.0
        self.rounds = 0.0

    def add(self, share: float, datagrams: float) -> None:
        """Take in one share."""
        self.lost = self.lost * self._keep + share * datagrams
        self.of = self.of * self._keep + datagrams
        self.rounds = self.rounds * self._keep + 1

    @property
    def share(self) -> float:
        """The mean; 0 before anything was added."""
        return self.lost / self.of if self.of else 0.0


class RandomLoss:
    """The estimate of one path."""

    __slots__ = ("_fast", "_slow", "_variance", "follows_rate", "share")

    def __init__(self) -> None:
        self.share = 0.0
        """The part of what we send that is lost by chance."""
        self.follows_rate = False
        """Whether loss at full speed is more than loss at a low one, without a queue."""
        self._slow = Average(SLOW_MEMORY)
        self._fast = Average(FAST_MEMORY)
        self._variance = 0.0

    def deviation(self, datagrams: float) -> float:
        """The standard deviation to expect of the loss among so many datagrams.

        At least that of independent losses; more where they were seen to come in bursts.
        """
        share = self.share
        return sqrt(max(share * (1 - share) / max(datagrams, 1), self._variance))

    def on_quiet_round(self, share: float, datagrams: float, *, speed: float) -> None:
        """A round trip without a queue, sent at `speed` times the estimated bandwidth."""
        if datagrams < DATAGRAMS_MIN or speed > FAST_SPEED:
            return
        error = share - self.share
        self._variance += (error * error - self._variance) / FAST_MEMORY
        (self._slow if speed < SLOW_SPEED else self._fast).add(share, datagrams)
        slow, fast = self._slow, self._fast
        share = (slow.lost + fast.lost) / (slow.of + fast.of)
        self.follows_rate = self._excess(share)
        self.share = min(slow.share if self.follows_rate else share, RANDOM_LOSS_MAX)

    def _excess(self, share: float) -> bool:
        """Whether what is lost at full speed beyond a low one is more than chance would have."""
        slow, fast = self._slow, self._fast
        if not slow.of or not fast.of:
            return False
        by_chance = share * (1 - share) * (1 / slow.of + 1 / fast.of)
        in_bursts = self._variance * (1 / slow.rounds + 1 / fast.rounds)
        return fast.share - slow.share > max(MARGIN, DEVIATIONS * sqrt(max(by_chance, in_bursts)))
