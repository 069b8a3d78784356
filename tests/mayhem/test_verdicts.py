"""Fault models: the figures of a spec are the figures of what happens, in any block, from any start."""

from itertools import groupby, pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.mayhem.faults import SEED_MAX, Direction, FaultSpec, Order
from mayhem_udp.mayhem.schedule import Purpose, Schedule
from mayhem_udp.mayhem.verdicts import BLOCK, CORRUPT, DROP, DUPLICATE, REORDER, Verdicts

BLOCKS = 200
DATAGRAMS = BLOCK * BLOCKS


def verdicts_of(spec, *, seed=1, direction=Direction.OUT):
    return Verdicts(spec, schedule=Schedule(seed=seed, direction=direction))


def flags_of(spec, *, seed=1, blocks=BLOCKS):
    verdicts = verdicts_of(spec, seed=seed)
    return b"".join(verdicts.block(number).flags for number in range(blocks))


def losses_in_a_row(flags):
    return [len(list(run)) for lost, run in groupby(flag & DROP for flag in flags) if lost]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize(
    ("fault", "flag"), [("drop", DROP), ("corrupt", CORRUPT), ("duplicate", DUPLICATE), ("reorder", REORDER)]
)
def test_a_fault_hits_its_share_of_the_datagrams(fault, flag, share):
    hits = sum(1 for each in flags_of(FaultSpec(**{fault: share})) if each & flag)
    assert abs(hits - DATAGRAMS * share) < 5 * sqrt(DATAGRAMS * share * (1 - share))


def test_shares_of_nothing_and_of_everything_are_exact():
    nothing = flags_of(FaultSpec(), blocks=2)
    everything = flags_of(FaultSpec(drop=1.0, corrupt=1.0, duplicate=1.0, reorder=1.0), blocks=2)
    assert set(nothing) == {0}
    assert set(everything) == {DROP | CORRUPT | DUPLICATE | REORDER}


def test_faults_hit_independently_of_each_other():
    flags = flags_of(FaultSpec(drop=0.3, corrupt=0.3))
    both = sum(1 for each in flags if each & DROP and each & CORRUPT)
    assert abs(both - DATAGRAMS * 0.09) < 5 * sqrt(DATAGRAMS * 0.09 * 0.91)


def test_one_fault_does_not_shift_another():
    alone = flags_of(FaultSpec(drop=0.1), blocks=4)
    beside = flags_of(FaultSpec(drop=0.1, corrupt=0.2, duplicate=0.3), blocks=4)
    assert [each & DROP for each in beside] == [each & DROP for each in alone]


def test_a_greater_share_hits_the_same_datagrams_and_more():
    few, many = flags_of(FaultSpec(drop=0.05), blocks=4), flags_of(FaultSpec(drop=0.2), blocks=4)
    assert all(more & DROP for less, more in zip(few, many, strict=True) if less & DROP)


@pytest.mark.parametrize(
    ("drop", "burst"), [(0.05, 5), (0.05, 20), (0.2, 4), (0.01, 50), (0.5, 3), (0.9, 12)]
)
def test_bursts_have_the_mean_loss_and_the_mean_length_asked_for(drop, burst):
    flags = b"".join(flags_of(FaultSpec(drop=drop, burst=burst), seed=seed) for seed in range(4))
    runs = losses_in_a_row(flags)
    spread = sqrt(1 / len(runs))  # of a mean of run lengths, which are geometric
    assert sum(runs) / len(runs) == pytest.approx(burst, rel=4 * spread)
    assert sum(runs) / len(flags) == pytest.approx(drop, rel=6 * spread)


@pytest.mark.parametrize("drop", [0.1, 0.5])
def test_a_burst_shorter_than_chance_makes_is_independent_loss(drop):
    chance = 1 / (1 - drop)
    assert flags_of(FaultSpec(drop=drop, burst=1.0)) == flags_of(FaultSpec(drop=drop, burst=chance))
    runs = losses_in_a_row(flags_of(FaultSpec(drop=drop)))
    assert sum(runs) / len(runs) == pytest.approx(chance, rel=0.05)


def test_the_chain_begins_as_in_the_middle_of_things():
    begin_lost = sum(flags_of(FaultSpec(drop=0.3, burst=8), seed=seed, blocks=1)[0] for seed in range(2_000))
    assert abs(begin_lost - 600) < 5 * sqrt(2_000 * 0.3 * 0.7)


@given(
    st.integers(0, SEED_MAX),
    st.floats(0, 0.95),
    st.floats(1, 10_000),
    st.sampled_from(Order),
    st.integers(0, 12),
)
def test_a_block_is_the_same_alone_as_after_all_before_it(seed, drop, burst, order, number):
    spec = FaultSpec(drop=drop, burst=burst, corrupt=0.1, reorder=0.1, jitter_ns=5_000_000, order=order)
    in_sequence = verdicts_of(spec, seed=seed)
    blocks = [in_sequence.block(each) for each in range(number + 1)]
    assert verdicts_of(spec, seed=seed).block(number) == blocks[number]


@given(st.integers(0, SEED_MAX), st.floats(0.01, 0.9), st.floats(1, 1_000))
def test_bursts_are_what_one_walk_along_the_chain_gives(seed, drop, burst):
    spec = FaultSpec(drop=drop, burst=burst)
    if not spec.is_bursty:
        return
    schedule = Schedule(seed=seed, direction=Direction.OUT)
    enter, stay = drop / (1 - drop) / burst, 1 - 1 / burst
    is_bad = None
    walked = []
    for draw in schedule.fractions(Purpose.DROP, 0, 3 * BLOCK).tolist():
        if is_bad is None:
            is_bad = schedule.word(Purpose.DROP, -1) < int(drop * 2**64)
        is_bad = draw < (stay if is_bad else enter)
        walked.append(int(is_bad))
    assert list(flags_of(spec, seed=seed, blocks=3)) == walked


@pytest.mark.parametrize("order", Order)
def test_jitter_stays_in_its_range_and_uses_all_of_it(order):
    verdicts = verdicts_of(FaultSpec(jitter_ns=1_000_000, order=order))
    delays = [delay for number in range(40) for delay in verdicts.block(number).extra_delays_ns]
    assert min(delays) >= 0
    assert max(delays) < 1_000_000
    assert min(delays) < 50_000
    assert max(delays) > 950_000
    assert sum(delays) / len(delays) == pytest.approx(500_000, rel=0.1)


def test_drifting_jitter_has_no_jumps_not_even_between_blocks():
    verdicts = verdicts_of(FaultSpec(jitter_ns=32_000_000))
    delays = [delay for number in range(40) for delay in verdicts.block(number).extra_delays_ns]
    steps = [abs(after - before) for before, after in pairwise(delays)]
    assert max(steps) <= 1_000_001  # the whole range over the 32 datagrams between two levels
