"""REFILL: a round trip at the full estimate before the probe, short-term bounds lifted.

So the path is full but not overfull when UP begins, and what UP sees is its own doing (draft section
5.3.3.3).
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.model import PathModel
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State


class Refill(Phase):
    """The step between CRUISE and UP."""

    __slots__ = ()

    state = State.REFILL

    def __init__(self, model: PathModel) -> None:
        super().__init__(model)
        model.reset_short_term()

    def next_state(self, sample: AckSample) -> State | None:
        return State.UP if self._model.round_start and self.rounds >= 1 else None
