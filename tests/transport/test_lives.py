"""How connections begin, rest and end: sentences about a pair."""

import pytest
from test_recovering import arrives, gone, reroute, sent_body, settle
from virtual_pair import CLIENT, MS, SECOND, SERVER, Pair

from mayhem_udp.errors import Code
from mayhem_udp.mayhem.trace import Happening
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.events import Connected, Origin
from mayhem_udp.transport.state import State


def test_a_new_client_is_open_after_two_round_trips(pair):
    pair.open()
    assert pair.now_ns == 40 * MS
    assert pair.server.listener.stats.retries == 1


def test_a_message_of_a_client_with_a_token_needs_no_round_trip(pair):
    """It travels with the greeting."""
    pair.open()
    pair.run(seconds=0.1)
    visitor = Pair("delay=10ms", seed=1, token=pair.client.tokens[0])  # the same seed: the same secret
    request = visitor.connection.open_request()
    visitor.connection.send_message(request, b"early")
    visitor.run_until(lambda: bool(visitor.server.diaries) and bool(visitor.far.messages[request]))
    assert visitor.now_ns == 10 * MS
    assert visitor.server.listener.stats.retries == 0
    visitor.open()
    assert visitor.now_ns == 20 * MS


@pytest.mark.parametrize("seed", range(12))
def test_a_handshake_gets_through_loss_duplication_and_reordering(seed):
    pair = Pair("delay=10ms,drop=0.4,duplicate=0.3,reorder=0.5", seed=seed)
    pair.open()
    arrives(pair, *sent_body(pair, 10_000))
    connected = [each for each in pair.client.events if isinstance(each, Connected)]
    assert len(connected) == 1
    assert len(pair.server.listener.connections) == 1, "however often it said hello"


def test_a_server_that_is_not_there_is_given_up_in_time():
    pair = Pair("delay=10ms,blackout=0s+1h", client={"handshake_timeout_ns": 5 * SECOND})
    pair.run(seconds=10)
    assert (pair.client.closed.code, pair.client.closed.origin) == (Code.HANDSHAKE_TIMEOUT, Origin.LOCAL)
    assert pair.connection.state is State.CLOSED
    assert pair.connection.next_deadline_ns() is None


def test_a_graceful_close_is_told_and_leaves_nothing(pair):
    pair.open()
    arrives(pair, *sent_body(pair, 50_000))
    pair.connection.close(Code.OK, "done", now_ns=pair.now_ns)
    pair.run(seconds=3)
    assert (pair.far.closed.code, pair.far.closed.reason, pair.far.closed.origin) == (0, "done", Origin.PEER)
    assert pair.client.closed.origin is Origin.LOCAL
    assert pair.is_over()
    assert pair.connection.next_deadline_ns() is None
    assert not pair.server.listener._per_host


@pytest.mark.parametrize("closer", ["client", "server"])
def test_closing_in_the_middle_of_a_transfer_leaves_no_deadline_that_spins(pair, closer):
    """An ACK was due and data in flight: neither is waited for any more."""
    pair.open()
    sent_body(pair, 900_000)
    pair.run(seconds=0.0701)
    side = pair.connection if closer == "client" else pair.far.connection
    side.close(Code.CANCELLED, "changed my mind", now_ns=pair.now_ns)
    pair.run(seconds=3)  # the simulator fails where time stands still
    assert pair.is_over()
    assert pair.connection.next_deadline_ns() is None


def test_a_goodbye_that_was_lost_is_said_again_to_who_goes_on(pair):
    settle(pair)
    reroute(pair, f"delay=10ms,{gone(pair, length_ns=5 * MS, way='in.')}")
    sent_body(pair, 2_000_000)
    far = next(iter(pair.server.listener.connections.values()))
    far.close(Code.SHUTTING_DOWN, "restarting", now_ns=pair.now_ns)
    pair.run(seconds=0.5)
    assert pair.client.closed is not None
    assert pair.client.closed.code == Code.SHUTTING_DOWN


def test_one_late_datagram_is_enough_to_hear_the_goodbye_again(pair):
    settle(pair)
    reroute(pair, f"delay=10ms,{gone(pair, length_ns=5 * MS, way='in.')}")
    far = next(iter(pair.server.listener.connections.values()))
    far.close(Code.SHUTTING_DOWN, "restarting", now_ns=pair.now_ns)
    pair.run(seconds=0.1)
    assert pair.client.closed is None, "it was lost"
    pair.connection.ping()
    pair.run(seconds=0.1)
    assert pair.client.closed.code == Code.SHUTTING_DOWN


