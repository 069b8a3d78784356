"""PROBE_RTT: half a bandwidth-delay product in flight for a moment, to see the empty path (section 5.3.4).

Only where that has not been seen for some seconds: a flow that keeps its queue short sees it all the
time, and never comes here.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import (
    PROBE_RTT_NS,
    PROBE_RTT_WINDOW_GAIN,
)
from mayhem_udp.transport.congestion.bbr.model import PathModel
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State


class ProbeRtt(Phase):
    """A look at the empty path."""

    __slots__ = ("_low_ns", "_low_round")

    state = State.PROBE_RTT
    window_gain = PROBE_RTT_WINDOW_GAIN
    may_look = False

    def __init__(self, model: PathModel) -> None:
        super().__init__(model)
        self._low_ns: int | None = None
        self._low_round = 0
        model.queue.begin_look()

    @property
    def in_flight_limit_bytes(self) -> float:
        model = self._model
        return min(model.in_flight_with_headroom, model.in_flight_low, self._target_bytes)

    @property
    def _target_bytes(self) -> float:
        return max(PROBE_RTT_WINDOW_GAIN * self._model.bdp_bytes, self._model.window_min_bytes)

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        if self._low_ns is None:
            if sample.in_flight_bytes <= self._target_bytes:
                self._low_ns, self._low_round = model.now_ns, model.rounds
            return None
        if model.now_ns - self._low_ns <= PROBE_RTT_NS or model.rounds == self._low_round:
            return None
        model.queue.on_looked(now_ns=model.now_ns)
        model.reset_short_term()
        model.on_looked()
        return State.CRUISE if model.full_reached else State.STARTUP
