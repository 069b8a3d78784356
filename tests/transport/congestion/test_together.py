"""Several flows on one link: nobody starves, and the link stays full. What is not reached is in the docstrings."""

from dataclasses import replace

import pytest
from courses import MBIT, PARTIES, Guest, Party, jain, run_together

from mayhem_udp.units import SECOND

FLOORS = {
    "four at once": 0.95,
    "two, 10 s apart": 0.95,
    "four, round trips 50 to 100 ms": 0.88,
    "four, shallow queue, 0.2 BDP": 0.8,
}


@pytest.mark.parametrize("name", FLOORS)
def test_flows_of_one_kind_share(name):
    """Target of each: Jain's index of 0.95.

    Short of it: round trips that differ twofold (0.94 to 0.95), and, at some seeds, starts that are a few
    seconds apart; the goodput table of the page on congestion shows them all.
    """
    shares = run_together(replace(PARTIES[name], to_s=45))
    assert jain(shares) >= FLOORS[name]
    assert 0.9 <= sum(shares) <= 1.01


@pytest.mark.parametrize(
    ("name", "least"),
    [("beside a TCP CUBIC", 0.25), ("beside a TCP CUBIC, 2 BDP", 0.25), ("beside a TCP BBR", 0.08)],
)
def test_ours_and_another_leave_each_other_room(name, least):
    """Target: a quarter of the link for each. Beside the first BBR, which is deaf to loss, we get less."""
    shares = run_together(replace(PARTIES[name], to_s=45))
    assert min(shares) >= least
    assert sum(shares) >= 0.9


@pytest.mark.parametrize(("count", "floor"), [(2, 0.85), (3, 0.9), (4, 0.9)])
def test_cubic_flows_share(count, floor):
    """Target: 0.95. CUBIC of one round trip converges slowly; a minute is short for it."""
    link = replace(PARTIES["four at once"].link, rate_bps=20 * MBIT)
    shares = run_together(Party(link, [Guest("cubic", start_ns=n * SECOND) for n in range(count)]))
    assert jain(shares) >= floor
    assert sum(shares) >= 0.95


def test_jains_index_is_one_for_equals_and_one_nth_for_one_of_n():
    assert jain([0.25] * 4) == 1
    assert jain([1.0, 0, 0, 0]) == 0.25
