"""How long the loop's turns took: percentiles, the longest, and what it was busy with."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.endpoint.gaps import STEPS, Gaps, name_of


def took(gaps, *lengths_ns):
    for length_ns in lengths_ns:
        gaps.begin(1_000)
        gaps.end(1_000 + length_ns)


@given(st.lists(st.integers(0, 1 << 50), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_percentile_is_right_to_an_eighth_and_never_too_small(lengths_ns, share):
    gaps = Gaps()
    took(gaps, *lengths_ns)
    ordered = sorted(lengths_ns)
    exact = next(each for rank, each in enumerate(ordered, 1) if rank >= share * len(ordered))
    found = gaps.percentile_ns(share)
    assert exact <= found <= exact + exact / STEPS + 1


def test_without_turns_there_is_nothing_to_tell():
    gaps = Gaps()
    assert gaps.percentile_ns(0.999) == 0
    assert gaps.take_longest() is None


def test_the_longest_turn_is_forgotten_once_it_was_told():
    gaps = Gaps()
    took(gaps, 5, 9, 7)
    assert gaps.take_longest().length_ns == 9
    assert gaps.take_longest() is None
    took(gaps, 3)
    assert gaps.take_longest().length_ns == 3


def test_a_turn_is_blamed_on_the_callback_that_took_most_of_it():
    def quick():
        """Not to blame."""

    def slow():
        """To blame."""

    gaps = Gaps()
    gaps.begin(0)
    gaps.enter(quick, 0)
    gaps.enter(slow, 10)
    gaps.enter(quick, 500)
    gaps.end(600)
    longest = gaps.take_longest()
    assert "slow" in longest.busiest
    assert (longest.length_ns, longest.busiest_ns) == (600, 490)


def test_what_is_being_done_can_be_asked_for_while_it_goes_on():
    gaps = Gaps()
    assert gaps.doing == ""
    gaps.begin(0)
    gaps.enter(gaps.take_longest, 0)
    assert gaps.doing == "Gaps.take_longest"
    gaps.end(5)
    assert gaps.doing == ""


def test_a_callback_is_named_as_a_reader_of_the_source_knows_it():
    assert name_of(partial(took, Gaps())) == "took"
    assert name_of(Gaps().begin) == "Gaps.begin"
    assert name_of(None) == ""
