"""What is lost is found and sent again, soon and once: sentences about a pair."""

import pytest
from virtual_pair import CLIENT, MS, SECOND, SERVER, Pair, some_bytes

from mayhem_udp.errors import Code
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.transport.deadlines import CREDIT_ASKED_MAX
from mayhem_udp.transport.events import BodyReceived
from mayhem_udp.units import KIB, MIB


def sent_body(pair, count, *, seed=0):
    """The client opens a request and supplies a body; returns the request and the bytes."""
    data = some_bytes(count, seed=seed)
    request = pair.connection.open_request()
    pair.connection.supply_body(request, 0, data)
    pair.wake()
    return request, data


def arrives(pair, request, data, *, seconds=60):
    pair.run_until(lambda: pair.far.bodies[request].here.covered == len(data), seconds=seconds)
    assert bytes(pair.far.bodies[request].bytes) == data


def reroute(pair, spec):
    """From now on the network between the two is another one."""
    pair.links = pair.simulator.connect(CLIENT, SERVER, parse_spec(spec))


def gone(pair, *, after_ns=0, length_ns, way=""):
    """An item of a spec: so long from now the link is away for a while."""
    return f"{way}blackout={pair.now_ns + after_ns}ns+{length_ns}ns"


def settle(pair):
    """Everything said so far is acknowledged, and the path's size is known."""
    pair.open()
    pair.run(seconds=2)
    assert pair.connection.in_flight_bytes == 0


def test_a_message_arrives_whole(pair):
    pair.open()
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"hello")
    pair.connection.send_message(request, b"")
    pair.run_until(lambda: len(pair.far.messages[request]) == 2)
    assert pair.far.messages[request] == [b"hello", b""]


@pytest.mark.parametrize("count", [1, 16, 1_164, 1_165, 1_436, 1_437, 100_000])
def test_a_body_of_any_length_arrives_whole(pair, count):
    pair.open()
    arrives(pair, *sent_body(pair, count))


def test_a_body_of_no_bytes_is_nothing_to_send(pair):
    settle(pair)
    before = pair.connection.stats.datagrams_sent
    request, _ = sent_body(pair, 0)
    pair.run(seconds=1)
    assert pair.connection.stats.datagrams_sent == before
    assert pair.connection.is_open(request)


def test_a_lost_tail_is_recovered_by_one_probe(pair):
    settle(pair)
    reroute(pair, f"delay=10ms,{gone(pair, length_ns=20 * MS)}")
    began_ns = pair.now_ns
    arrives(pair, *sent_body(pair, 10))
    assert pair.connection.stats.probes_sent in (1, 2), "a probe timeout sends at most two (RFC 9002 6.2.4)"
    assert pair.now_ns - began_ns < 200 * MS


def test_a_tail_is_not_acknowledged_late(pair):
    """The sender has no more to send, and says so: the ACK does not wait for its delay."""
    settle(pair)
    request, data = sent_body(pair, 10)
    began_ns = pair.now_ns
    pair.run_until(lambda: pair.connection.body_acked_bytes(request) == len(data))
    assert pair.now_ns - began_ns == 20 * MS


def test_one_loss_costs_one_retransmission_within_two_round_trips():
    quick = {"controller": "fixed", "rate_fixed_bps": 200_000_000}
    pair = Pair("delay=10ms", client=quick, server={"requests_max": 32})  # few bodies have more credit
    settle(pair)
    reroute(pair, f"delay=10ms,{gone(pair, after_ns=2 * MS, length_ns=MS, way='out.')}")
    request, data = sent_body(pair, 200_000)
    lost_before = pair.connection.stats.lost
    began_ns = pair.now_ns
    arrives(pair, request, data)
    lost = pair.connection.stats.lost - lost_before
    assert 0 < lost == pair.connection.stats.retransmitted
    assert pair.connection.stats.probes_sent == 0
    assert pair.now_ns - began_ns < 10 * MS + 2 * 25 * MS + 10 * MS


