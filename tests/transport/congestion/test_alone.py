"""One flow alone: what its rate follows, and what not. How much of each link is used, `test_goodput` says."""

from dataclasses import replace

import pytest
from bottleneck import Link, Simulation
from courses import COURSES, DATAGRAM_BYTES, MBIT, WIDE, Course, maker, run_alone
from sender import Flow

from mayhem_udp.units import MS, SECOND


def test_bbr_loses_little_to_a_queue_that_is_short():
    assert run_alone(COURSES["shallow queue, 0.2 BDP"]).lost < 0.1


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
def test_random_loss_alone_does_not_slow_bbr_down(loss):
    """Of what is sent just that share is lost; what arrives is what is left of a link that is kept full."""
    course = Course(replace(WIDE, rate_bps=20 * MBIT, loss_after_queue=loss), 0.0, seconds=10)
    assert run_alone(course).share >= 0.9


def goodput_bps(flow, *, from_ns, to_ns):
    """How fast a flow delivers between two moments."""
    flow.simulation.run(until_ns=from_ns)
    before = flow.delivered
    flow.simulation.run(until_ns=to_ns)
    return (flow.delivered - before) * 8 * SECOND / (to_ns - from_ns)


@pytest.mark.parametrize(("before", "after"), [(5, 50), (50, 5)])
def test_bbr_follows_a_change_of_rate_within_two_seconds(before, after):
    link = Link(before * MBIT, 50 * MS, other_rate_bps=after * MBIT, change_ns=10 * SECOND)
    flow = Flow(Simulation(link), maker("bbr"))
    assert goodput_bps(flow, from_ns=8 * SECOND, to_ns=10 * SECOND) > 0.85 * before * MBIT
    assert goodput_bps(flow, from_ns=12 * SECOND, to_ns=14 * SECOND) > 0.8 * after * MBIT


def test_bbr_comes_back_after_the_link_was_away():
    link = Link(20 * MBIT, 50 * MS, away_every_ns=100 * SECOND, away_ns=95 * SECOND)
    flow = Flow(Simulation(link), maker("bbr"))
    flow.simulation.run(until_ns=100 * SECOND)
    assert goodput_bps(flow, from_ns=102_500 * MS, to_ns=104_500 * MS) > 0.8 * 20 * MBIT


# --- The others ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("queue_bdp", "share"), [(0.2, 0.8), (1.0, 0.9), (5.0, 0.95)])
def test_cubic_uses_a_link_that_loses_nothing_by_chance(queue_bdp, share):
    course = Course(replace(WIDE, rate_bps=20 * MBIT, queue_bdp=queue_bdp), share)
    assert run_alone(course, controller="cubic").share >= share


def test_cubic_gives_way_to_every_loss():
    """As TCP does; so with one loss in a hundred it is far from what the link carries."""
    course = Course(replace(WIDE, rate_bps=20 * MBIT, loss=0.01), 0.0)
    assert run_alone(course, controller="cubic").share < 0.3


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3, 0.5])
def test_a_fixed_rate_is_kept_whatever_is_lost(loss):
    """20 Mbit/s of datagrams over a link of 100."""
    flow = Flow(Simulation(replace(WIDE, loss=loss)), maker("fixed"), datagram_bytes=DATAGRAM_BYTES)
    rate = goodput_bps(flow, from_ns=1 * SECOND, to_ns=6 * SECOND)
    assert rate == pytest.approx(20 * MBIT * (1 - loss), rel=0.05)
