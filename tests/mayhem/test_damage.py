"""Corruption: what comes out is damaged as it says, and never what went in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.mayhem.damage import FLIPS_MAX, damaged
from mayhem_udp.mayhem.faults import SEED_MAX, Direction
from mayhem_udp.mayhem.schedule import Schedule

FLIP, TRUNCATE, GARBAGE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def damage(datagram, *, seed=1, number=0, weights=(8.0, 1.0, 1.0)):
    schedule = Schedule(seed=seed, direction=Direction.OUT)
    return damaged(datagram, schedule=schedule, number=number, weights=weights)


def bits_changed(before, after):
    return sum((one ^ other).bit_count() for one, other in zip(before, after, strict=True))


@given(
    st.binary(max_size=2_000),
    st.integers(0, SEED_MAX),
    st.integers(0, 10_000),
    st.sampled_from([FLIP, TRUNCATE, GARBAGE, (1, 1, 1)]),
)
def test_a_damaged_datagram_is_never_the_original_and_never_longer(datagram, seed, number, weights):
    result = damage(datagram, seed=seed, number=number, weights=weights)
    assert result != datagram
    assert len(result) <= max(len(datagram), 1)


@given(st.binary(min_size=1, max_size=2_000), st.integers(0, SEED_MAX))
def test_damage_is_the_same_each_time(datagram, seed):
    assert damage(datagram, seed=seed) == damage(datagram, seed=seed)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10_000))
def test_flips_change_one_to_eight_bits_and_nothing_else(datagram, number):
    result = damage(datagram, number=number, weights=FLIP)
    assert 1 <= bits_changed(datagram, result) <= FLIPS_MAX


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10_000))
def test_truncation_keeps_the_beginning_only(datagram, number):
    result = damage(datagram, number=number, weights=TRUNCATE)
    assert len(result) < len(datagram)
    assert datagram.startswith(result)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10_000))
def test_garbage_keeps_the_length(datagram, number):
    assert len(damage(datagram, number=number, weights=GARBAGE)) == len(datagram)


def test_every_number_of_flips_every_byte_and_every_length_occurs():
    datagram = bytes(16)
    flips = [damage(datagram, number=number, weights=FLIP) for number in range(3_000)]
    assert {bits_changed(datagram, each) for each in flips} == set(range(1, FLIPS_MAX + 1))
    assert {at for each in flips for at, byte in enumerate(each) if byte} == set(range(16))
    cuts = [damage(datagram, number=number, weights=TRUNCATE) for number in range(3_000)]
    assert {len(each) for each in cuts} == set(range(16))


@pytest.mark.parametrize(("weights", "flips"), [((8, 1, 1), 0.8), ((1, 0, 3), 0.25), ((1, 1, 2), 0.25)])
def test_the_kinds_come_in_the_proportions_of_the_mix(weights, flips):
    datagram = bytes(1_000)
    results = [damage(datagram, number=number, weights=weights) for number in range(4_000)]
    truncated = sum(len(each) < 1_000 for each in results)
    flipped = sum(len(each) == 1_000 and bits_changed(datagram, each) <= FLIPS_MAX for each in results)
    assert flipped / 4_000 == pytest.approx(flips, abs=0.04)
    assert truncated / 4_000 == pytest.approx(weights[1] / sum(weights), abs=0.04)
