"""A link: what goes in comes out or is counted lost, by the seed, the rate and the clock it is given."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.mayhem.faults import HEADER_BYTES, SEED_MAX, Blackout, Direction, FaultSpec, MayhemSpec, Order
from mayhem_udp.mayhem.link import Link, LinkCounts, LinkPair, Origin
from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

FOREVER_NS = 10_000 * SECOND
SHARES = st.sampled_from([0.0, 0.0, 0.02, 0.3, 1.0])
SPECS = st.builds(
    FaultSpec,
    drop=st.sampled_from([0.0, 0.0, 0.1, 0.5]),
    burst=st.sampled_from([1.0, 5.0]),
    corrupt=SHARES,
    duplicate=SHARES,
    reorder=SHARES,
    reorder_by=st.integers(1, 20),
    reorder_hold_ns=st.integers(0, 30 * MS),
    delay_ns=st.sampled_from([0, 10 * MS]),
    jitter_ns=st.sampled_from([0, 5 * MS]),
    order=st.sampled_from(Order),
    rate_bps=st.sampled_from([None, 1_000_000, 50_000_000]),
    queue_bytes=st.sampled_from([None, 5_000]),
    blackouts=st.sampled_from([(), (Blackout(20 * MS, 15 * MS),), (Blackout(0, 5 * MS, 9 * MS),)]),
)
GAPS = st.lists(st.integers(0, 3 * MS), min_size=1, max_size=150)


def numbered(count, size=100):
    return [index.to_bytes(4, "big") * (size // 4) for index in range(count)]


def number_of(datagram):
    return int.from_bytes(datagram[:4], "big")


def run(link, gaps, *, polled=True):
    """Send a datagram after each gap; returns (time, datagram) of all that came out."""
    now_ns, out = 0, []
    for gap_ns, datagram in zip(gaps, numbered(len(gaps)), strict=True):
        now_ns += gap_ns
        if polled:
            out += drain(link, until_ns=now_ns)
        link.push(datagram, now_ns=now_ns)
    return out + drain(link, until_ns=FOREVER_NS)


def drain(link, *, until_ns):
    out = []
    while (due_ns := link.next_due_ns()) is not None and due_ns <= until_ns:
        came = link.pop_due(now_ns=due_ns)
        assert came, "something is due, but nothing comes out"
        out += ((due_ns, datagram) for datagram in came)
    return out


def test_a_link_without_faults_hands_everything_on_at_once_and_in_order():
    link = Link(FaultSpec())
    link.push_batch(numbered(1_000), now_ns=5)
    assert link.next_due_ns() == 5
    assert link.pop_due(now_ns=5) == numbered(1_000)
    assert link.next_due_ns() is None
    assert link.counts == LinkCounts(seen=1_000, delivered=1_000, seen_bytes=100_000, delivered_bytes=100_000)


@given(SPECS, st.integers(0, SEED_MAX), GAPS)
def test_every_datagram_is_delivered_or_counted_lost(spec, seed, gaps):
    link = Link(spec, seed=seed)
    out = run(link, gaps)
    counts = link.counts
    assert counts.held == 0
    assert counts.seen == len(gaps)
    assert counts.delivered == len(out)
    assert counts.seen + counts.duplicated == counts.delivered + counts.lost


@given(SPECS, st.integers(0, SEED_MAX), GAPS)
def test_the_counts_balance_at_any_moment(spec, seed, gaps):
    link = Link(spec, seed=seed)
    now_ns = 0
    for gap_ns, datagram in zip(gaps, numbered(len(gaps)), strict=True):
        now_ns += gap_ns
        link.push(datagram, now_ns=now_ns)
        link.pop_due(now_ns=now_ns)
        counts = link.counts
        assert counts.seen + counts.duplicated == counts.delivered + counts.lost + counts.held
        assert (counts.held == 0) == (link.next_due_ns() is None)


@given(SPECS, st.integers(0, SEED_MAX), GAPS)
def test_nothing_comes_out_before_its_time_or_out_of_nowhere(spec, seed, gaps):
    entered_ns, now_ns = {}, 0
    for index, gap_ns in enumerate(gaps):
        now_ns += gap_ns
        entered_ns[index] = now_ns
    whole = set(numbered(len(gaps)))
    for at_ns, datagram in run(Link(spec, seed=seed), gaps):
        if datagram in whole:
            assert at_ns >= entered_ns[number_of(datagram)] + spec.delay_ns
        else:
            assert spec.corrupt, "a damaged datagram on a link that does not damage"


@given(
    SPECS.filter(lambda spec: spec.rate_bps is None and not spec.blackouts),
    st.integers(0, SEED_MAX),
    st.lists(st.tuples(st.integers(0, 3 * MS), st.integers(0, 40 * MS)), min_size=1, max_size=100),
)
def test_the_same_seed_does_the_same_to_the_same_datagrams_whatever_the_timing(spec, seed, gaps):
    hasty = run(Link(spec, seed=seed), [hasty for hasty, _ in gaps])
    slow = run(Link(spec, seed=seed), [slow for _, slow in gaps], polled=False)
    assert Counter(datagram for _, datagram in hasty) == Counter(datagram for _, datagram in slow)


def test_another_seed_or_direction_does_something_else():
    spec = FaultSpec(drop=0.3)
    links = [Link(spec, seed=seed, direction=direction) for seed in range(10) for direction in Direction]
    assert len({tuple(run(link, [0] * 100)) for link in links}) == len(links)


@given(SPECS, st.integers(0, SEED_MAX), GAPS)
def test_a_run_repeats_to_the_nanosecond(spec, seed, gaps):
    assert run(Link(spec, seed=seed), gaps) == run(Link(spec, seed=seed), gaps)


@given(SPECS, st.integers(0, SEED_MAX), st.integers(1, 1_500), st.integers(0, 5 * MS))
def test_a_batch_is_its_datagrams_one_by_one(spec, seed, count, now_ns):
    together, one_by_one = Link(spec, seed=seed), Link(spec, seed=seed)
    together.push_batch(numbered(count), now_ns=now_ns)
    for datagram in numbered(count):
        one_by_one.push(datagram, now_ns=now_ns)
    assert drain(together, until_ns=FOREVER_NS) == drain(one_by_one, until_ns=FOREVER_NS)
    assert together.counts == one_by_one.counts


@given(SPECS, st.integers(0, SEED_MAX), GAPS)
def test_datagrams_keep_their_order_unless_a_fault_reorders_them(spec, seed, gaps):
    link = Link(spec, seed=seed)
    out = [number_of(datagram) for _, datagram in run(link, gaps) if datagram in set(numbered(len(gaps)))]
    if not spec.reorder and (spec.order is Order.KEEP or not spec.jitter_ns):
        assert out == sorted(out)
        assert link.counts.reordered == 0


@pytest.mark.parametrize("spec", [FaultSpec(reorder=0.1), FaultSpec(jitter_ns=5 * MS, order=Order.FREE)])
def test_reordering_is_counted_as_rfc_4737_does(spec):
    link = Link(spec)
    out = [number_of(datagram) for _, datagram in run(link, [MS // 10] * 1_000)]
    late = sum(1 for at, number in enumerate(out) if number < max(out[:at], default=-1))
    assert out != sorted(out)
    assert link.counts.reordered == late > 50


@pytest.mark.parametrize("reorder_by", [1, 3, 10])
def test_a_reordered_datagram_is_overtaken_by_as_many_as_drawn_and_no_more(reorder_by):
    spec = FaultSpec(reorder=0.02, reorder_by=reorder_by, reorder_hold_ns=SECOND)
    out = [number_of(datagram) for _, datagram in run(Link(spec), [MS] * 3_000)]
    overtaken = Counter(sum(1 for other in out[:at] if other > number) for at, number in enumerate(out))
    assert set(overtaken) >= set(range(1, reorder_by + 1))
    assert max(overtaken) <= reorder_by + 2  # two that are held at once may add themselves


def test_a_reordered_datagram_that_nothing_follows_still_arrives():
    link = Link(FaultSpec(reorder=1.0, delay_ns=10 * MS, reorder_hold_ns=20 * MS))
    link.push(b"last", now_ns=0)
    assert drain(link, until_ns=FOREVER_NS) == [(30 * MS, b"last")]


def test_delay_is_exact_and_drifting_jitter_moves_within_its_range():
    steady = run(Link(FaultSpec(delay_ns=25 * MS)), [MS] * 100)
    assert [at_ns for at_ns, _ in steady] == [MS * index + 25 * MS for index in range(1, 101)]
    drifting = run(Link(FaultSpec(delay_ns=25 * MS, jitter_ns=5 * MS)), [MS] * 2_000)
    delays = [at_ns - MS * (number_of(datagram) + 1) for at_ns, datagram in drifting]
    assert min(delays) < 26 * MS
    assert max(delays) > 29 * MS
    assert all(25 * MS <= delay <= 30 * MS for delay in delays)


@given(st.integers(0, SEED_MAX), GAPS)
def test_the_rate_of_a_link_is_exceeded_in_no_window(seed, gaps):
    rate_bps = 2_000_000
    spec = FaultSpec(rate_bps=rate_bps, queue_bytes=20_000, drop=0.1, duplicate=0.2, delay_ns=7 * MS)
    out = run(Link(spec, seed=seed), gaps)
    for first in range(len(out)):
        for last in range(first + 1, len(out)):
            sent = sum(len(datagram) + HEADER_BYTES for _, datagram in out[first + 1 : last + 1])
            assert sent * BITS_PER_BYTE * SECOND <= (out[last][0] - out[first][0]) * rate_bps


def test_a_full_queue_loses_and_counts_what_comes_then():
    link = Link(FaultSpec(rate_bps=1_000_000, queue_bytes=1_280))
    link.push_batch(numbered(50), now_ns=0)
    assert link.queued_bytes(now_ns=0) == 10 * (100 + HEADER_BYTES)
    assert link.counts.queue_dropped == 40
    assert [number_of(datagram) for _, datagram in drain(link, until_ns=FOREVER_NS)] == list(range(10))


@pytest.mark.parametrize("delay_ns", [0, 50 * MS])
def test_a_blackout_loses_exactly_what_enters_while_it_lasts(delay_ns):
    link = Link(FaultSpec(blackouts=(Blackout(20 * MS, 10 * MS),), delay_ns=delay_ns))
    came = {number_of(datagram) for _, datagram in run(link, [1_000 * MS] + [MS] * 59)}
    assert set(range(60)) - came == set(range(20, 30))  # the first datagram is the origin, not time 0
    assert link.counts.blacked_out == 10


def test_a_periodic_blackout_comes_again_and_a_given_origin_counts():
    link = Link(FaultSpec(blackouts=(Blackout(5 * MS, 2 * MS, 7 * MS),)), origin=Origin(MS))
    came = {number_of(datagram) for _, datagram in run(link, [MS] * 28)}
    assert set(range(28)) - came == {5, 6, 12, 13, 19, 20, 26, 27}


def test_random_losses_do_not_change_when_a_blackout_is_added():
    spec, dark = FaultSpec(drop=0.2), FaultSpec(drop=0.2, blackouts=(Blackout(100 * MS, 100 * MS),))
    plain, blacked = Link(spec, seed=3), Link(dark, seed=3)
    without = {number_of(each) for _, each in run(plain, [MS] * 400)}
    within = {number_of(each) for _, each in run(blacked, [MS] * 400)}
    assert plain.counts.dropped == blacked.counts.dropped
    assert without - within == {number for number in without if 100 <= number < 200}


def test_a_copy_is_never_damaged():
    link = Link(FaultSpec(corrupt=1.0, duplicate=1.0))
    out = [datagram for _, datagram in run(link, [MS] * 200)]
    assert len(out) == 400
    assert out[1::2] == numbered(200)
    assert not set(out[0::2]) & set(numbered(200))


def test_what_a_link_holds_is_bounded():
    link = Link(FaultSpec(delay_ns=SECOND), held_max_bytes=10_000)
    link.push_batch(numbered(1_000), now_ns=0)
    assert link.counts.held == 100
    assert link.counts.queue_dropped == 900


def test_tags_travel_with_their_datagrams():
    link = Link(FaultSpec(drop=0.3, duplicate=0.1, reorder=0.2, reorder_hold_ns=MS))
    for number, datagram in enumerate(numbered(300)):
        link.push(datagram, now_ns=0, tag=number)
    out = link.pop_due_tagged(now_ns=SECOND)
    assert len(out) > 150
    assert all(number_of(datagram) == tag for datagram, tag in out)


def test_a_pair_shares_the_origin_and_has_faults_of_its_own_each_way():
    spec = MayhemSpec(
        outward=FaultSpec(blackouts=(Blackout(10 * MS, MS),)),
        inward=FaultSpec(blackouts=(Blackout(10 * MS, MS),), drop=0.5),
        seed=4,
    )
    pair = LinkPair.of(spec)
    pair.outward.push(b"first", now_ns=3 * MS)
    pair.inward.push(b"reply", now_ns=13 * MS)
    assert pair.inward.counts.blacked_out + pair.inward.counts.dropped == 1
    assert pair.next_due_ns() == 3 * MS
    alone = Link(spec.inward, seed=4, direction=Direction.IN)
    for link in (pair.inward, alone):
        link.push_batch(numbered(99), now_ns=SECOND)
    assert pair.inward.counts.dropped != 0
    assert LinkPair.of(spec, seed=5).toward(Direction.OUT).spec is spec.outward


def test_counts_add_up_over_links():
    total = LinkCounts(seen=3, dropped=1, delivered=2) + LinkCounts(seen=4, queue_dropped=1, blacked_out=2)
    assert (total.seen, total.lost, total.delivered) == (7, 4, 2)
