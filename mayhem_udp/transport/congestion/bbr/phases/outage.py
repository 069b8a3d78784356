"""OUTAGE and RESUME: the path is gone, and comes back. Ours; the draft leaves this to the sender.

After several probe timeouts without an answer next to nothing is sent. With the first answer sending
starts again at half the rate that the path had before: most outages end on the same path, and if not,
two round trips of half the rate do less harm than a slow start does to the transfer.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import (
    RESUME_BLIND_ROUNDS,
    RESUME_PACING_GAIN,
    RESUME_ROUNDS,
    RESUME_WINDOW_GAIN,
)
from mayhem_udp.transport.congestion.bbr.model import PathModel
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State


class Outage(Phase):
    """Nothing comes back."""

    __slots__ = ()

    state = State.OUTAGE
    may_look = False

    def __init__(self, model: PathModel) -> None:
        super().__init__(model)
        model.queue.abandon_look()

    def next_state(self, sample: AckSample) -> State | None:
        if not sample.acked_bytes:
            return None
        self._model.blind_rounds = RESUME_BLIND_ROUNDS
        return State.RESUME


class Resume(Phase):
    """The first round trips after an outage; its losses are those of the outage, and say nothing."""

    __slots__ = ()

    state = State.RESUME
    pacing_gain = RESUME_PACING_GAIN
    window_gain = RESUME_WINDOW_GAIN
    may_look = False

    def next_state(self, sample: AckSample) -> State | None:
        model = self._model
        if not model.round_start or self.rounds < RESUME_ROUNDS:
            return None
        model.want_probe()
        return State.CRUISE if model.full_reached else State.STARTUP
