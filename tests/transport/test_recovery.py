"""From an ACK to outcomes, and what the congestion controller is told of it."""

import pytest
from by_hand import PEER, ack_of
from virtual_pair import transport_settings

from mayhem_udp.transport.delivery import Delivery
from mayhem_udp.transport.ledger import Run
from mayhem_udp.transport.path import Path
from mayhem_udp.transport.recovery import NOTHING, Recovery
from mayhem_udp.units import MS, SECOND


class Listening:
    """A controller that only writes down what it is told."""

    window_bytes = 1 << 30
    pacing_rate_bps = 10**9
    send_quantum_bytes = 65_536

    def __init__(self):
        self.samples = []

    def on_ack(self, sample):
        self.samples.append(sample)


class Sender:
    """A recovery with a path and a controller that listens."""

    def __init__(self):
        self.recovery = Recovery(ack_delay_max_ns=25 * MS)
        self.path = self.new_path(0)

    def new_path(self, now_ns):
        path = Path(PEER, transport_settings(), ceiling_bytes=1_472, rate_cap_bps=0, now_ns=now_ns)
        path.controller = Listening()
        return path

    def send(self, count=1, *, now_ns=0, probe_bytes=0):
        ledger = self.recovery.ledger
        run = Run(
            first=ledger.next_number,
            count=count,
            sent_ns=now_ns,
            wire_bytes=1_000 * count,
            length=1_000 * count,
            chunk_bytes=1_000,
            probe_bytes=probe_bytes,
        )
        ledger.next_number += count
        self.path.delivery.on_sent(run, in_flight_before_bytes=ledger.in_flight_bytes)
        ledger.sent(run)
        return run

    def ack(self, *ranges, now_ns, **how):
        return self.recovery.on_ack(ack_of(*ranges, **how), self.path, now_ns=now_ns)

    @property
    def sample(self):
        return self.path.controller.samples[-1]


@pytest.fixture
def sender():
    return Sender()


def test_an_ack_settles_and_reports_once(sender):
    sender.send(4)
    outcome = sender.ack((0, 4), now_ns=50 * MS)
    assert [run.count for run in outcome.acked] == [4]
    assert (sender.sample.acked_bytes, sender.sample.acked_packets) == (4_000, 4)
    assert (sender.sample.prior_in_flight_bytes, sender.sample.in_flight_bytes) == (4_000, 0)
    assert sender.sample.rtt_ns == 50 * MS
    assert sender.ack((0, 4), now_ns=60 * MS) is NOTHING
    assert len(sender.path.controller.samples) == 1


def test_only_the_largest_gives_a_round_trip(sender):
    sender.send(1)
    sender.send(1, now_ns=10 * MS)
    sender.ack((1, 2), now_ns=50 * MS)
    sender.ack((0, 2), now_ns=500 * MS)
    assert sender.path.rtt.samples == 1
    assert sender.sample.rtt_ns is None


def test_a_loss_that_arrived_after_all_is_counted_as_delivered(sender):
    sender.send(5)
    outcome = sender.ack((4, 5), now_ns=50 * MS)
    assert [run.count for run in outcome.lost] == [2]
    assert sender.sample.lost_bytes == 2_000
    outcome = sender.ack((0, 5), now_ns=51 * MS)
    assert [(run.first, run.count) for run in outcome.spurious] == [(0, 2)]
    assert sender.sample.acked_bytes == 4_000
    assert sender.sample.delivered_bytes == 5_000
    assert sender.path.loss.spurious_packets == 2


def test_what_an_ack_says_of_a_run_stays_true_when_the_next_one_cuts_it(sender):
    """Several ACKs come in one batch, and what became of runs is settled after the last."""
    sender.send(9)
    first = sender.ack((8, 9), now_ns=50 * MS)
    (lost,) = first.lost
    second = sender.ack((8, 9), (2, 4), now_ns=50 * MS)
    assert [(run.first, run.stop) for run in second.spurious] == [(2, 4)]
    assert (lost.first, lost.stop, lost.offset, lost.length) == (0, 6, 0, 6_000)


def test_time_alone_reveals_losses(sender):
    sender.send(3)
    sender.ack((2, 3), now_ns=80 * MS)
    due_ns = sender.recovery.loss_deadline_ns
    assert due_ns == 90 * MS
    assert sender.recovery.on_time(sender.path, now_ns=due_ns - 1) is NOTHING
    outcome = sender.recovery.on_time(sender.path, now_ns=due_ns)
    assert [run.count for run in outcome.lost] == [2]
    assert (sender.sample.lost_packets, sender.sample.acked_bytes) == (2, 0)