def test_a_lost_retransmission_is_found_as_fast_as_a_first_loss():
    """Everything is lost for two round trips: the first loss, and the retransmissions with it.

    What follows them has higher numbers, so no timer has to double for their sake.
    """
    waits = []
    for length_ns in (2 * MS, 28 * MS):
        pair = Pair("delay=10ms", client={"controller": "fixed", "rate_fixed_bps": 50_000_000})
        settle(pair)
        reroute(pair, f"delay=10ms,{gone(pair, after_ns=20 * MS, length_ns=length_ns, way='out.')}")
        request, data = sent_body(pair, 900_000)
        back_ns = pair.now_ns + 20 * MS + length_ns
        first = 20 * MS * 50_000_000 // 8 // SECOND  # sent before the link went away, but for headers
        pair.run_until(lambda pair=pair, r=request, n=first: pair.far.bodies[r].here.stop_of(0) > n + 2_000)
        waits.append(pair.now_ns - back_ns)
        arrives(pair, request, data)
        assert pair.connection.stats.probes_sent == 0
    assert waits[1] <= waits[0] + 25 * MS


def test_reordering_is_not_taken_for_loss_for_long():
    """Both thresholds adapt: what is late by less than a round trip is waited for."""
    pair = Pair(
        "delay=20ms,jitter=15ms,order=free", client={"controller": "fixed", "rate_fixed_bps": 50_000_000}
    )
    pair.open()
    arrives(pair, *sent_body(pair, 1 * MIB))
    early = pair.connection.stats.spurious
    assert early > 0, "the first ones are taken for lost"
    arrives(pair, *sent_body(pair, 4 * MIB, seed=1))
    datagrams = 4 * MIB // 1_440
    assert pair.connection.stats.spurious - early < datagrams // 50


def test_a_spurious_loss_is_undone_and_counted():
    pair = Pair("delay=10ms,reorder=0.02,reorder_by=8,reorder_hold=15ms", seed=3)
    pair.open()
    request, data = sent_body(pair, 1 * MIB)
    arrives(pair, request, data)
    pair.run(seconds=1)
    stats = pair.connection.stats
    assert stats.spurious > 0
    assert pair.links.outward.counts.lost == 0
    assert pair.connection.body_acked_bytes(request) == len(data)
    assert pair.connection.in_flight_bytes == 0
    assert pair.far.connection.stats.duplicate_dropped == 0, "numbers are never sent twice"


def test_duplicated_datagrams_are_delivered_once():
    pair = Pair("delay=10ms,duplicate=1")
    pair.open()
    request, data = sent_body(pair, 300_000)
    arrives(pair, request, data)
    delivered = sum(len(each.data) for each in pair.far.events if isinstance(each, BodyReceived))
    assert delivered == len(data)
    assert pair.far.connection.stats.duplicate_dropped > 200


def test_damaged_datagrams_are_counted_on_both_sides_and_repeated():
    pair = Pair("delay=10ms,out.corrupt=0.1,corrupt_mix=1:0:0")
    pair.open()
    arrives(pair, *sent_body(pair, 1 * MIB))
    pair.run(seconds=1)
    dropped = pair.far.connection.stats.corrupt_dropped
    assert dropped > 20
    assert pair.connection.stats.peer_corrupt == dropped


@pytest.mark.parametrize("length_s", [1, 4, 12])
def test_a_transfer_goes_on_after_a_blackout(length_s):
    """Probes go out at least every half second, so the wait beyond the blackout is that at most."""
    pair = Pair("delay=10ms,rate=50M", seed=4)
    pair.open()
    request, data = sent_body(pair, 3 * MIB)
    pair.run(seconds=0.2)
    reroute(pair, f"delay=10ms,rate=50M,{gone(pair, length_ns=length_s * SECOND)}")
    gone_ns = pair.now_ns + length_s * SECOND
    before = pair.far.bodies[request].here.covered
    assert before < len(data)
    pair.run_until(lambda: pair.far.bodies[request].here.covered > before + 100 * KIB)
    assert pair.now_ns - gone_ns < 800 * MS
    arrives(pair, request, data)


def test_control_frames_do_not_multiply_over_blackouts():
    """Each probe repeats what is oldest in flight; what is lost is said again once, not once for each copy."""
    pair = Pair("delay=10ms,in.blackout=100ms+900ms/1s", seed=2, client={"idle_timeout_ns": 100 * SECOND})
    pair.run(seconds=30)
    far = next(iter(pair.server.listener.connections.values()))
    assert far.stats.datagrams_sent < 300
    assert len(far._core.control) <= 1
    assert max(len(run.frames) for run in [*far._core.recovery.ledger.flight.runs, NO_FRAMES]) <= 3


class NO_FRAMES:  # noqa: N801  # stands in for a run
    frames = ()


