"""Every controller's promises: a window, a rate that is never zero, no more than the cap; CUBIC's and the rest's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.transport.congestion import CONTROLLERS
from mayhem_udp.transport.congestion.base import AckSample, Rates
from mayhem_udp.transport.congestion.bursts import HUGE_BYTES, SLOW_BPS, quantum_bytes
from mayhem_udp.transport.congestion.cubic import BETA, INITIAL_WINDOW_DATAGRAMS, WINDOW_MIN_DATAGRAMS
from mayhem_udp.transport.congestion.hystart import CONSERVATIVE_ROUNDS, SAMPLES, HyStart
from mayhem_udp.units import MS, SECOND

SIZE = 1_472
RTT_NS = 50 * MS


def controller(name, **rates):
    return CONTROLLERS[name](
        max_datagram_bytes=SIZE, rates=Rates(**({"fixed_bps": 10_000_000} | rates)), now_ns=0
    )


def sample(
    now_ns=0, *, acked=SIZE, lost=0, delivered=0, prior_delivered=0, rtt_ns=RTT_NS, in_flight=10 * SIZE
):
    return AckSample(
        now_ns=now_ns,
        acked_bytes=acked,
        lost_bytes=lost,
        acked_packets=-(-acked // SIZE),
        lost_packets=-(-lost // SIZE),
        rtt_ns=rtt_ns,
        rtt_min_ns=RTT_NS,
        rtt_smoothed_ns=RTT_NS,
        in_flight_bytes=in_flight,
        prior_in_flight_bytes=in_flight + acked + lost,
        delivered_bytes=delivered,
        lost_total_bytes=lost,
        rate_interval_ns=RTT_NS if acked else 0,
        rate_delivered_bytes=acked,
        rate_sent_bytes=acked + lost,
        rate_prior_delivered_bytes=prior_delivered,
        rate_is_app_limited=False,
        rate_tx_in_flight_bytes=in_flight,
        rate_lost_bytes=lost,
        corrupt_packets=0,
    )


LIVES = st.lists(
    st.tuples(
        st.sampled_from(["ack", "loss", "idle", "outage", "size"]),
        st.integers(0, 300_000),
        st.integers(0, 2_000),
        st.integers(1_200, 65_000),
    ),
    max_size=60,
)


@pytest.mark.parametrize("name", CONTROLLERS)
@given(life=LIVES, cap=st.sampled_from([0, 1_000, 5_000_000]))
def test_whatever_happens_something_may_be_sent_and_the_cap_holds(name, life, cap):
    one, now_ns, delivered = controller(name, cap_bps=cap), 0, 0
    for kind, count, wait_ms, size in life:
        now_ns += wait_ms * MS
        before, delivered = delivered, delivered + count * (kind == "ack")
        match kind:
            case "ack" | "loss":
                one.on_sent(now_ns=now_ns, sent_bytes=count, in_flight_bytes=count)
                acked, lost = (count, 0) if kind == "ack" else (0, count)
                one.on_ack(
                    sample(now_ns, acked=acked, lost=lost, delivered=delivered, prior_delivered=before)
                )
            case "idle":
                one.on_app_limited(now_ns=now_ns)
            case "outage":
                one.on_persistent_congestion(now_ns=now_ns)
            case "size":
                one.on_datagram_bytes(size)
        assert one.window_bytes > 0
        assert 1 <= one.pacing_rate_bps <= (cap or 1 << 60)
        assert one.send_quantum_bytes >= 1


@pytest.mark.parametrize("name", CONTROLLERS)
@given(acked=st.lists(st.integers(SIZE, 300_000), max_size=20))
def test_a_cap_may_come_later_and_go_again(name, acked):
    """The peer has one, and says so in its handshake: after the first datagrams have left."""
    free, capped = controller(name), controller(name)
    capped.on_rate_cap(1_000_000)
    for number, count in enumerate(acked, 1):
        for one in (free, capped):
            one.on_ack(sample(number * RTT_NS, acked=count, delivered=count, prior_delivered=0))
        assert capped.pacing_rate_bps == min(free.pacing_rate_bps, 1_000_000)
    assert free.pacing_rate_bps > 1_000_000
    capped.on_rate_cap(0)
    assert capped.pacing_rate_bps == free.pacing_rate_bps


def test_a_fixed_rate_has_to_be_said():
    with pytest.raises(AssertionError):
        controller("fixed", fixed_bps=0)


def test_a_cap_is_never_zero():
    assert Rates(cap_bps=5).capped(100) == 5
    assert Rates(cap_bps=5).capped(0) == 1
    assert Rates().capped(100) == 100


@given(st.integers(1, 10**11), st.integers(1_200, 65_487))
def test_a_burst_is_a_datagram_at_least_and_a_call_at_most(rate_bps, size):
    burst = quantum_bytes(rate_bps, datagram_bytes=size)
    assert size <= burst <= max(HUGE_BYTES, 2 * size)
    if rate_bps < SLOW_BPS:
        assert burst == size


# --- CUBIC (RFC 9438) and HyStart++ (RFC 9406) -------------------------------------------------------------


def filled(one, now_ns=0):
    one.on_sent(now_ns=now_ns, sent_bytes=SIZE, in_flight_bytes=one.window_bytes)
    return one


def test_slow_start_grows_by_what_is_acknowledged():
    one = filled(controller("cubic"))
    assert one.window_bytes == INITIAL_WINDOW_DATAGRAMS * SIZE
    one.on_ack(sample(acked=4 * SIZE, delivered=4 * SIZE))
    assert one.window_bytes == (INITIAL_WINDOW_DATAGRAMS + 4) * SIZE


def test_a_window_that_is_not_used_does_not_grow():
    one = controller("cubic")
    one.on_sent(now_ns=0, sent_bytes=SIZE, in_flight_bytes=0)
    one.on_ack(sample(delivered=SIZE))
    assert one.window_bytes == INITIAL_WINDOW_DATAGRAMS * SIZE


def test_losses_of_one_round_trip_are_one_reason_to_give_way():
    one = filled(controller("cubic"))
    before = one.window_bytes
    for _ in range(3):
        one.on_ack(sample(acked=SIZE, lost=SIZE, delivered=10 * SIZE, prior_delivered=0))
    assert one.window_bytes == pytest.approx(before * BETA, abs=2)
    one.on_ack(sample(acked=SIZE, delivered=20 * SIZE, prior_delivered=10 * SIZE))
    one.on_ack(sample(acked=SIZE, lost=SIZE, delivered=21 * SIZE, prior_delivered=11 * SIZE))
    assert one.window_bytes == pytest.approx(before * BETA * BETA, abs=2)


def test_after_a_loss_the_window_comes_back_to_where_it_was_by_the_cubic_function():
    """K = cbrt(W_max (1 - beta) / C), in datagrams and seconds (RFC 9438 section 4.2)."""
    one, delivered, now_ns = filled(controller("cubic")), 0, 0
    one._window = 200.0 * SIZE
    one.on_ack(sample(lost=SIZE, delivered=SIZE))
    k_s = (200 * (1 - BETA) / 0.4) ** (1 / 3)
    while now_ns < k_s * SECOND:
        now_ns += RTT_NS
        filled(one, now_ns)
        acked = one.window_bytes
        before, delivered = delivered, delivered + acked
        one.on_ack(sample(now_ns, acked=acked, delivered=delivered, prior_delivered=before))
    assert one.window_bytes / SIZE == pytest.approx(200, rel=0.05)


def test_persistent_congestion_leaves_the_smallest_window():
    one = controller("cubic")
    one.on_persistent_congestion(now_ns=0)
    least = WINDOW_MIN_DATAGRAMS * SIZE
    assert one.window_bytes == least


def rounds(hystart, *rtts_ns, delivered=0):
    """One round of samples for each round trip; returns how much a byte acknowledged has grown the window."""
    grown = []
    for rtt_ns in rtts_ns:
        prior, delivered = delivered, delivered + SAMPLES * SIZE
        for _ in range(SAMPLES + 1):
            one = sample(rtt_ns=rtt_ns, delivered=delivered, prior_delivered=prior)
            grown.append(hystart.growth_bytes(one) / SIZE)
            prior = 0
    return grown


def test_slow_start_slows_down_when_the_round_trip_grows_and_ends_some_rounds_later():
    hystart = HyStart()
    assert set(rounds(hystart, RTT_NS, RTT_NS)) == {1.0}
    grown = rounds(hystart, 2 * RTT_NS, delivered=10**6)
    assert grown[-1] == 0.25
    assert not hystart.is_over
    rounds(hystart, *[2 * RTT_NS] * (CONSERVATIVE_ROUNDS + 1), delivered=10**7)
    assert hystart.is_over


def test_slow_start_goes_on_when_it_was_no_queue():
    hystart = HyStart()
    rounds(hystart, RTT_NS, 2 * RTT_NS)
    grown = rounds(hystart, RTT_NS, RTT_NS, delivered=10**6)
    assert grown[-1] == 1.0
    assert not hystart.is_over


@pytest.mark.parametrize(("rtt_ms", "growth"), [(20, 1), (100, 1), (250, 2.5), (600, 4), (5_000, 4)])
def test_bbr_starts_with_more_in_flight_on_a_long_path_at_the_same_pace(rtt_ms, growth):
    bbr = controller("bbr")
    before, pace = bbr.window_bytes, bbr.pacing_rate_bps
    bbr.on_ack(sample(rtt_ms * MS, acked=0, rtt_ns=rtt_ms * MS, in_flight=before))
    assert bbr.window_bytes == growth * before
    assert bbr.pacing_rate_bps == pace
