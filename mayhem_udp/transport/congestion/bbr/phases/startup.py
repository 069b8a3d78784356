"""STARTUP: double the rate each round trip until the path gives no more (draft section 5.3.1).

Ends where three round trips have not brought a quarter more, as in the draft; or, ours, as soon as a
queue shows: there is no need to lose a window's worth to learn that the link is full.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import (
    FULL_GROWTH,
    FULL_ROUNDS,
    STARTUP_PACING_GAIN,
    STARTUP_QUEUE_RTT_SHARE,
)
from mayhem_udp.transport.congestion.bbr.model import PathModel
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State
from mayhem_udp.units import SECOND


class Startup(Phase):
    """The search for the bandwidth, from nothing."""

    __slots__ = ("_best", "_flat_rounds", "_full")

    state = State.STARTUP
    pacing_gain = STARTUP_PACING_GAIN

    def __init__(self, model: PathModel) -> None:
        super().__init__(model)
        self._best = 0.0
        self._full = 0.0
        self._flat_rounds = 0

    @property
    def in_flight_limit_bytes(self) -> float:
        return self._model.in_flight_low

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        if sample.rate_interval_ns and sample.rate_interval_ns >= model.queue.rtt_min_ns:
            rate = sample.rate_delivered_bytes * SECOND / sample.rate_interval_ns
            self._best = max(self._best, rate)
        if (model.round_start and not model.app_limited and self._is_flat()) or self._has_queued():
            model.full_reached = True
            return State.DRAIN
        return None

    def _is_flat(self) -> bool:
        """Judge a round trip that is over: whether the rate has stopped growing."""
        if self._best >= self._full * FULL_GROWTH:
            self._full = self._best
            self._flat_rounds = 0
        else:
            self._flat_rounds += 1
        return self._flat_rounds >= FULL_ROUNDS or (self._flat_rounds >= 1 and self._model.queue.stands)

    def _has_queued(self) -> bool:
        queue = self._model.queue
        bound_ns = queue.rtt_min_ns * STARTUP_QUEUE_RTT_SHARE + queue.spread_ns + queue.allowed_ns
        return queue.recent_ns > bound_ns and self._model.rounds > 1
