"""UP: probe for more bandwidth (draft section 5.3.3.4).

A quarter faster than the estimate, for two round trips or until a queue or losses say that the path is
full; ours: twice as fast while each round trip brings more, so that a link that has become twenty
times faster is filled within a second.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import (
    BETA,
    UP_GROWTH,
    UP_PACING_GAIN,
    UP_PACING_GAIN_GROWING,
    UP_QUEUE_SHARE,
    UP_ROUNDS,
    UP_WINDOW_GAIN,
    WINDOW_GAIN,
)
from mayhem_udp.transport.congestion.bbr.model import INFINITE, PathModel
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State

STEPS_MAX = 30
"""Doublings of the growth of `in_flight_high` (draft section 5.3.3.5)."""


class Up(Phase):
    """The probe."""

    __slots__ = ("_acked_bytes", "_base_queue_ns", "_base_rate", "_grown_round", "_steps", "pacing_gain")

    state = State.UP
    window_gain = UP_WINDOW_GAIN

    def __init__(self, model: PathModel) -> None:
        super().__init__(model)
        self.pacing_gain = UP_PACING_GAIN
        self._base_rate = model.rate
        self._base_queue_ns = model.queue.latest_ns
        self._grown_round = 0
        self._acked_bytes = 0.0
        self._steps = 0

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        self._raise_high(sample)
        if self.rounds < 1:
            return None
        if model.epoch_end and model.excess_loss:
            if (model.queue.is_full or model.queue.is_long) and not model.is_crowded:
                floor = BETA * WINDOW_GAIN * model.bdp_bytes
                model.in_flight_high = max(sample.rate_tx_in_flight_bytes, floor)
            return self._leave()
        has_grown = model.rate > self._base_rate * UP_GROWTH
        if model.queue.latest_ns - self._base_queue_ns > UP_QUEUE_SHARE * model.queue.allowed_ns:
            return self._leave()
        if has_grown and model.queue.is_empty:
            self.pacing_gain = UP_PACING_GAIN_GROWING
            self._base_rate = model.rate
            self._start_round = model.rounds - 1
            self._grown_round = model.rounds
        elif not has_grown and self.rounds >= UP_ROUNDS and model.rounds - self._grown_round >= UP_ROUNDS:
            return self._leave()
        return None

    def _leave(self) -> State:
        self._model.on_probed()
        return State.DOWN

    def _raise_high(self, sample: AckSample) -> None:
        """Raise the long-term bound while it is in use, faster each round trip (section 5.3.3.5)."""
        model = self._model
        if model.in_flight_high == INFINITE:
            return
        model.in_flight_high = max(model.in_flight_high, sample.rate_tx_in_flight_bytes)
        if sample.prior_in_flight_bytes + 2 * model.quantum_bytes >= model.in_flight_high:
            self._acked_bytes += sample.acked_bytes
            step_bytes = max(model.window_bytes / (1 << min(self._steps, STEPS_MAX)), model.datagram_bytes)
            count = int(self._acked_bytes / step_bytes)
            self._acked_bytes -= count * step_bytes
            model.in_flight_high += count * model.datagram_bytes
        if model.round_start:
            self._steps += 1
