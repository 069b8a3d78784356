"""The round trip after RFC 9002 section 5, and the probe timeout after section 6.2."""

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.limits import PTO_MAX_NS, RTT_INITIAL_NS
from mayhem_udp.transport.rtt import GRANULARITY_NS, MIN_WINDOW_NS, RoundTrip
from mayhem_udp.units import MS, SECOND


def measured(*samples_ms, delay_ms=0):
    rtt = RoundTrip()
    for index, sample in enumerate(samples_ms):
        rtt.on_sample(rtt_ns=sample * MS, ack_delay_ns=delay_ms * MS, now_ns=index * SECOND)
    return rtt


def test_before_a_sample_there_is_a_guess():
    rtt = RoundTrip()
    assert (rtt.smoothed_ns, rtt.variance_ns) == (RTT_INITIAL_NS, RTT_INITIAL_NS // 2)
    assert rtt.min_ns == 0


def test_the_first_sample_is_taken_as_it_is():
    rtt = measured(100)
    assert (rtt.latest_ns, rtt.min_ns, rtt.smoothed_ns) == (100 * MS,) * 3
    assert rtt.variance_ns == 50 * MS


def test_later_samples_are_smoothed_as_the_rfc_says():
    """Section 5.3: var = 3/4 var + 1/4 |srtt - sample|, with the old srtt; then srtt = 7/8 srtt + 1/8 sample."""
    rtt = measured(100, 140)
    assert rtt.variance_ns == (3 * 50 + 40) * MS // 4
    assert rtt.smoothed_ns == (7 * 100 + 140) * MS // 8


def test_the_peers_delay_is_taken_off_but_never_under_the_minimum():
    rtt = measured(100)
    assert rtt.on_sample(rtt_ns=130 * MS, ack_delay_ns=20 * MS, now_ns=SECOND) == 110 * MS
    assert rtt.on_sample(rtt_ns=105 * MS, ack_delay_ns=20 * MS, now_ns=SECOND) == 105 * MS
    assert rtt.min_ns == 100 * MS, "the minimum is of what was measured"


def test_the_minimum_is_measured_anew_after_a_while():
    rtt = measured(10, 50)
    assert rtt.min_ns == 10 * MS
    rtt.on_sample(rtt_ns=50 * MS, ack_delay_ns=0, now_ns=MIN_WINDOW_NS + SECOND)
    assert rtt.min_ns == 50 * MS


def test_a_sample_of_nothing_counts_as_one():
    assert measured(0).min_ns == 1


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.integers(0, 30))
def test_estimates_stay_within_what_was_measured(samples_ms, delay_ms):
    rtt = measured(*samples_ms, delay_ms=delay_ms)
    assert max(min(samples_ms) * MS, 1) <= rtt.min_ns
    assert rtt.min_ns <= rtt.smoothed_ns + len(samples_ms)
    assert rtt.smoothed_ns <= max(max(samples_ms) * MS, 1)
    assert 0 <= rtt.variance_ns <= max(max(samples_ms) * MS, 1)


def test_a_probe_waits_for_round_trip_variance_and_the_peers_delay():
    rtt = measured(100)
    assert rtt.pto_ns(ack_delay_max_ns=25 * MS, backoff=0) == (100 + 4 * 50 + 25) * MS


def test_the_variance_counts_for_a_millisecond_at_least():
    rtt = measured(*[10] * 60)
    assert 4 * rtt.variance_ns < GRANULARITY_NS
    assert rtt.pto_ns(ack_delay_max_ns=0, backoff=0) == rtt.smoothed_ns + GRANULARITY_NS


def test_each_probe_in_vain_doubles_the_wait_up_to_a_bound():
    rtt = measured(30)
    waits = [rtt.pto_ns(ack_delay_max_ns=25 * MS, backoff=backoff) for backoff in range(40)]
    assert waits[1] == 2 * waits[0]
    assert waits[2] == 4 * waits[0]
    assert waits[-1] == PTO_MAX_NS


def test_on_a_long_path_the_bound_is_the_path():
    rtt = measured(*[3_000] * 30)
    assert rtt.pto_ns(ack_delay_max_ns=25 * MS, backoff=9) == 3 * rtt.smoothed_ns
    assert measured(3_000).pto_ns(ack_delay_max_ns=0, backoff=0) == 9 * SECOND, "never less than one wait"
