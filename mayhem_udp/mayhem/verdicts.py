"""What the schedule has in store for each datagram: the fault models applied to its draws.

Owns the translation of a `FaultSpec` into verdicts, in blocks: for datagram number i one byte of flags
and an extra delay. It stands for asking the schedule about each datagram one by one.
Never sees a datagram or the time: what a verdict does to bytes is `damage`, when and whether they come
through is `link`.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mayhem_udp.mayhem.faults import FaultSpec, Order
from mayhem_udp.mayhem.schedule import Purpose, Schedule

BLOCK: Final = 512
"""Datagrams whose verdicts are drawn at once: numpy's cost a call is spread over them."""
DRIFT: Final = 32
"""Datagrams from one level of drifting jitter to the next, linear in between."""

DROP: Final = 1
CORRUPT: Final = 2
DUPLICATE: Final = 4
REORDER: Final = 8

assert BLOCK % DRIFT == 0, "a block starts at a level of the drift"


class VerdictBlock(Struct, frozen=True):
    """The verdicts of datagrams `number * BLOCK` and the `BLOCK - 1` that follow."""

    flags: bytes
    """One byte a datagram: DROP, CORRUPT, DUPLICATE and REORDER, or'ed."""
    extra_delays_ns: list[int] | None
    """Jitter of each datagram; None without any."""


class Verdicts:
    """The verdicts of one direction: a pure function of spec, seed, direction and number."""

    __slots__ = ("_schedule", "_spec")

    def __init__(self, spec: FaultSpec, *, schedule: Schedule) -> None:
        self._spec = spec
        self._schedule = schedule

    def block(self, number: int) -> VerdictBlock:
        """The verdicts of one block of datagrams."""
        spec, start = self._spec, number * BLOCK
        flags = np.zeros(BLOCK, np.uint8)
        if spec.drop:
            flags |= self._lost(start).view(np.uint8)
        for share, purpose, flag in (
            (spec.corrupt, Purpose.CORRUPT, CORRUPT),
            (spec.duplicate, Purpose.DUPLICATE, DUPLICATE),
            (spec.reorder, Purpose.REORDER, REORDER),
        ):
            if share:
                flags |= self._schedule.hits(purpose, start, BLOCK, share=share) * np.uint8(flag)
        return VerdictBlock(flags.tobytes(), self._extra_delays_ns(start) if spec.jitter_ns else None)

    def _lost(self, start: int) -> NDArray[np.bool_]:
        """Losses: independent, or by a two-state chain in which every datagram of the bad state is lost."""
        spec = self._spec
        if not spec.is_bursty:
            return self._schedule.hits(Purpose.DROP, start, BLOCK, share=spec.drop)
        states = _chain(self._schedule, start, drop=spec.drop, burst=spec.burst)
        block_start = start
        while states[0] < 0:  # nothing in this block settles its beginning: look back
            block_start -= BLOCK
            before = _chain(self._schedule, block_start, drop=spec.drop, burst=spec.burst)
            if before[-1] >= 0:
                states[states < 0] = before[-1]
        return np.equal(states, 1)

    def _extra_delays_ns(self, start: int) -> list[int]:
        spec = self._spec
        if spec.order is Order.FREE:
            levels = self._schedule.fractions(Purpose.JITTER, start, BLOCK)
        else:
            knots = self._schedule.fractions(Purpose.JITTER, start // DRIFT, BLOCK // DRIFT + 1)
            levels = np.interp(np.arange(BLOCK), np.arange(0, BLOCK + 1, DRIFT), knots)
        delays: list[int] = (levels * spec.jitter_ns).astype(np.int64).tolist()
        return delays


def _chain(schedule: Schedule, start: int, *, drop: float, burst: float) -> NDArray[np.int8]:
    """States of the Gilbert-Elliott chain: 1 bad, 0 good, -1 as before the block's first datagram.

    One draw moves the chain from either state. A draw under `enter` ends in the bad state and one from
    `stay` up in the good one, wherever the chain was; in between it stays. So a state is the newest of
    those settled before it, and any block can be computed without the history before it.
    """
    enter = drop / (1.0 - drop) / burst  # balances leaving (1 / burst) so that the mean is `drop`
    stay = 1.0 - 1.0 / burst
    draws = schedule.fractions(Purpose.DROP, start, BLOCK)
    settled = np.full(BLOCK, -1, np.int8)
    settled[draws >= stay] = 0
    settled[draws < enter] = 1
    if start == 0 and settled[0] < 0:
        settled[0] = schedule.word(Purpose.DROP, -1) < int(drop * 2**64)  # begin as in the middle of things
    newest = np.maximum.accumulate(np.where(settled >= 0, np.arange(BLOCK), -1))
    return np.where(newest >= 0, settled[newest], np.int8(-1))