def test_lost_probes_of_the_paths_size_are_told_to_nobody(sender):
    sender.send(probe_bytes=1_472)
    sender.send(4)
    sender.ack((4, 5), now_ns=50 * MS)
    assert sender.sample.lost_packets == 1
    assert sender.path.delivery.lost_bytes == 1_000


def test_damage_is_counted_from_the_newest_ack_and_wraps_around(sender):
    told = []
    for count, corrupt in enumerate([5, 4, 6, 0xFFFFFFFE, 6, 7]):
        sender.send()
        sender.ack((count, count + 1), now_ns=50 * MS, corrupt=corrupt)
        told.append(sender.sample.corrupt_packets)
    assert told == [5, 0, 1, 0, 0, 1], "an older ACK that comes late takes nothing back"


def test_what_was_sent_over_another_path_says_nothing_about_this_one(sender):
    """Its round trip, its rate and its losses belong to where it went (RFC 9000 section 9.4)."""
    sender.send(10)
    sender.ack((0, 1), now_ns=50 * MS)
    old, sender.path = sender.path, sender.new_path(60 * MS)
    sender.path.first_number = sender.recovery.ledger.next_number
    sender.path.loss.largest_acked = old.loss.largest_acked
    outcome = sender.ack((5, 10), now_ns=100 * MS)
    assert sum(run.count for run in outcome.acked + outcome.lost) == 5 + 4
    assert sender.path.controller.samples == []
    assert sender.path.rtt.samples == 0
    assert (sender.path.delivery.delivered_bytes, sender.path.delivery.lost_bytes) == (0, 0)
    sender.send(2, now_ns=110 * MS)
    sender.ack((3, 12), now_ns=130 * MS)
    assert sender.sample.acked_bytes == 2_000
    assert sender.sample.rtt_ns == 20 * MS
    assert 0 <= sender.sample.rate_delivered_bytes <= 2_000


# --- Delivery ------------------------------------------------------------------------------------------


def test_the_rate_is_what_was_delivered_over_the_longer_of_both_spans(sender):
    """Ten datagrams, one a millisecond, 20 ms away: the steady state shows a datagram a millisecond."""
    for number in range(100):
        now_ns = number * MS
        sender.send(now_ns=now_ns)
        if number >= 20:
            sender.ack((0, number - 19), now_ns=now_ns)
    sample = sender.sample
    assert sample.rate_delivered_bytes * MS == 1_000 * sample.rate_interval_ns
    assert sample.rate_sent_bytes == sample.rate_delivered_bytes == sample.rate_tx_in_flight_bytes == 21_000


def test_a_share_that_is_lost_shows_in_delivered_against_sent(sender):
    """Every fourth is lost: three quarters of what was sent arrive, at any rate."""
    arrived = []
    for number in range(200):
        now_ns = number * MS
        sender.send(now_ns=now_ns)
        if number >= 20 and number % 4:
            arrived.append(number - 20)
            ranges = [(each, each + 1) for each in reversed(arrived[-60:])]
            sender.ack(*ranges, now_ns=now_ns)
    sample = sender.sample
    assert sample.rate_delivered_bytes / sample.rate_sent_bytes == pytest.approx(0.75, abs=0.06)


def test_samples_of_a_sender_with_nothing_to_send_say_so():
    delivery = Delivery()
    run = Run(first=0, count=1, sent_ns=0, wire_bytes=1_000)
    delivery.on_sent(run, in_flight_before_bytes=0)
    delivery.on_app_limited(in_flight_bytes=1_000)
    later = Run(first=1, count=1, sent_ns=SECOND, wire_bytes=1_000)
    delivery.on_sent(later, in_flight_before_bytes=1_000)
    assert (run.delivery.app_limited, later.delivery.app_limited) == (False, True)
    delivery.on_acked([run], now_ns=SECOND)
    assert delivery.app_limited_until_bytes
    delivery.on_acked([later], now_ns=SECOND)
    assert not delivery.app_limited_until_bytes, "what was sent before has all been delivered"


def test_idle_time_is_no_part_of_a_rate(sender):
    sender.send(now_ns=0)
    sender.ack((0, 1), now_ns=20 * MS)
    sender.send(now_ns=10 * SECOND)
    sender.ack((0, 2), now_ns=10 * SECOND + 20 * MS)
    assert sender.sample.rate_interval_ns == 20 * MS


@pytest.mark.parametrize(("waited_ms", "samples"), [(0, 1), (50, 1), (51, 0)])
def test_an_ack_that_is_said_again_is_no_sample_of_the_round_trip(sender, waited_ms, samples):
    sender.send(now_ns=0)
    sender.ack((0, 1), delay_us=1_000 * waited_ms, now_ns=4 * SECOND)
    assert sender.path.rtt.samples == samples