def test_an_idle_connection_ends_by_itself_on_both_sides():
    pair = Pair("delay=10ms", client={"idle_timeout_ns": 5 * SECOND})
    pair.open()
    pair.run(seconds=20)
    assert pair.client.closed.code == pair.far.closed.code == Code.IDLE_TIMEOUT
    assert pair.is_over(), "the server follows the shorter of both times"


def test_keep_alive_keeps_a_request_alive_that_says_nothing():
    pair = Pair("delay=10ms", client={"idle_timeout_ns": 5 * SECOND, "keep_alive_ns": SECOND})
    pair.open()
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"wait for me")
    pair.run(seconds=60)
    assert pair.client.closed is None
    pair.connection.reset_request(request, Code.CANCELLED, "no longer")
    pair.run(seconds=20)
    assert pair.client.closed.code == Code.IDLE_TIMEOUT, "without a request there is nothing to keep"


@pytest.mark.parametrize("who", ["client", "server"])
def test_after_a_goodbye_no_request_is_opened(pair, who):
    """It would never be heard of again."""
    pair.open()
    (pair.connection if who == "client" else pair.far.connection).close(Code.OK, "enough", now_ns=pair.now_ns)
    pair.wake()
    pair.run(seconds=0.05)
    assert pair.connection.state not in (State.OPENING, State.OPEN)
    assert pair.connection.open_request() is None


def test_a_restarted_server_is_noticed_within_a_round_trip(pair):
    pair.open()
    sent_body(pair, 900_000)
    pair.run(seconds=0.05)
    pair.server.listener.connections.clear()
    began_ns = pair.now_ns
    pair.run_until(lambda: pair.client.closed is not None)
    assert (pair.client.closed.code, pair.client.closed.origin) == (Code.CONNECTION_LOST, Origin.RESET)
    assert pair.now_ns - began_ns <= 2 * 20 * MS


# --- Addresses ---------------------------------------------------------------------------------------


NEW_PLACE = Address("192.0.2.77", 41_000)


def test_a_client_that_moves_in_mid_transfer_goes_on_from_there():
    pair = Pair("delay=10ms,rate=50M", seed=6)
    pair.open()
    request, data = sent_body(pair, 2_000_000)
    pair.run(seconds=0.15)
    assert pair.far.bodies[request].here.covered < len(data)
    pair.simulator.move(CLIENT, NEW_PLACE)
    pair.run_until(lambda: pair.far.bodies[request].here.covered == len(data))
    far = pair.far.connection
    assert far.path.address == NEW_PLACE
    assert "PathChanged" in pair.far.kinds()
    assert pair.client.closed is None


def test_a_server_that_sends_when_the_client_moves_starts_anew_on_the_new_path():
    """The new path has a round trip and counters of its own; what was sent over the old says nothing of it."""
    pair = Pair("delay=10ms,rate=50M", seed=6)
    pair.open()
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"send me something")
    pair.run_until(lambda: bool(pair.far.messages[request]))
    far = pair.far.connection
    data = bytes(900_000)
    far.supply_body(request, 0, data)
    pair.run(seconds=0.1)
    old = far.path
    assert old.delivery.delivered_bytes > 0
    pair.simulator.move(CLIENT, NEW_PLACE)
    pair.connection.ping()
    pair.simulator.wake(NEW_PLACE)
    pair.simulator.run_until(lambda: far.path is not old, within_ns=SECOND)
    assert far.path.delivery.delivered_bytes == 0
    assert far.path.rtt.samples == 0
    pair.simulator.run_until(
        lambda: pair.client.bodies[request].here.covered == len(data), within_ns=20 * SECOND
    )
    sent = far.path.delivery
    assert 0 < sent.delivered_bytes <= sent.sent_bytes
    assert 20 * MS <= far.path.rtt.min_ns < 60 * MS


def test_an_address_that_does_not_answer_gets_three_times_what_came_and_no_data(pair):
    """A copy of a new datagram arrives from elsewhere before the original: nothing moves."""
    pair.open()
    pair.run(seconds=0.1)
    far = pair.far.connection
    elsewhere = Address("203.0.113.5", 7)
    pair.connection.ping()
    copied = bytes(pair.connection.poll_transmit(now_ns=pair.now_ns).buffer)
    pair.simulator.inject(copied, source=elsewhere, destination=SERVER)
    pair.run(seconds=2)
    there = [
        each
        for each in pair.simulator.trace
        if each.other == elsewhere and each.happening is Happening.NOWHERE
    ]
    assert 0 < sum(each.size_bytes for each in there) <= 3 * len(copied)
    assert far.path.address == CLIENT
    assert "PathChanged" not in pair.far.kinds()
