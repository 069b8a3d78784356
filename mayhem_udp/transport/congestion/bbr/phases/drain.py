"""DRAIN: take off again what startup has queued (draft section 5.3.2)."""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import DRAIN_PACING_GAIN, DRAIN_ROUNDS_MAX
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State


class Drain(Phase):
    """Slower than the path, until no more is in flight than it holds."""

    __slots__ = ()

    state = State.DRAIN
    pacing_gain = DRAIN_PACING_GAIN

    @property
    def in_flight_limit_bytes(self) -> float:
        return self._model.in_flight_low

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        is_empty = sample.rtt_ns is not None and self.rounds >= 1 and model.queue.is_empty
        if sample.in_flight_bytes <= model.bdp_bytes or is_empty or self.rounds > DRAIN_ROUNDS_MAX:
            model.on_probed()
            return State.CRUISE
        return None
