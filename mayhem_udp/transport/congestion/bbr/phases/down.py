"""DOWN and TRIM: slower than the path, until the queue that stood is gone.

DOWN takes off what a probe has put on (draft section 5.3.3.1) and ends a cycle of the bandwidth filter;
TRIM, ours, takes off a queue that has built up between probes, where the estimate was too high or
others have come.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import DOWN_PACING_GAIN, DOWN_ROUNDS_MAX
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State


class Trim(Phase):
    """Takes off a queue between probes."""

    __slots__ = ()

    state = State.TRIM
    pacing_gain = DOWN_PACING_GAIN

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        if model.epoch_end and model.has_congestive_loss:
            model.lower_short_term()
        return State.CRUISE if self._is_empty(sample) or self.rounds >= DOWN_ROUNDS_MAX else None

    def _is_empty(self, sample: AckSample) -> bool:
        return self._model.queue.is_empty or sample.in_flight_bytes <= self._model.bdp_bytes


class Down(Trim):
    """Takes off the queue of a probe; at least a round trip, so that the path is seen without it."""

    __slots__ = ()

    state = State.DOWN

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        if model.round_start and self.rounds == 1 and not model.app_limited:
            model.bandwidth.advance()
        if model.is_crowded and self.rounds >= 1:
            return State.CRUISE
        following = super().next_state(sample)
        return following if self.rounds >= 1 else None
