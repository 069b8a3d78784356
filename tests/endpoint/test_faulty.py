"""Mayhem at a socket: real sockets, links before them, and a clock that only the test moves."""

import pytest
from turning import Moment
from wire_to_wire import batch_to, batches_until, pattern, wait_readable

from mayhem_udp.endpoint.faulty import FaultySocket
from mayhem_udp.mayhem.faults import Direction
from mayhem_udp.mayhem.link import LinkPair
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.units import MS


@pytest.fixture
def moment():
    return Moment()


def faulty(inner, spec, moment, *, sends=Direction.OUT):
    return FaultySocket(inner, LinkPair.of(parse_spec(spec)), sends=sends, clock=moment)


def test_what_a_client_sends_meets_the_faults_of_the_way_out(bench, moment):
    server = bench.server()
    client = faulty(bench.client(server), "drop=1,direction=out", moment)
    client.send(batch_to(client.peer, pattern(5_000), 1_000))
    assert client.links.outward.counts.dropped == 5
    assert client.links.inward.counts.seen == 0
    assert client.counts.datagrams_sent == 0


def test_what_a_server_sends_meets_the_faults_of_the_way_in(bench, moment):
    inner = bench.server()
    server = faulty(inner, "drop=1,direction=in", moment, sends=Direction.IN)
    client = bench.client(inner)
    client.send(batch_to(client.peer, b"question", 8))
    wait_readable(server)
    batch = server.receive()
    assert bytes(batch.buffer[: batch.total_bytes]) == b"question"
    server.send(batch_to(batch.address, b"answer", 6))
    assert server.links.inward.counts.dropped == 1


def test_what_comes_in_keeps_its_sender_its_order_and_its_batches(bench, moment):
    inner = bench.server()
    server = faulty(inner, "duplicate=1,direction=out", moment, sends=Direction.IN)
    one, other = bench.client(inner), bench.client(inner)
    one.send(batch_to(one.peer, pattern(3_000), 1_000))
    other.send(batch_to(other.peer, pattern(500, salt=1), 500))
    batches = batches_until(server, 7_000)
    came = {address.port: data for data, _, address in batches}
    expected = pattern(3_000)
    assert came[one.local.port] == b"".join(2 * expected[at : at + 1_000] for at in (0, 1_000, 2_000))
    assert came[other.local.port] == 2 * pattern(500, salt=1)


def test_what_is_delayed_goes_at_its_time_and_the_deadline_says_when(bench, moment):
    server = bench.server()
    client = faulty(bench.client(server), "delay=20ms,direction=out", moment)
    sent_ns = moment.now_ns
    assert client.send(batch_to(client.peer, pattern(2_000), 1_000)) == 2_000
    assert client.next_deadline_ns() == sent_ns + 20 * MS
    moment.now_ns += 19 * MS
    assert client.flush() == 0
    moment.now_ns += 1 * MS
    assert client.flush() == 2_000
    assert client.next_deadline_ns() is None
    assert b"".join(data for data, _, _ in batches_until(server, 2_000)) == pattern(2_000)


def test_what_came_and_is_delayed_is_received_at_its_time(bench, moment):
    inner = bench.server()
    server = faulty(inner, "delay=20ms,direction=out", moment, sends=Direction.IN)
    client = bench.client(inner)
    client.send(batch_to(client.peer, b"late", 4))
    wait_readable(server)
    assert server.receive() is None
    assert server.next_deadline_ns() == moment.now_ns + 20 * MS
    moment.now_ns += 20 * MS
    batch = server.receive()
    assert bytes(batch.buffer[: batch.total_bytes]) == b"late"
    assert server.receive() is None


def test_batches_that_wait_to_be_received_are_due_at_once(bench, moment):
    inner = bench.server()
    server = faulty(inner, "delay=5ms,direction=out", moment, sends=Direction.IN)
    clients = [bench.client(inner) for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(batch_to(client.peer, pattern(100 + number), 200))
    while server.links.outward.counts.seen < 3:
        wait_readable(server)
        assert server.receive() is None
    moment.now_ns += 5 * MS
    assert server.receive() is not None
    assert server.next_deadline_ns() == moment.now_ns
    assert server.receive() is not None
    assert server.receive() is not None
    assert server.next_deadline_ns() is None


def test_a_blackout_takes_what_crosses_during_it_and_nothing_else(bench, moment):
    server = bench.server()
    client = faulty(bench.client(server), "blackout=10ms+10ms,direction=out", moment)
    for number in range(4):  # at 0, 10, 20 and 30 ms
        client.send(batch_to(client.peer, bytes([number]) * 100, 100))
        moment.now_ns += 10 * MS
    assert client.links.outward.counts.blacked_out == 1
    batches = batches_until(server, 300)
    assert {data[at] for data, _, _ in batches for at in range(0, len(data), 100)} == {0, 2, 3}


def test_the_socket_behind_it_still_says_what_it_knows(bench, moment):
    server = bench.server()
    inner = bench.client(server)
    client = faulty(inner, "drop=1", moment)
    assert client.fileno() == inner.fileno()
    assert (client.local, client.peer) == (inner.local, inner.peer)
    assert client.datagram_max_bytes() == inner.datagram_max_bytes()
    assert client.poll_trouble() is None
    assert not client.is_blocked
