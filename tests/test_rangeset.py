"""RangeSet against the plain set that it stands for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mayhem_udp.rangeset import RangeSet

NUMBERS = st.integers(0, 60)
SPANS = st.tuples(NUMBERS, NUMBERS)


class RangesAndASet(RuleBasedStateMachine):
    """The same calls to both; they agree after each."""

    def __init__(self):
        super().__init__()
        self.ranges = RangeSet()
        self.plain = set()

    @rule(span=SPANS)
    def add(self, span):
        new = set(range(*span)) - self.plain
        assert self.ranges.add(*span) == len(new)
        self.plain |= new

    @rule(span=SPANS)
    def remove(self, span):
        gone = set(range(*span)) & self.plain
        assert self.ranges.remove(*span) == len(gone)
        self.plain -= gone

    @rule(value=NUMBERS)
    def drop_below(self, value):
        self.ranges.drop_below(value)
        self.plain = {each for each in self.plain if each >= value}

    @rule(keep=st.integers(0, 5))
    def drop_oldest(self, keep):
        kept = list(self.ranges)[-keep:] if keep else []
        self.ranges.drop_oldest(keep)
        self.plain = {each for start, stop in kept for each in range(start, stop)}

    @rule(span=SPANS)
    def holes_and_overlap_split_a_span(self, span):
        wanted = set(range(*span))
        assert numbers(self.ranges.holes(*span)) == wanted - self.plain
        assert numbers(self.ranges.overlap(*span)) == wanted & self.plain
        assert self.ranges.covers(*span) == (wanted <= self.plain)

    @rule(value=NUMBERS)
    def look_up(self, value):
        assert (value in self.ranges) == (value in self.plain)
        stop = value
        while stop in self.plain:
            stop += 1
        assert self.ranges.stop_of(value) == stop

    @invariant()
    def they_agree(self):
        assert numbers(self.ranges) == self.plain
        assert self.ranges.covered == len(self.plain)
        assert bool(self.ranges) == bool(self.plain)
        assert RangeSet(self.ranges) == self.ranges

    @invariant()
    def ranges_are_sorted_disjoint_and_not_adjacent(self):
        edges = [edge for each in self.ranges for edge in each]
        assert all(low < high for low, high in pairwise(edges))
        assert len(self.ranges) * 2 == len(edges)

    @invariant()
    def both_ends_are_known(self):
        if self.plain:
            assert (self.ranges.start, self.ranges.stop) == (min(self.plain), max(self.plain) + 1)
            assert self.ranges.lowest() == next(iter(self.ranges))


TestRangesAndASet = RangesAndASet.TestCase


def numbers(ranges):
    return {each for start, stop in ranges for each in range(start, stop)}


@given(st.lists(SPANS, max_size=12), st.integers(1, 6))
def test_newest_are_the_highest_from_the_top_down(spans, count):
    ranges = RangeSet(spans)
    assert ranges.newest(count) == list(reversed(list(ranges)))[:count]


def test_an_empty_span_changes_nothing():
    ranges = RangeSet([(5, 9)])
    assert (ranges.add(7, 7), ranges.remove(8, 6), ranges.add(9, 2)) == (0, 0, 0)
    assert list(ranges) == [(5, 9)]
    assert ranges.covers(3, 3)


def test_neighbours_become_one_range():
    ranges = RangeSet([(0, 2), (4, 6)])
    ranges.add(2, 4)
    assert list(ranges) == [(0, 6)]


def test_it_is_mutable_so_it_has_no_hash():
    with pytest.raises(TypeError):
        hash(RangeSet())
    assert RangeSet() != "RangeSet([])"
    assert repr(RangeSet([(1, 2)])) == "RangeSet([(1, 2)])"
