"""The life of a connection as a table: what is not in it is illegal.

`docs/architecture.md` draws its diagram from `TRANSITIONS`. Never acts on a transition.
"""

from enum import Enum
from typing import Final


class State(Enum):
    """Where a connection is."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    DRAINING = "draining"
    CLOSED = "closed"

    @property
    def is_live(self) -> bool:
        """Whether nobody has said goodbye: requests may be opened, and answers are waited for."""
        return self in (State.OPENING, State.OPEN)


class Signal(Enum):
    """What moves it."""

    HANDSHAKE_DONE = "handshake done"
    CLOSE_ASKED = "close asked"
    PEER_CLOSED = "peer closed"
    EXPIRED = "timer expired"
    RESET_SEEN = "stateless reset seen"


TRANSITIONS: Final = {
    (State.OPENING, Signal.HANDSHAKE_DONE): State.OPEN,
    (State.OPENING, Signal.CLOSE_ASKED): State.CLOSING,
    (State.OPENING, Signal.PEER_CLOSED): State.DRAINING,
    (State.OPENING, Signal.EXPIRED): State.CLOSED,
    (State.OPEN, Signal.CLOSE_ASKED): State.CLOSING,
    (State.OPEN, Signal.PEER_CLOSED): State.DRAINING,
    (State.OPEN, Signal.EXPIRED): State.CLOSED,
    (State.OPEN, Signal.RESET_SEEN): State.CLOSED,
    (State.CLOSING, Signal.PEER_CLOSED): State.DRAINING,
    (State.CLOSING, Signal.EXPIRED): State.CLOSED,
    (State.CLOSING, Signal.RESET_SEEN): State.CLOSED,
    (State.DRAINING, Signal.EXPIRED): State.CLOSED,
}


def advance(state: State, signal: Signal) -> State | None:
    """The next state, or None where the signal means nothing (any more)."""
    return TRANSITIONS.get((state, signal))
