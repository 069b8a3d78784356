"""What has been received, against a plain set; and when it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import ACK_PAIRS_MAX, ACK_RANGES_KEPT_MAX, NUMBER_JUMP_MAX
from mayhem_udp.transport.acks import EVERY_DEFAULT, NAMED_TIMES, RANGES_FREE, AckTracker
from mayhem_udp.transport.timers import NEVER
from mayhem_udp.units import MS, US
from mayhem_udp.wire.ack_ranges import ranges_of_ack
from mayhem_udp.wire.frames import AckFrequency

DELAY_NS = 25 * MS


def tracker():
    return AckTracker(delay_ns=DELAY_NS)


def numbers(ranges):
    return {each for start, stop in ranges for each in range(start, stop)}


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 12)), max_size=40))
def test_a_number_is_new_once_and_named_by_the_ack(stretches):
    acks, seen = tracker(), set()
    for now_ns, (first, count) in enumerate(stretches):
        came = set(range(first, first + count))
        assert numbers(acks.record(first, count, now_ns=now_ns)) == came - seen
        seen |= came
    if seen:
        assert numbers(ranges_of_ack(acks.frame(now_ns=1_000))) == seen
    assert acks.duplicates == sum(count for _, count in stretches) - len(seen)


def test_the_ack_says_how_long_the_largest_has_waited():
    acks = tracker()
    acks.record(5, 1, now_ns=1 * MS)
    acks.record(3, 1, now_ns=4 * MS)
    frame = acks.frame(now_ns=6 * MS)
    assert (frame.largest, frame.delay_us) == (5, 5_000)


def test_every_second_datagram_is_acknowledged_at_once():
    acks = tracker()
    for count in range(EVERY_DEFAULT):
        assert not acks.is_due(now_ns=0)
        acks.record(count, 1, now_ns=0)
        acks.on_eliciting(1, ack_now=False, gap=0, now_ns=0)
    assert acks.is_due(now_ns=0)
    acks.frame(now_ns=0)
    assert not acks.is_waiting


def test_a_single_one_waits_for_its_delay_and_no_longer():
    acks = tracker()
    acks.record(0, 1, now_ns=0)
    acks.on_eliciting(1, ack_now=False, gap=0, now_ns=0)
    assert acks.is_waiting
    assert acks.deadline_ns == DELAY_NS
    assert not acks.is_due(now_ns=DELAY_NS - 1)
    assert acks.is_due(now_ns=DELAY_NS)


def test_who_asks_for_an_ack_gets_it_at_once():
    acks = tracker()
    acks.on_eliciting(1, ack_now=True, gap=0, now_ns=7)
    assert acks.is_due(now_ns=7)


def test_what_was_asked_for_at_once_is_said_again_unless_more_comes():
    """Who asks has nothing else to wait for, and losses on the way back come in bursts."""
    acks = tracker()
    acks.record(0, 1, now_ns=0)
    acks.on_eliciting(1, ack_now=True, gap=0, now_ns=0)
    said = acks.frame(now_ns=0)
    assert not acks.is_due(now_ns=DELAY_NS - 1)
    assert acks.is_due(now_ns=DELAY_NS)
    assert acks.frame(now_ns=DELAY_NS).pairs == said.pairs
    assert acks.deadline_ns == NEVER, "once, not for ever"
    acks.record(1, 1, now_ns=DELAY_NS)
    acks.on_eliciting(1, ack_now=True, gap=0, now_ns=DELAY_NS)
    acks.record(2, 1, now_ns=DELAY_NS)
    acks.on_eliciting(1, ack_now=False, gap=0, now_ns=DELAY_NS)
    acks.frame(now_ns=DELAY_NS)
    assert acks.deadline_ns == NEVER, "more has come"


def test_a_gap_is_told_at_once_until_the_peer_has_chosen_a_rhythm():
    acks = tracker()
    acks.on_eliciting(1, ack_now=False, gap=1, now_ns=0)
    assert acks.is_due(now_ns=0)
    acks.on_frequency(AckFrequency(1, 10, 8_000), delay_max_ns=DELAY_NS)
    acks.record(0, 1, now_ns=0)
    acks.frame(now_ns=0)
    acks.on_eliciting(1, ack_now=False, gap=1, now_ns=0)
    assert acks.deadline_ns == 8 * MS


def test_a_rhythm_is_kept_and_an_older_one_ignored():
    acks = tracker()
    acks.on_frequency(AckFrequency(2, 5, 1_000), delay_max_ns=DELAY_NS)
    acks.on_frequency(AckFrequency(1, 1, 1), delay_max_ns=DELAY_NS)
    acks.on_eliciting(4, ack_now=False, gap=0, now_ns=0)
    assert acks.deadline_ns == 1_000 * US
    acks.on_eliciting(1, ack_now=False, gap=0, now_ns=10)
    assert acks.is_due(now_ns=10)


def test_no_peer_can_ask_for_more_delay_than_agreed_or_for_no_acks():
    acks = tracker()
    acks.on_frequency(AckFrequency(1, 0, 0xFFFFFFFF), delay_max_ns=DELAY_NS)
    acks.on_eliciting(1, ack_now=False, gap=0, now_ns=0)
    assert acks.is_due(now_ns=0), "every: 0 means every one"
    acks.on_frequency(AckFrequency(2, 0xFFFF, 0xFFFFFFFF), delay_max_ns=DELAY_NS)
    acks.record(0, 1, now_ns=0)
    acks.frame(now_ns=0)
    acks.on_eliciting(1, ack_now=False, gap=0, now_ns=0)
    assert acks.deadline_ns == DELAY_NS


def test_what_the_peer_has_seen_acknowledged_is_forgotten_but_not_taken_again():
    acks = tracker()
    for number in range(0, 100, 2):
        acks.record(number, 1, now_ns=0)
    acks.on_ack_seen(90)
    assert len(acks.received) <= 6
    assert ranges_of_ack(acks.frame(now_ns=0))[0] == (98, 99)
    assert acks.record(40, 1, now_ns=0) == [], "it may have been here"
    assert acks.record(97, 1, now_ns=0) == [(97, 98)]


def take_every_second(acks, first, count):
    """`count` ranges of one number each, from `first` on."""
    for number in range(first, first + 2 * count, 2):
        acks.record(number, 1, now_ns=0)


def named(acks):
    return ranges_of_ack(acks.frame(now_ns=0))


def test_a_range_is_named_by_so_many_acks_and_no_longer():
    acks, many = tracker(), 10 * RANGES_FREE
    take_every_second(acks, 0, many)
    for times in range(NAMED_TIMES):
        assert len(named(acks)) == many + times * RANGES_FREE
        take_every_second(acks, 2 * (many + times * RANGES_FREE), RANGES_FREE)
    assert len(named(acks)) == NAMED_TIMES * RANGES_FREE
    assert acks.record(0, 1, now_ns=0) == [], "it is still known to have come"


def test_a_few_ranges_are_named_for_ever():
    acks = tracker()
    take_every_second(acks, 0, RANGES_FREE)
    for _ in range(3 * NAMED_TIMES):
        assert len(named(acks)) == RANGES_FREE


def test_one_that_comes_late_is_named_as_often_as_any_other():
    acks, many = tracker(), 10 * RANGES_FREE
    take_every_second(acks, 100, many)
    for _ in range(NAMED_TIMES + 1):
        named(acks)
    acks.record(7, 1, now_ns=0)
    for _ in range(NAMED_TIMES):
        assert named(acks)[-1] == (7, 8)
    assert len(named(acks)) == RANGES_FREE


def test_an_ack_seen_that_names_more_than_came_keeps_the_largest():
    acks = tracker()
    acks.record(0, 3, now_ns=0)
    acks.on_ack_seen(2)
    assert ranges_of_ack(acks.frame(now_ns=0))[0][1] == 3


def test_crumbs_are_bounded_in_memory_and_in_the_frame():
    acks = tracker()
    for number in range(0, 3 * ACK_RANGES_KEPT_MAX, 2):
        acks.record(number, 1, now_ns=0)
        assert len(acks.received) <= ACK_RANGES_KEPT_MAX
    frame = acks.frame(now_ns=0)
    assert len(frame.pairs) == 2 * ACK_PAIRS_MAX
    assert acks.record(1, 1, now_ns=0) == [], "below what is remembered, all count as seen"


def test_a_long_flight_is_believed():
    assert tracker().record(NUMBER_JUMP_MAX - 2, 1, now_ns=0)


@pytest.mark.parametrize("first", [NUMBER_JUMP_MAX - 1, -1, 1 << 63])
def test_a_number_that_nobody_can_have_reached_is_not(first):
    with pytest.raises(PeerError) as caught:
        tracker().record(first, 1, now_ns=0)
    assert caught.value.code == Code.PROTOCOL_VIOLATION


def test_a_tracker_that_is_stopped_is_never_due():
    acks = tracker()
    acks.on_eliciting(9, ack_now=True, gap=1, now_ns=0)
    acks.stop()
    assert not acks.is_waiting
    assert not acks.is_due(now_ns=1 << 62)