def test_one_probe_says_all_that_is_short_and_was_not_heard(pair):
    settle(pair)
    reroute(pair, f"delay=10ms,{gone(pair, length_ns=5 * MS, way='out.')}")
    request = pair.connection.open_request()
    for message in (b"first", b"second", b"third"):
        pair.connection.send_message(request, message)
        pair.run(seconds=0.001)
    pair.run_until(lambda: bool(pair.far.messages[request]))
    assert pair.far.messages[request] == [b"first", b"second", b"third"]
    assert pair.connection.stats.probes_sent in (1, 2)


def test_credit_that_was_lost_is_asked_for_after_a_probe_timeout():
    """The server has no sample of the round trip, and would say it again only after a second."""
    pair = Pair(
        "delay=10ms,out.blackout=39ms+2ms",  # the client's first ACK is lost
        client={"controller": "fixed", "rate_fixed_bps": 50_000_000},
        server={"body_window_initial_bytes": 64 * KIB, "requests_max": 1_000},
    )
    pair.open()
    far = next(iter(pair.server.listener.connections.values()))
    pair.server.diary_of(far).gives_credit = False
    request, data = sent_body(pair, 2 * MIB)
    pair.run(seconds=0.2)
    came = pair.far.bodies[request].here.covered
    assert (came, far.rtt.samples) == (64 * KIB, 0)
    reroute(pair, f"delay=10ms,{gone(pair, length_ns=MS, way='in.')}")
    pair.far.gives_credit = True
    far.consume_body(request, came, now_ns=pair.now_ns)
    pair.wake()
    pair.run(seconds=0.002)
    assert pair.links.inward.counts.blacked_out == 1, "the credit was lost"
    pair.run_until(lambda: pair.far.bodies[request].here.covered > came, seconds=0.3)
    arrives(pair, request, data)


def test_who_waits_for_credit_that_is_not_given_asks_ever_less_often_and_then_no_more(pair):
    """Else one whom nobody will ever answer would keep its connection alive for ever."""
    pair.open()
    far = next(iter(pair.server.listener.connections.values()))
    pair.server.diary_of(far).gives_credit = False
    sent_body(pair, 2 * MIB)
    pair.run(seconds=1)
    before = pair.connection.stats.datagrams_sent
    pair.run(seconds=24)
    assert 0 < pair.connection.stats.datagrams_sent - before < CREDIT_ASKED_MAX
    pair.run(seconds=40)
    assert pair.client.closed.code == Code.IDLE_TIMEOUT


@pytest.mark.parametrize(("loss", "share"), [(0.0, 0.01), (0.1, 0.01), (0.3, 0.015), (0.5, 0.02)])
def test_what_the_peer_knows_to_be_acknowledged_is_not_said_again(loss, share):
    """With loss every hole in the numbers stays one: ACKs name it some times, and then no longer."""
    pair = Pair(f"delay=20ms,drop={loss},rate=50M", seed=5)
    pair.open()
    arrives(pair, *sent_body(pair, 3 * MIB))
    far = pair.far.connection
    assert far.stats.ack_bytes_sent / far.stats.bytes_received < share
    assert len(far._core.acks.received) < 1_000


def test_a_request_that_was_reset_is_not_sent_on_by_a_probe():
    pair = Pair("delay=10ms", client={"controller": "fixed", "rate_fixed_bps": 20_000_000})
    settle(pair)
    request, _ = sent_body(pair, 900_000)
    pair.run(seconds=0.05)
    reroute(pair, f"delay=10ms,{gone(pair, length_ns=3 * SECOND)}")
    pair.run(seconds=0.05)
    pair.connection.reset_request(request, 10, "enough")
    before = pair.connection.stats.bytes_sent
    pair.run(seconds=10)
    assert pair.far.resets[request] == (10, "enough")
    assert pair.connection.stats.bytes_sent - before < 50_000, "probes of the path's size, but not the body"
    assert pair.connection.in_flight_bytes == 0


def test_a_body_that_was_held_by_credit_goes_on_when_credit_comes():
    """All of it was supplied long ago: nothing but the credit wakes it."""
    pair = Pair(
        "delay=10ms", server={"body_window_initial_bytes": 128 * KIB, "body_window_max_bytes": 128 * KIB}
    )
    pair.open()
    arrives(pair, *sent_body(pair, 2 * MIB))
