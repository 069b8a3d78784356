"""What a phase of the controller is: gains, a bound, and the condition on which the next one comes.

A phase reads and corrects the model, and returns the state that is to follow. It never makes the next
phase and never sees the controller: which class a state has is decided in one place (`PHASES`).
"""

from enum import Enum
from typing import ClassVar

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.constants import WINDOW_GAIN
from mayhem_udp.transport.congestion.bbr.model import PathModel


class State(Enum):
    """The states (draft-ietf-ccwg-bbr-06 section 5.1), and three of ours: TRIM, OUTAGE, RESUME."""

    STARTUP = "startup"
    DRAIN = "drain"
    CRUISE = "cruise"
    REFILL = "refill"
    UP = "up"
    DOWN = "down"
    TRIM = "trim"
    PROBE_RTT = "probe_rtt"
    OUTAGE = "outage"
    RESUME = "resume"


class Phase:
    """One stay in a state."""

    __slots__ = ("_model", "_start_round")

    state: ClassVar[State]
    pacing_gain: float = 1.0
    """The rate, in estimated bandwidths."""
    window_gain: ClassVar[float] = WINDOW_GAIN
    """The window, in bandwidth-delay products."""
    may_look: ClassVar[bool] = True
    """Whether the phase may be cut short to see the empty path again."""

    def __init__(self, model: PathModel) -> None:
        self._model = model
        self._start_round = model.rounds

    @property
    def rounds(self) -> int:
        """Round trips since the phase began."""
        return self._model.rounds - self._start_round

    @property
    def in_flight_limit_bytes(self) -> float:
        """What congestion allows to be in flight, whatever the window's gain says."""
        model = self._model
        high = model.in_flight_with_headroom if model.is_crowded else model.in_flight_high
        return min(high, model.in_flight_low)

    def next_state(self, sample: AckSample) -> State | None:
        """Take in an ACK that the model has taken in; the state to follow, or None to stay."""
        raise AssertionError("every phase says when it is over")
