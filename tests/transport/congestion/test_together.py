"""Several flows on one link: nobody starves, and the link stays full. What is not reached is in the docstrings."""

from dataclasses import replace

import pytest
from courses import MBIT, PARTIES, Guest, Party, invite, jain, run_together

from mayhem_udp.units import MS, SECOND

FLOORS = {
    "four at once": 0.95,
    "four, 2 s apart": 0.95,
    "two, 10 s apart": 0.95,
    "four, round trips 50 to 100 ms": 0.93,
    "four, shallow queue, 0.2 BDP": 0.7,
}


@pytest.mark.parametrize("name", FLOORS)
def test_flows_of_one_kind_share(name):
    """Target of each: Jain's index of 0.95.

    Short of it for some seeds: round trips that differ twofold (0.90 to 0.99), and queues that hold next to
    nothing (0.82 to 0.99); the goodput table shows them all.
    """
    shares = run_together(replace(PARTIES[name], to_s=45)).shares
    assert jain(shares) >= FLOORS[name]
    assert 0.9 <= sum(shares) <= 1.01


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_round_trip_four_times_as_long_is_no_privilege(seed):
    """Whoever looks and gives way half as often bears less of a queue; by the rate alone it had 0.62 of the link."""
    party = Party(PARTIES["four at once"].link, [Guest(round_trip_ns=each * MS) for each in (25, 100)])
    assert max(run_together(replace(party, from_s=5, to_s=30), seed=seed).shares) < 0.57


@pytest.mark.parametrize(
    ("name", "least"),
    [("beside a TCP CUBIC", 0.25), ("beside a TCP CUBIC, 2 BDP", 0.25), ("beside a TCP BBR", 0.15)],
)
def test_ours_and_another_leave_each_other_room(name, least):
    """Target: a quarter of the link for each. Beside the first BBR, which is deaf to loss, it is nearly that."""
    shares = run_together(replace(PARTIES[name], to_s=45)).shares
    assert min(shares) >= least
    assert sum(shares) >= 0.9


@pytest.mark.parametrize(("count", "floor"), [(2, 0.85), (3, 0.9), (4, 0.9)])
def test_cubic_flows_share(count, floor):
    """Target: 0.95. CUBIC of one round trip converges slowly; a minute is short for it."""
    link = replace(PARTIES["four at once"].link, rate_bps=20 * MBIT)
    shares = run_together(Party(link, [Guest("cubic", start_ns=n * SECOND) for n in range(count)])).shares
    assert jain(shares) >= floor
    assert sum(shares) >= 0.95


def test_late_comers_do_not_take_the_drops_of_a_full_queue_for_chance():
    """Whoever comes late has never seen the path empty; sending more against such drops feeds them."""
    simulation, flows = invite(PARTIES["four, 2 s apart"])
    simulation.run(until_ns=30 * SECOND)
    assert max(flow.controller.model.random_loss.share for flow in flows) < 0.1
    assert 1 - sum(flow.delivered for flow in flows) / sum(flow.sent for flow in flows) < 0.3


@pytest.mark.parametrize("seed", [118, 233])
def test_losses_of_a_queue_that_has_just_emptied_are_not_taken_for_chance(seed):
    """In two of 120 draws one of four did so, took seven tenths of the link, and lost a third of what it sent."""
    link = replace(PARTIES["four at once"].link, queue_bdp=0.25, loss=0.02)
    party = Party(link, [Guest() for _ in range(4)], from_s=6, to_s=10)
    assert jain(run_together(party, seed=seed).shares) >= 0.9


@pytest.mark.parametrize("name", ["four at once", "four, 2 s apart"])
def test_flows_of_one_kind_keep_the_queue_that_they_share_short(name):
    """They all see it, give way together, and meet; so next to nothing is lost for want of room."""
    assert run_together(PARTIES[name]).lost < 0.03


def test_jains_index_is_one_for_equals_and_one_nth_for_one_of_n():
    assert jain([0.25] * 4) == 1
    assert jain([1.0, 0, 0, 0]) == 0.25
