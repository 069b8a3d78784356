"""The pacer: no more than the rate, a quantum at a time, and lateness made good in part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.transport.pacing import LATENESS_MAX_NS, LATENESS_NS, Pacer
from mayhem_udp.units import MS, SECOND

MEGABIT = 1_000_000


def pacer_of(rate_bps, quantum_bytes=3_000, now_ns=0):
    pacer = Pacer(now_ns=now_ns)
    pacer.set_rate(rate_bps=rate_bps, quantum_bytes=quantum_bytes, now_ns=now_ns)
    return pacer


def test_a_burst_is_paid_for_before_the_next():
    pacer = pacer_of(8 * MEGABIT)
    assert pacer.budget_bytes(now_ns=0) == 3_000
    pacer.on_sent(3_000, now_ns=0)
    assert pacer.next_send_ns(1_000) == 3 * MS
    assert pacer.budget_bytes(now_ns=3 * MS - 1) == 0
    assert pacer.budget_bytes(now_ns=3 * MS) == 3_000


def test_lateness_is_made_good_up_to_a_bound():
    pacer = pacer_of(8 * MEGABIT)
    pacer.on_sent(1_000, now_ns=0)
    assert pacer.budget_bytes(now_ns=3 * MS) == 3_000 + 2_000
    assert pacer.budget_bytes(now_ns=SECOND) == 3_000 + LATENESS_NS * 1_000 // MS


@pytest.mark.parametrize(
    ("round_trip_ns", "lateness_ns"), [(MS, LATENESS_NS), (50 * MS, 10 * MS), (600 * MS, LATENESS_MAX_NS)]
)
def test_on_a_long_path_more_lateness_is_made_good(round_trip_ns, lateness_ns):
    pacer = pacer_of(8 * MEGABIT)
    pacer.on_round_trip(round_trip_ns)
    pacer.on_sent(3_000, now_ns=0)
    pacer.set_rate(
        rate_bps=8 * MEGABIT, quantum_bytes=3_000, now_ns=2 * MS
    )  # too early: now the pacer is awaited
    assert pacer.budget_bytes(now_ns=SECOND) == 3_000 + lateness_ns * 1_000 // MS


def test_what_the_window_has_held_up_is_not_late():
    """Else each ACK that opens it would let go a queue's worth at once."""
    pacer = pacer_of(8 * MEGABIT)
    pacer.on_round_trip(600 * MS)
    pacer.on_sent(3_000, now_ns=0)
    pacer.set_rate(rate_bps=8 * MEGABIT, quantum_bytes=3_000, now_ns=SECOND)
    assert pacer.budget_bytes(now_ns=SECOND) == 3_000 + LATENESS_NS * 1_000 // MS


def test_a_datagram_larger_than_the_quantum_saves_up_first():
    pacer = pacer_of(8 * MEGABIT, quantum_bytes=1_000)
    assert pacer.next_send_ns(5_000) == 4 * MS


def test_what_goes_past_the_pacer_holds_up_the_next_burst_by_a_burst_at_most():
    """Messages do not ask: at a rate that they use up alone, a body would else never have its turn."""
    pacer = pacer_of(8_000)  # a byte each millisecond
    for number in range(50):
        pacer.on_sent(300, now_ns=number * 200 * MS)
    assert pacer.next_send_ns(1_000) == (49 * 200 + 3_000) * MS


def test_what_is_owed_is_paid_off_at_a_new_rate():
    pacer = pacer_of(8 * MEGABIT)
    pacer.on_sent(10_000, now_ns=0)
    pacer.set_rate(rate_bps=80 * MEGABIT, quantum_bytes=3_000, now_ns=0)
    assert pacer.next_send_ns(1_000) == 1 * MS


@given(
    st.integers(1, 1_000),
    st.lists(st.tuples(st.integers(0, 20 * MS), st.integers(0, 5)), min_size=1, max_size=200),
)
def test_over_any_time_no_more_leaves_than_the_rate_a_quantum_and_the_lateness(megabits, moves):
    rate_bps, quantum = megabits * MEGABIT, 3_000
    pacer, now_ns, sent = pacer_of(rate_bps, quantum), 0, 0
    for gap_ns, greed in moves:
        now_ns += gap_ns
        budget = pacer.budget_bytes(now_ns=now_ns)
        if pacer.next_send_ns(1) <= now_ns and greed:
            size = max(budget // greed, 1)
            pacer.on_sent(size, now_ns=now_ns)
            sent += size
        late = LATENESS_NS * rate_bps // 8 // SECOND
        assert sent <= now_ns * rate_bps // 8 // SECOND + quantum + late + len(moves)
