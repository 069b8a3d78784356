"""The table of deadlines, and the table of states."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.transport.state import TRANSITIONS, Signal, State, advance
from mayhem_udp.transport.timers import NEVER, Timer, Timers

LEGAL = {
    State.OPENING: {Signal.HANDSHAKE_DONE, Signal.CLOSE_ASKED, Signal.PEER_CLOSED, Signal.EXPIRED},
    State.OPEN: {Signal.CLOSE_ASKED, Signal.PEER_CLOSED, Signal.EXPIRED, Signal.RESET_SEEN},
    State.CLOSING: {Signal.PEER_CLOSED, Signal.EXPIRED, Signal.RESET_SEEN},
    State.DRAINING: {Signal.EXPIRED},
    State.CLOSED: set(),
}


@given(
    st.lists(st.tuples(st.sampled_from(Timer), st.none() | st.integers(0, 100)), max_size=20),
    st.integers(0, 100),
)
def test_what_is_due_fires_once_and_the_rest_stays(settings, now_ns):
    timers, expected = Timers(), {}
    for timer, deadline in settings:
        if deadline is None:
            timers.stop(timer)
            expected.pop(timer, None)
        else:
            timers.set(timer, deadline)
            expected[timer] = deadline
    assert timers.next_ns() == min(expected.values(), default=NEVER)
    assert set(timers.expired(now_ns=now_ns)) == {each for each, at in expected.items() if at <= now_ns}
    assert timers.expired(now_ns=now_ns) == []
    for timer, deadline in expected.items():
        assert timers.deadline_ns(timer) == (NEVER if deadline <= now_ns else deadline)


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(State, Signal)))
def test_every_pair_of_state_and_signal_is_legal_or_means_nothing(state, signal):
    assert (advance(state, signal) is not None) == (signal in LEGAL[state])


def test_no_state_comes_back():
    order = list(State)
    assert all(order.index(after) > order.index(before) for (before, _), after in TRANSITIONS.items())


def test_every_state_ends_by_time_alone():
    for state in set(State) - {State.CLOSED}:
        seen = state
        while seen is not State.CLOSED:
            seen = advance(seen, Signal.EXPIRED)
        assert seen is State.CLOSED
