"""Two thousand simulated lives: whatever the network does, every file arrives exact and everything ends."""

import pytest
from life import live

SEEDS = 2_000
SEEDS_PER_TEST = 20


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_every_life_ends_well(first):
    for seed in range(first, first + SEEDS_PER_TEST):
        live(seed)


def test_a_seed_is_lived_the_same_way_twice():
    for seed in range(5_000, 5_010):
        first, second = live(seed), live(seed)
        assert first.simulator.now_ns == second.simulator.now_ns
        assert first.links.outward.counts == second.links.outward.counts
        assert [str(each) for each in first.simulator.trace] == [str(each) for each in second.simulator.trace]
