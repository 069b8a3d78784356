"""CRUISE: send at the estimated bandwidth, watch for congestion, and wait for the next probe.

As the draft's ProbeBW_CRUISE (section 5.3.3.2), with two additions. A queue that stands over a round
trip is taken off at once (TRIM); and while one stands that giving way can empty, nobody probes: what a
probe would find is known, and flows of one kind that push and yield by turns never meet.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import (
    PROBE_WAIT_NS,
    PROBE_WAIT_ROUNDS,
)
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State


class Cruise(Phase):
    """The usual state."""

    __slots__ = ()

    state = State.CRUISE

    @property
    def in_flight_limit_bytes(self) -> float:
        model = self._model
        return min(model.in_flight_with_headroom, model.in_flight_low)

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        if self._is_probe_due() and not model.has_own_queue:
            return State.REFILL
        if not model.epoch_end or model.app_limited:
            return None
        if model.has_congestive_loss:
            model.lower_short_term()
        if model.has_own_queue and self.rounds >= 1 and not model.shows_restraint:
            model.bandwidth.lower(model.fair_rate)
            return State.TRIM
        return None

    def _is_probe_due(self) -> bool:
        model = self._model
        wait_ns = PROBE_WAIT_NS + (model.probed_ns >> 10) % (PROBE_WAIT_NS // 4)
        return (
            model.now_ns - model.probed_ns > wait_ns
            and self.rounds >= 1
            and model.rounds - model.probed_round >= PROBE_WAIT_ROUNDS
        )
