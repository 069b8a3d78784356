"""The only randomness of simulated networks: a function of (seed, direction, purpose, number).

Owns the draws for every fault. There is no generator that could be advanced: the draw of datagram
number i is computed from i (splitmix64 over a counter), so it is the same whatever was drawn before,
at whatever time, in blocks or one by one.
Never looks at a clock, at a datagram's bytes, or at what a fault does.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mayhem_udp.mayhem.faults import Direction

MASK: Final = (1 << 64) - 1
GAMMA: Final = 0x9E3779B97F4A7C15
"""The golden ratio's odd 64-bit fraction: the counter's step (Steele, Lea and Flood, OOPSLA 2014)."""
MIX_A: Final = 0xBF58476D1CE4E5B9
MIX_B: Final = 0x94D049BB133111EB
"""The multipliers of splitmix64's finalizer (Stafford's variant 13)."""
SHARE_BITS: Final = 53
"""A share is compared in this many bits: all that a float holds."""

_U64_GAMMA: Final = np.uint64(GAMMA)
_U64_MIX_A: Final = np.uint64(MIX_A)
_U64_MIX_B: Final = np.uint64(MIX_B)


class Purpose(IntEnum):
    """What a draw is for: each has its own sequence, so that one fault never shifts another's."""

    DROP = 1
    CORRUPT = 2
    DUPLICATE = 3
    REORDER = 4
    JITTER = 5
    DAMAGE_KIND = 6
    DAMAGE_PLACE = 7
    DAMAGE_NOISE = 8
    DISPLACEMENT = 9


def mix(word: int) -> int:
    """Splitmix64's finalizer: 64 bits in, 64 bits out, each depending on all."""
    word &= MASK
    word = ((word ^ (word >> 30)) * MIX_A) & MASK
    word = ((word ^ (word >> 27)) * MIX_B) & MASK
    return word ^ (word >> 31)


def derive_seed(seed: int, number: int) -> int:
    """The seed of flow or run `number` of a `seed`; number 0 is the seed itself."""
    return seed if number == 0 else mix(mix(seed) + number * GAMMA)


class Schedule:
    """The draws of one direction under one seed."""

    __slots__ = ("_keys",)

    def __init__(self, *, seed: int, direction: Direction) -> None:
        side = 1 if direction is Direction.OUT else 2
        base = mix(mix(seed) + side * GAMMA)
        self._keys = {purpose: mix(base + purpose * GAMMA) for purpose in Purpose}

    def word(self, purpose: Purpose, number: int) -> int:
        """64 random bits for datagram `number`."""
        return mix(self._keys[purpose] + number * GAMMA)

    def below(self, bound: int, purpose: Purpose, number: int) -> int:
        """A whole number from 0 to `bound` - 1."""
        return (self.word(purpose, number) * bound) >> 64

    def words(self, purpose: Purpose, start: int, count: int) -> NDArray[np.uint64]:
        """`word` of datagrams `start` to `start + count - 1`, in one go."""
        key = np.uint64((self._keys[purpose] + start * GAMMA) & MASK)
        word = np.arange(count, dtype=np.uint64) * _U64_GAMMA + key  # arithmetic of arrays wraps at 64 bits
        word = (word ^ (word >> np.uint64(30))) * _U64_MIX_A
        word = (word ^ (word >> np.uint64(27))) * _U64_MIX_B
        return np.asarray(word ^ (word >> np.uint64(31)))

    def fractions(self, purpose: Purpose, start: int, count: int) -> NDArray[np.float64]:
        """Numbers from 0 up to, not including, 1, one for each datagram."""
        return (self.words(purpose, start, count) >> np.uint64(64 - SHARE_BITS)) * np.float64(0.5**SHARE_BITS)

    def hits(self, purpose: Purpose, start: int, count: int, *, share: float) -> NDArray[np.bool_]:
        """Which of the datagrams a fault of that `share` hits, each independently."""
        return self.fractions(purpose, start, count) < share
