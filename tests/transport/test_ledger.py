"""The ledger in runs, against one entry for each datagram."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mayhem_udp.transport.ledger import LOST_KEPT_MAX, DeliveryState, Ledger, Run

OVERHEAD = 40
CHUNK = 100
SPANS = st.tuples(st.integers(0, 60), st.integers(1, 20))


def body_run(first, count, *, offset=0, tail=CHUNK, sent_ns=0):
    length = (count - 1) * CHUNK + tail
    return Run(
        first=first,
        count=count,
        sent_ns=sent_ns,
        wire_bytes=length + count * OVERHEAD,
        offset=offset,
        chunk_bytes=CHUNK,
        length=length,
    )


class LedgerAndDatagrams(RuleBasedStateMachine):
    """In flight, lost, or neither: the ledger's runs and a dict of datagrams agree on every number."""

    def __init__(self):
        super().__init__()
        self.ledger = Ledger()
        self.flight = {}
        self.lost = {}
        self.offset = 0

    @rule(count=st.integers(1, 9), tail=st.integers(1, CHUNK))
    def send(self, count, tail):
        first = self.ledger.next_number
        run = body_run(first, count, offset=self.offset, tail=tail)
        self.ledger.next_number += count
        self.ledger.sent(run)
        for index in range(count):
            size = tail if index == count - 1 else CHUNK
            self.flight[first + index] = (self.offset + index * CHUNK, size)
        self.offset += run.length

    @rule()
    def skip(self):
        number = self.ledger.next_number
        self.ledger.skip_number()
        assert number in self.ledger.skipped

    @rule(span=SPANS)
    def acknowledge(self, span):
        start, stop = span[0], span[0] + span[1]
        taken = self.ledger.acknowledge(start, stop)
        assert pieces(taken) == pop(self.flight, start, stop)
        taken = self.ledger.acknowledge_lost(start, stop)
        assert pieces(taken) == pop(self.lost, start, stop)

    @rule(span=SPANS)
    def declare_lost(self, span):
        gone = pop(self.flight, span[0], span[0] + span[1])
        assert pieces(self.ledger.declare_lost(span[0], span[0] + span[1])) == gone
        self.lost |= gone

    @invariant()
    def they_agree(self):
        assert pieces(self.ledger.flight.runs) == self.flight
        assert pieces(self.ledger.lost.runs) == self.lost
        assert self.ledger.in_flight_bytes == sum(size + OVERHEAD for _, size in self.flight.values())

    @invariant()
    def numbers_ascend_and_are_found(self):
        for runs in (self.ledger.flight, self.ledger.lost):
            assert runs.firsts == [run.first for run in runs.runs] == sorted(runs.firsts)
        assert [number for number in range(80) if self.ledger.flight.holds(number)] == sorted(
            number for number in self.flight if number < 80
        )


TestLedgerAndDatagrams = LedgerAndDatagrams.TestCase
TestLedgerAndDatagrams.settings = settings(max_examples=40)


def pop(datagrams, start, stop):
    return {number: datagrams.pop(number) for number in list(datagrams) if start <= number < stop}


def pieces(runs):
    """Every datagram of some runs: number to offset and length."""
    found = {}
    for run in runs:
        assert run.wire_bytes == run.length + run.count * OVERHEAD
        for index in range(run.count):
            size = min(CHUNK, run.length - index * CHUNK)
            assert size > 0
            found[run.first + index] = (run.offset + index * CHUNK, size)
    return found


@given(st.integers(2, 20), st.data())
def test_parts_make_up_the_whole_and_keep_what_delivery_has_noted(count, data):
    run = body_run(10, count)
    run.sent_ns, run.delivery = 8, DeliveryState(1, 2, 3, 4, 5, 6, 7, app_limited=True)
    edge = run.first + data.draw(st.integers(1, count - 1))
    head, tail = run.part(run.first, edge), run.part(edge, run.stop)
    assert (head.first, head.stop, tail.stop) == (run.first, tail.first, run.stop)
    assert (head.offset, head.offset + head.length) == (run.offset, tail.offset)
    assert (head.length + tail.length, head.wire_bytes + tail.wire_bytes) == (run.length, run.wire_bytes)
    assert head.count + tail.count == count
    assert head.sent_ns == tail.sent_ns == run.sent_ns
    assert head.delivery == tail.delivery == run.delivery
    assert run.delivery == (1, 2, 3, 4, 5, 6, 7, True)


def test_what_was_lost_is_remembered_for_a_while_and_in_bounded_number():
    ledger = Ledger()
    for number in range(LOST_KEPT_MAX + 50):
        ledger.next_number += 1
        ledger.sent(body_run(number, 1, sent_ns=number))
        ledger.declare_lost(number, number + 1)
    assert len(ledger.lost) == LOST_KEPT_MAX
    ledger.forget_lost_before(1_000)
    assert ledger.lost.runs[0].sent_ns == 1_000
    ledger.forget_lost_before(1 << 60)
    assert len(ledger.lost) == 0


def test_skipped_numbers_are_remembered_as_long_as_older_ones_are_in_flight():
    ledger = Ledger()
    for number in (0, 2, 4):
        ledger.sent(body_run(number, 1))
        ledger.next_number = number + 1
        ledger.skip_number()
    assert list(ledger.skipped) == [(1, 2), (3, 4), (5, 6)]
    ledger.acknowledge(0, 4)
    ledger.skip_number()
    assert list(ledger.skipped) == [(5, 7)], "what is under the flight can no longer be gained by guessing"


def test_a_part_that_is_empty_or_not_within_is_our_own_mistake():
    for start, stop in ((2, 2), (-1, 2), (1, 4)):
        with pytest.raises(AssertionError):
            body_run(0, 3).part(start, stop)
