"""The rate and its queue: exact in bytes and nanoseconds, also where the rate changes."""

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.mayhem.bottleneck import Bottleneck
from mayhem_udp.mayhem.faults import HEADER_BYTES, QUEUE_DEFAULT_MIN_BYTES, FaultSpec
from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

ARRIVALS = st.lists(st.tuples(st.integers(0, 3 * MS), st.integers(0, 1_500)), min_size=1, max_size=120)
RATES = st.sampled_from([1_000_000, 10_000_000, 100_000_000, 33_333_333])


def through(spec, arrivals):
    """(entered, left, bytes) of what was admitted, and the bottleneck, after arrivals (gap, payload)."""
    bottleneck, now_ns, admitted = Bottleneck(spec), 0, []
    for gap_ns, payload in arrivals:
        now_ns += gap_ns
        left_ns = bottleneck.admit(payload, now_ns=now_ns, origin_ns=0)
        if left_ns is not None:
            admitted.append((now_ns, left_ns, payload + HEADER_BYTES))
    return admitted, bottleneck


@given(RATES, ARRIVALS)
def test_the_rate_is_exceeded_in_no_window(rate_bps, arrivals):
    admitted, _ = through(FaultSpec(rate_bps=rate_bps), arrivals)
    for first in range(len(admitted)):
        sent = 0
        for _, left_ns, size in admitted[first + 1 :]:
            sent += size
            assert sent * BITS_PER_BYTE * SECOND <= (left_ns - admitted[first][1]) * rate_bps


@given(RATES, st.integers(2_000, 60_000), ARRIVALS)
def test_the_queue_never_holds_more_than_it_may(rate_bps, queue_bytes, arrivals):
    admitted, _ = through(FaultSpec(rate_bps=rate_bps, queue_bytes=queue_bytes), arrivals)
    for entered_ns, _, _ in admitted:
        inside = sum(size for entry, left, size in admitted if entry <= entered_ns < left)
        assert inside <= queue_bytes


@given(RATES, ARRIVALS)
def test_nothing_is_lost_while_the_queue_has_room(rate_bps, arrivals):
    admitted, _ = through(FaultSpec(rate_bps=rate_bps, queue_bytes=1 << 30), arrivals)
    assert len(admitted) == len(arrivals)


@given(RATES, ARRIVALS)
def test_a_busy_link_is_never_idle(rate_bps, arrivals):
    admitted, _ = through(FaultSpec(rate_bps=rate_bps, queue_bytes=1 << 30), arrivals)
    free_ns = 0
    for entered_ns, left_ns, size in admitted:
        took_ns = left_ns - max(free_ns, entered_ns)
        assert took_ns * rate_bps < size * BITS_PER_BYTE * SECOND + rate_bps  # within one nanosecond
        free_ns = left_ns


def test_a_full_queue_loses_the_tail():
    spec = FaultSpec(rate_bps=8_000_000, queue_bytes=3_000)
    admitted, bottleneck = through(spec, [(0, 1_000 - HEADER_BYTES)] * 10)
    assert [left for _, left, _ in admitted] == [1 * MS, 2 * MS, 3 * MS]
    assert bottleneck.queued_bytes(now_ns=0) == 3_000
    assert bottleneck.queued_bytes(now_ns=1 * MS) == 2_000
    assert bottleneck.queued_bytes(now_ns=3 * MS) == 0


def test_a_datagram_larger_than_the_queue_passes_an_idle_link():
    admitted, _ = through(FaultSpec(rate_bps=8_000_000, queue_bytes=100), [(0, 1_000), (0, 1_000)])
    assert len(admitted) == 1


def test_a_queue_that_is_not_given_holds_100_ms_of_the_rate():
    assert FaultSpec(rate_bps=80_000_000).queue_limit_bytes == 1_000_000
    assert FaultSpec(rate_bps=80_000).queue_limit_bytes == QUEUE_DEFAULT_MIN_BYTES


@given(st.integers(1, 40), st.integers(0, 3 * SECOND))
def test_a_changing_rate_carries_in_each_phase_what_its_rate_allows(datagrams, start_ns):
    fast, slow, every_ns = 8_000_000, 1_000_000, SECOND // 100
    spec = FaultSpec(rate_bps=fast, rate_alt_bps=slow, rate_every_ns=every_ns, queue_bytes=1 << 30)
    bottleneck = Bottleneck(spec)
    size = 1_000
    left_ns = start_ns
    for _ in range(datagrams):
        left_ns = bottleneck.admit(size - HEADER_BYTES, now_ns=start_ns, origin_ns=0)
    carried, at_ns = 0.0, start_ns
    while at_ns < left_ns:  # the same by plain integration over the phases
        phase_end_ns = min((at_ns // every_ns + 1) * every_ns, left_ns)
        carried += (phase_end_ns - at_ns) * (slow if at_ns // every_ns % 2 else fast) / SECOND
        at_ns = phase_end_ns
    assert abs(carried - datagrams * size * BITS_PER_BYTE) < 1
