"""Many streams on one connection, and receivers that take their time: sentences about a pair."""

import pytest
from test_recovering import arrives, sent_body, settle
from virtual_pair import MS, SECOND, Pair, some_bytes

from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.units import KIB, MIB

SLOWLY = {"controller": "fixed", "rate_fixed_bps": 50_000_000}


def test_many_bodies_share_fairly():
    """Twenty of one size, all at once: while all are under way, none is far ahead of another."""
    pair = Pair("delay=10ms", client=SLOWLY)
    settle(pair)
    requests = [sent_body(pair, 500_000, seed=seed)[0] for seed in range(20)]
    pair.run(seconds=0.8)
    here = [pair.far.bodies[request].here.covered for request in requests]
    assert 100_000 < min(here) < max(here) < 500_000
    assert max(here) - min(here) < 130_000, "a batch or two"


def test_a_short_message_does_not_wait_for_a_long_body():
    pair = Pair("delay=10ms", client=SLOWLY)
    settle(pair)
    sent_body(pair, 8 * MIB)
    pair.run(seconds=0.2)
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"quick")
    began_ns = pair.now_ns
    pair.run_until(lambda: bool(pair.far.messages[request]))
    assert pair.now_ns - began_ns < 30 * MS


def test_a_body_late_in_the_day_does_not_wait_for_a_long_one():
    pair = Pair("delay=10ms", client=SLOWLY)
    settle(pair)
    sent_body(pair, 8 * MIB)
    pair.run(seconds=0.2)
    request, data = sent_body(pair, 4_096, seed=1)
    began_ns = pair.now_ns
    arrives(pair, request, data)
    assert pair.now_ns - began_ns < 60 * MS


def test_a_peer_that_stops_reading_is_held_by_its_window():
    window = {"body_window_initial_bytes": 256 * KIB, "body_window_max_bytes": 1 * MIB, "requests_max": 64}
    pair = Pair("delay=10ms", server=window)
    pair.open()
    pair.run(seconds=0.1)
    pair.far.gives_credit = False
    request, data = sent_body(pair, 4 * MIB)
    pair.run(seconds=5)
    assert pair.far.bodies[request].here.covered == 256 * KIB
    assert pair.connection.in_flight_bytes == 0
    sent = pair.connection.stats.datagrams_sent
    pair.run(seconds=2)
    assert pair.connection.stats.datagrams_sent - sent < 10, "it waits, it does not ask"
    pair.far.gives_credit = True
    pair.far.connection.consume_body(request, 256 * KIB, now_ns=pair.now_ns)
    arrives(pair, request, data)


def test_one_body_that_is_held_does_not_hold_another():
    pair = Pair(
        "delay=10ms", server={"body_window_initial_bytes": 64 * KIB, "body_window_max_bytes": 64 * KIB}
    )
    pair.open()
    pair.run(seconds=0.1)
    pair.far.gives_credit = False
    sent_body(pair, 2 * MIB)
    pair.run(seconds=1)
    arrives(pair, *sent_body(pair, 60_000, seed=1), seconds=2)


def test_windows_grow_to_fill_a_long_path():
    """64 KiB in a round trip of 200 ms are 2.6 Mbit/s; the window has to find 50."""
    pair = Pair("delay=100ms,rate=50M", server={"body_window_initial_bytes": 64 * KIB})
    pair.open()
    request, data = sent_body(pair, 24 * MIB)
    pair.run(seconds=4)
    before = pair.far.bodies[request].here.covered
    pair.run(seconds=0.5)
    assert (pair.far.bodies[request].here.covered - before) * 8 * 2 > 35_000_000
    assert len(data) > before


@pytest.mark.parametrize(("rate", "per_ack", "share"), [("2M", 2, 0.03), ("100M", 12, 0.02)])
def test_acks_come_some_times_in_a_round_trip_and_not_with_every_datagram(rate, per_ack, share):
    pair = Pair(f"delay=25ms,rate={rate}", seed=2)
    pair.open()
    request, data = sent_body(pair, 200_000 if rate == "2M" else 6 * MIB)
    arrives(pair, request, data)
    far = pair.far.connection.stats
    assert far.datagrams_received / far.acks_sent >= per_ack
    assert far.ack_bytes_sent < far.bytes_received * share


def test_a_thousand_small_requests_leave_nothing_behind():
    """Eight at a time; each asks and is answered."""
    pair = Pair("delay=1ms", server={"requests_max": 8})
    pair.open()
    pair.run(seconds=0.01)
    done = 0
    while done < 1_000:
        request = pair.connection.open_request()
        if request is None:
            pair.run(seconds=0.005)
            continue
        pair.connection.send_message(request, b"ask")
        pair.connection.finish_request(request)
        pair.run_until(lambda r=request: bool(pair.far.messages[r]))
        pair.far.connection.send_message(request, b"answer")
        pair.far.connection.finish_request(request)
        done += 1
    pair.run(seconds=1)
    for side in (pair.connection, pair.far.connection):
        core = side._core
        assert core.requests.open == {}
        assert len(core.requests._ended) == 1
        assert core.recovery.ledger.in_flight_bytes == 0
        assert len(core.recovery.ledger.flight) == 0


def test_a_client_whose_requests_all_ended_at_once_hears_that_it_may_open_more():
    """The last ACK ends them at the server, and nothing else is on its way that could carry the news."""
    pair = Pair("delay=1ms", server={"requests_max": 8})
    pair.open()
    pair.run(seconds=0.01)
    asked = [pair.connection.open_request() for _ in range(8)]
    assert pair.connection.open_request() is None
    for request in asked:
        pair.connection.send_message(request, b"ask")
        pair.connection.finish_request(request)
    pair.run_until(lambda: all(pair.far.messages[request] for request in asked))
    for request in asked:
        pair.far.connection.send_message(request, b"answer")
        pair.far.connection.finish_request(request)
    pair.run(seconds=0.1)
    assert pair.connection.open_request() == 8


def test_bytes_go_both_ways_at_once():
    pair = Pair("delay=10ms,drop=0.05", seed=8)
    pair.open()
    request, data = sent_body(pair, 500_000)
    pair.connection.send_message(request, b"and back")
    pair.run_until(lambda: bool(pair.far.messages[request]))
    back = some_bytes(500_000, seed=1)
    pair.far.connection.supply_body(request, 0, back)
    arrives(pair, request, data)
    pair.run_until(lambda: pair.client.bodies[request].here.covered == len(back), seconds=20)
    assert bytes(pair.client.bodies[request].bytes) == back
    assert pair.connection._core.side is Side.CLIENT
    assert pair.now_ns < 20 * SECOND


def test_what_is_lost_is_a_share_of_what_could_be_noticed():
    """Datagrams that only acknowledge are lost unseen; among all that were sent 50 % looked like 31."""
    pair = Pair("delay=5ms,out.drop=0.5", seed=4)
    request = pair.connection.open_request()
    for number in range(300):
        pair.connection.send_message(request, b"ask")
        pair.run_until(lambda n=number: len(pair.far.messages[request]) > n if pair.server.diaries else False)
        pair.far.connection.send_message(request, b"answer")
        pair.run_until(lambda n=number: len(pair.client.messages[request]) > n)
    stats = pair.connection.stats
    assert 0.45 < (stats.lost - stats.spurious) / stats.eliciting_sent < 0.55
    assert stats.eliciting_sent < 0.8 * stats.datagrams_sent
