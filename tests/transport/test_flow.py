"""The receiver's window: bounded by memory, grown where the sender uses it up."""

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.transport.flow import CreditPool, ReceiveWindow
from mayhem_udp.transport.memory import Memory
from mayhem_udp.units import MIB, MS, SECOND

RTT_NS = 50 * MS


def window(initial=1_000, largest=16_000, promise=None, pool=None):
    pool = pool or CreditPool(Memory(MIB), promised_bytes=initial)
    return ReceiveWindow(
        initial_bytes=initial, max_bytes=largest, promise_bytes=promise or initial, pool=pool
    )


def use_up(flow, *, times, start_ns=SECOND):
    """Send all that the credit allows, a round trip after it was told."""
    for turn in range(times):
        flow.on_received(flow.limit)
        flow.on_consumed(flow.limit - flow._consumed)
        flow.new_credit(received_bytes=flow._consumed, rtt_ns=RTT_NS, now_ns=start_ns + turn * RTT_NS)


def test_no_credit_while_half_of_the_window_is_unused():
    flow = window()
    flow.on_received(499)
    flow.on_consumed(499)
    assert flow.new_credit(received_bytes=499, rtt_ns=RTT_NS, now_ns=SECOND) is None


def test_credit_follows_what_is_used_and_consumed():
    flow = window()
    flow.on_received(600)
    flow.on_consumed(600)
    assert flow.new_credit(received_bytes=600, rtt_ns=RTT_NS, now_ns=SECOND) == 1_600
    assert flow.limit == 1_600


def test_what_is_not_consumed_gives_no_credit():
    flow = window()
    flow.on_received(1_000)
    assert flow.new_credit(received_bytes=1_000, rtt_ns=RTT_NS, now_ns=SECOND) is None
    flow.on_consumed(300)
    assert flow.new_credit(received_bytes=1_000, rtt_ns=RTT_NS, now_ns=SECOND) == 1_300


def test_a_sender_that_waits_for_credit_gets_a_larger_window():
    flow = window()
    received, now_ns = 0, SECOND
    while flow.window_bytes < 16_000:
        received = flow.limit
        flow.on_received(received)
        flow.on_consumed(received - flow._consumed)
        before = flow.window_bytes
        flow.new_credit(received_bytes=received, rtt_ns=RTT_NS, now_ns=now_ns)
        now_ns += RTT_NS
        assert flow.window_bytes in (before, 2 * before)
        assert now_ns < 3 * SECOND, "it never grows"


def test_a_sender_that_takes_its_time_gets_no_larger_window():
    flow, now_ns = window(), SECOND
    for _ in range(20):
        flow.on_received(flow.limit)
        flow.on_consumed(flow.limit - flow._consumed)
        flow.new_credit(received_bytes=flow._consumed, rtt_ns=RTT_NS, now_ns=now_ns)
        now_ns += SECOND
    assert flow.window_bytes == 1_000


def test_the_first_credit_makes_the_initial_window_however_soon_it_is_due():
    flow = window(initial=8_000, promise=1_000)
    use_up(flow, times=1, start_ns=RTT_NS)
    assert flow.window_bytes == 8_000


def test_the_next_body_begins_with_the_window_that_the_last_one_needed():
    pool = CreditPool(Memory(MIB), promised_bytes=1_000)
    first = window(pool=pool)
    use_up(first, times=4)
    assert first.window_bytes == 8_000
    first.close()
    second, third = window(promise=1_000, pool=pool), window(promise=1_000, largest=4_000, pool=pool)
    assert second.window_bytes == 1_000, "no more is promised than before"
    use_up(second, times=1)
    use_up(third, times=1)
    assert (second.window_bytes, third.window_bytes) == (8_000, 4_000)


@given(st.lists(st.tuples(st.integers(1, 4_000), st.integers(0, 4_000), st.integers(0, 40)), max_size=60))
def test_credit_never_shrinks_and_never_promises_more_than_the_largest_window(moves):
    flow, received, consumed, now_ns = window(), 0, 0, 0
    for take, ready, wait_ms in moves:
        now_ns += wait_ms * MS
        received = min(received + take, flow.limit)
        flow.on_received(received)
        consume = min(ready, received - consumed)
        consumed += consume
        flow.on_consumed(consume)
        before = flow.limit
        credit = flow.new_credit(received_bytes=received, rtt_ns=RTT_NS, now_ns=now_ns)
        assert credit is None or credit > before
        assert before <= flow.limit <= consumed + 16_000
