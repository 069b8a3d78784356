"""The simulator: a world of peers and links that is a function of its seed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import CLIENT, SERVER, TIMEOUT_NS, Fountain, ToyReceiver, ToySender

from mayhem_udp.mayhem.faults import SEED_MAX, FaultSpec, MayhemSpec
from mayhem_udp.mayhem.link import Link
from mayhem_udp.mayhem.simulator import SimulationFailure, Simulator
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.units import HOUR, MS, SECOND

BLOCKS = [bytes([number]) * 500 for number in range(30)]
MINUTES_5 = 300 * SECOND


def world(spec="none", *, seed=1, blocks=BLOCKS, gather_ns=0):
    """A simulator with a toy sender and receiver joined by links of a spec."""
    simulator = Simulator(seed=seed, gather_ns=gather_ns, replay=f"replay --seed {seed}")
    sender, receiver = ToySender(blocks), ToyReceiver()
    simulator.add(receiver, SERVER)
    simulator.add(sender, CLIENT)
    pair = simulator.connect(CLIENT, SERVER, parse_spec(spec))
    return simulator, sender, receiver, pair


def arrived(receiver):
    return [receiver.blocks[number] for number in sorted(receiver.blocks)]


@settings(max_examples=60)
@given(
    st.integers(0, SEED_MAX),
    st.sampled_from(
        ["challenge", "flaky", "wifi", "handshake-loss", "drop=0.5,corrupt=0.2,duplicate=0.3,reorder=0.3"]
    ),
    st.sampled_from([0, MS]),
)
def test_a_transport_that_repeats_itself_gets_through_any_network(seed, spec, gather_ns):
    simulator, sender, receiver, _ = world(spec, seed=seed, gather_ns=gather_ns)
    simulator.run_until(lambda: sender.is_done, within_ns=MINUTES_5)
    assert arrived(receiver) == BLOCKS


@given(st.integers(0, SEED_MAX))
@settings(max_examples=20)
def test_a_seed_is_a_whole_life(seed):
    lives = []
    for _ in range(2):
        simulator, sender, _, pair = world("flaky", seed=seed)
        simulator.run_until(lambda sender=sender: sender.is_done, within_ns=MINUTES_5)
        lives.append(
            (simulator.now_ns, sender.sent, pair.outward.counts, [str(each) for each in simulator.trace])
        )
    assert lives[0] == lives[1]


def test_seeds_live_different_lives():
    ends = set()
    for seed in range(20):
        simulator, sender, *_ = world("flaky", seed=seed)
        simulator.run_until(lambda sender=sender: sender.is_done, within_ns=MINUTES_5)
        ends.add(simulator.now_ns)
    assert len(ends) == 20


def test_time_jumps_to_the_next_arrival_and_costs_exactly_the_delays():
    simulator, sender, _, _ = world("delay=25ms")
    simulator.run_until(lambda: sender.is_done, within_ns=MINUTES_5)
    assert simulator.now_ns == len(BLOCKS) * 50 * MS
    assert sender.sent == len(BLOCKS)


def test_a_timer_wakes_its_peer_when_nothing_arrives():
    simulator, sender, *_ = world("drop=1")
    simulator.run(until_ns=10 * TIMEOUT_NS)
    assert sender.sent == 11
    assert simulator.now_ns == 10 * TIMEOUT_NS


def test_what_does_not_happen_in_time_is_a_failure_that_says_how_to_replay_it():
    simulator, sender, *_ = world("drop=1", seed=42)
    with pytest.raises(SimulationFailure) as caught:
        simulator.run_until(lambda: sender.is_done, within_ns=2 * SECOND)
    message = str(caught.value)
    assert "has not happened within 2 s (seed 42" in message
    assert "replay it with: replay --seed 42" in message
    assert "client:1 sends 1 datagrams, 508 bytes, server:2" in message
    assert "dropped=11" in message


def test_a_world_in_which_nothing_is_left_to_happen_is_a_failure_too():
    simulator = Simulator()
    simulator.add(ToyReceiver(), SERVER)
    with pytest.raises(SimulationFailure, match="nothing is left to happen"):
        simulator.run_until(lambda: False, within_ns=SECOND)


def test_a_peer_whose_timer_is_always_due_is_a_livelock():
    class Restless(ToyReceiver):
        def next_deadline_ns(self):
            return 0

        def handle_timeout(self, *, now_ns):
            pass

    simulator = Simulator()
    simulator.add(Restless(), SERVER)
    with pytest.raises(SimulationFailure, match="time stands still"):
        simulator.run(until_ns=SECOND)


def test_a_peer_that_never_stops_sending_is_found_out():
    class Endless(Fountain):
        def poll_transmit(self, *, now_ns):
            self.left = 1
            return super().poll_transmit(now_ns=now_ns)

    simulator = Simulator()
    simulator.add(Endless(to=SERVER, count=1), CLIENT)
    with pytest.raises(SimulationFailure, match="does not stop sending"):
        simulator.run(until_ns=SECOND)


def test_a_shared_bottleneck_carries_its_rate_for_all_senders_together():
    simulator = Simulator(seed=3)
    sink = Fountain(to=CLIENT, count=0)
    simulator.add(sink, SERVER)
    spec = FaultSpec(rate_bps=8 * 1_028 * 1_000, queue_bytes=1 << 30)  # 1,000 datagrams a second
    bottleneck = Link(spec, seed=simulator.seed)
    for number in range(4):
        address = Address("sender", number)
        simulator.add(Fountain(to=SERVER, count=250), address)
        simulator.route(address, SERVER, (Link(FaultSpec(delay_ns=5 * MS)), bottleneck))
    simulator.run(until_ns=10 * SECOND)
    times = [at_ns for at_ns, _ in sink.got]
    assert len(times) == 1_000
    assert times[0] == 6 * MS
    assert times[-1] == 5 * MS + 1_000 * MS
    assert bottleneck.counts.seen == 1_000


def test_a_socket_that_gathers_wakes_its_peer_once_for_many():
    woken = {}
    for gather_ns in (0, 10 * MS):
        simulator = Simulator(gather_ns=gather_ns)
        receiver = ToyReceiver()
        simulator.add(receiver, SERVER)
        simulator.add(Fountain(to=SERVER, count=100), CLIENT)
        simulator.connect(CLIENT, SERVER, parse_spec("rate=8M,queue=1M"))
        simulator.run(until_ns=SECOND)
        woken[gather_ns] = receiver.batches
    assert woken[0] == 100
    assert 10 <= woken[10 * MS] <= 11


def test_a_peer_that_moves_is_seen_at_its_new_address_and_misses_what_is_sent_to_the_old_one():
    simulator, sender, receiver, _ = world("delay=25ms")
    moved = Address("elsewhere", 9)
    simulator.at(60 * MS, lambda: simulator.move(CLIENT, moved))  # an answer is on its way
    simulator.run_until(lambda: sender.is_done, within_ns=MINUTES_5)
    assert receiver.sources == {CLIENT, moved}
    assert sender.sent == len(BLOCKS) + 1
    assert arrived(receiver) == BLOCKS


def test_a_peer_may_be_replaced_in_mid_run():
    simulator, sender, _, _ = world("delay=25ms")
    fresh = ToyReceiver()
    simulator.at(510 * MS, lambda: simulator.replace(SERVER, fresh))
    simulator.run_until(lambda: sender.is_done, within_ns=MINUTES_5)
    assert min(fresh.blocks) > 5
    assert max(fresh.blocks) == len(BLOCKS) - 1


def test_a_suspended_peer_gets_nothing_and_its_clock_stands_still():
    simulator, sender, receiver, _ = world("delay=25ms")
    simulator.at(60 * MS, lambda: simulator.suspend(CLIENT, length_ns=HOUR))
    simulator.run(until_ns=HOUR)
    assert sender.next_number == 1
    simulator.run_until(lambda: sender.is_done, within_ns=MINUTES_5)
    assert arrived(receiver) == BLOCKS
    assert (
        sender.sent == len(BLOCKS) + 1
    )  # the answer that it slept through; its timer went on from where it was
    assert HOUR + 50 * MS + TIMEOUT_NS + 28 * 50 * MS < simulator.now_ns < HOUR + 4 * SECOND


def test_a_clock_stands_still_once_however_often_its_peer_is_put_to_sleep():
    class Clock(Fountain):
        def handle_batch(self, batch, *, now_ns):
            self.shows_ns = now_ns

    simulator = Simulator()
    clock = Clock(to=SERVER, count=0)
    simulator.add(clock, CLIENT)
    simulator.at(10 * SECOND, lambda: simulator.suspend(CLIENT, length_ns=HOUR))
    simulator.at(20 * SECOND, lambda: simulator.suspend(CLIENT, length_ns=SECOND))
    simulator.at(30 * SECOND, lambda: simulator.suspend(CLIENT, length_ns=HOUR))
    simulator.run(until_ns=31 * SECOND + HOUR)
    simulator.inject(b"what time is it?", source=SERVER, destination=CLIENT)
    simulator.run(until_ns=32 * SECOND + HOUR)
    assert clock.shows_ns == 11 * SECOND


def test_clocks_of_peers_need_not_agree():
    ends = []
    for clock_ns in (0, 17 * HOUR):
        simulator = Simulator(seed=5)
        sender = ToySender(BLOCKS)
        sender._deadline_ns = clock_ns
        simulator.add(ToyReceiver(), SERVER)
        simulator.add(sender, CLIENT, clock_ns=clock_ns)
        simulator.connect(CLIENT, SERVER, parse_spec("flaky"))
        simulator.run_until(lambda sender=sender: sender.is_done, within_ns=MINUTES_5)
        ends.append(simulator.now_ns)
    assert ends[0] == ends[1]


def test_a_forged_datagram_arrives_under_the_address_that_it_claims():
    simulator, _, receiver, _ = world("drop=1")
    forger = Address("forged", 7)
    simulator.at(SECOND, lambda: simulator.inject(b"nonsense", source=forger, destination=SERVER))
    simulator.run(until_ns=2 * SECOND)
    assert receiver.sources == {forger}
    assert receiver.blocks == {}


def test_what_is_sent_to_nobody_is_noted_and_lost():
    simulator = Simulator()
    simulator.add(Fountain(to=SERVER, count=3), CLIENT)
    simulator.run(until_ns=SECOND)
    assert "sends to nobody 3 datagrams, 3000 bytes" in simulator.trace.tail()


def test_the_trace_is_bounded():
    simulator = Simulator(trace_max=10)
    simulator.add(ToyReceiver(), SERVER)
    simulator.add(ToySender(BLOCKS), CLIENT)
    simulator.connect(CLIENT, SERVER, MayhemSpec(outward=FaultSpec(delay_ns=MS)))
    simulator.run(until_ns=20 * SECOND)
    assert simulator.trace.seen > 50
    assert len(list(simulator.trace)) == 10
