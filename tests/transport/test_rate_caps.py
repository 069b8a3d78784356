"""No faster than either side wants: what is sent keeps to the smaller cap, whatever finds the rate."""

import pytest
from test_recovering import arrives, sent_body
from virtual_pair import CLIENT, SECOND, Pair

from mayhem_udp.transport.congestion import CONTROLLERS
from mayhem_udp.transport.datagrams import Address

CAP_BPS = 2_000_000
FAST = "delay=10ms,rate=100M"
SIZE_BYTES = 1_000_000
NEW_PLACE = Address("192.0.2.77", 41_000)


def asked_body(pair, size=SIZE_BYTES):
    """The server has begun to send a body; returns how much of it is here."""
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"send me something")
    pair.run_until(lambda: bool(pair.far.messages[request]))
    pair.far.connection.supply_body(request, 0, bytes(size))
    return pair.client.bodies[request].here


def downloaded_bps(pair):
    """How fast a body comes down, by the network's clock."""
    pair.open()
    begun_ns = pair.now_ns
    here = asked_body(pair)
    pair.run_until(lambda: here.covered == SIZE_BYTES)
    return SIZE_BYTES * 8 * SECOND / (pair.now_ns - begun_ns)


def uploaded_bps(pair):
    pair.open()
    begun_ns = pair.now_ns
    arrives(pair, *sent_body(pair, SIZE_BYTES))
    return SIZE_BYTES * 8 * SECOND / (pair.now_ns - begun_ns)


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_server_sends_no_faster_than_its_client_wants(controller):
    pair = Pair(FAST, client={"rate_cap_bps": CAP_BPS}, server={"controller": controller})
    assert 0.8 * CAP_BPS <= downloaded_bps(pair) <= 1.05 * CAP_BPS


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_client_sends_no_faster_than_its_server_wants(controller):
    pair = Pair(FAST, server={"rate_cap_bps": CAP_BPS}, client={"controller": controller})
    assert 0.8 * CAP_BPS <= uploaded_bps(pair) <= 1.05 * CAP_BPS


def test_without_a_cap_the_link_is_the_bound():
    """Else the caps above would hold of themselves."""
    assert downloaded_bps(Pair(FAST)) > 10 * CAP_BPS
    assert uploaded_bps(Pair(FAST)) > 10 * CAP_BPS


@pytest.mark.parametrize(("client", "server"), [(CAP_BPS, 3 * CAP_BPS), (3 * CAP_BPS, CAP_BPS)])
def test_of_two_caps_the_smaller_holds_both_ways(client, server):
    caps = {"client": {"rate_cap_bps": client}, "server": {"rate_cap_bps": server}}
    assert 0.8 * CAP_BPS <= downloaded_bps(Pair(FAST, **caps)) <= 1.05 * CAP_BPS
    assert 0.8 * CAP_BPS <= uploaded_bps(Pair(FAST, **caps)) <= 1.05 * CAP_BPS


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_client_that_moves_takes_its_cap_along(controller):
    pair = Pair(FAST, client={"rate_cap_bps": CAP_BPS}, server={"controller": controller})
    pair.open()
    here = asked_body(pair)
    far = pair.far.connection
    old = far.path
    pair.simulator.move(CLIENT, NEW_PLACE)
    pair.connection.ping()
    pair.simulator.wake(NEW_PLACE)
    pair.simulator.run_until(lambda: far.path is not old, within_ns=SECOND)
    begun_ns, before = pair.now_ns, here.covered
    assert before < SIZE_BYTES // 4
    pair.simulator.run_until(lambda: here.covered == SIZE_BYTES, within_ns=20 * SECOND)
    moved_bps = (SIZE_BYTES - before) * 8 * SECOND / (pair.now_ns - begun_ns)
    assert 0.8 * CAP_BPS <= moved_bps <= 1.05 * CAP_BPS
