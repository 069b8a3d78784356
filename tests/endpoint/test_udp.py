"""UDP sockets over loopback: batches out and in, with offload and without."""

import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_to_wire import (
    PLAIN,
    SINGLY,
    Bench,
    batch_to,
    batches_until,
    datagrams_of,
    has_ipv6,
    pattern,
    wait_readable,
)

from mayhem_udp.endpoint.offload import REFUSALS_MAX
from mayhem_udp.endpoint.receiving import Receiver
from mayhem_udp.endpoint.troubles import TroubleKind, Troubles
from mayhem_udp.endpoint.udp import UdpSocket
from mayhem_udp.limits import BATCH_MAX_BYTES, DATAGRAM_MAX_BYTES
from mayhem_udp.transport.datagrams import Address

SO_NO_CHECK = 11
"""Linux: send without checksums. The kernel refuses trains on such a socket, with EINVAL."""

either_way = pytest.mark.parametrize("socket_settings", [PLAIN, SINGLY], ids=["offload", "one by one"])
with_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def without_trains(bench, server=None):
    """A socket on which the kernel refuses trains, but takes the same datagrams one by one."""
    raw = bench.raw()
    raw.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    if server is not None:
        raw.connect((server.local.host, server.local.port))
    return UdpSocket(raw, PLAIN, peer=server.local if server is not None else None)


# --- Batches ------------------------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize("segment", [17, 1_000, 1_472, 8_192, 65_001, DATAGRAM_MAX_BYTES])
def test_a_batch_of_any_size_arrives_whole_and_in_order(bench, socket_settings, segment):
    server, data = bench.server(socket_settings), pattern(min(300_000, 400 * segment))
    client = bench.client(server, socket_settings)
    assert client.send(batch_to(client.peer, data, segment)) == len(data)
    batches = batches_until(server, len(data))
    assert b"".join(each for each, _, _ in batches) == data
    assert [size for _, size, _ in batches[:-1]] == [segment] * (len(batches) - 1)
    assert {address.port for _, _, address in batches} == {client.local.port}
    assert server.counts.datagrams_received == client.counts.datagrams_sent == -(-len(data) // segment)
    assert server.counts.bytes_received == client.counts.bytes_sent == len(data)


def test_a_batch_takes_one_call_for_65_000_bytes_or_64_datagrams(bench):
    server = bench.server()
    client = bench.client(server)
    if not client.sends_trains:
        pytest.skip("this kernel has no UDP_SEGMENT")
    client.send(batch_to(client.peer, pattern(44 * 1_472 * 4), 1_472))
    assert client.counts.send_calls == 4
    client.send(batch_to(client.peer, pattern(100 * 64 * 3), 100))
    assert client.counts.send_calls == 4 + 3


def test_without_offload_each_datagram_takes_a_call(bench):
    server = bench.server(SINGLY)
    client = bench.client(server, SINGLY)
    client.send(batch_to(client.peer, pattern(10_000), 1_000))
    batches_until(server, 10_000)
    assert not (client.sends_trains or server.receives_trains)
    assert client.counts.send_calls == 10
    assert server.counts.receive_calls == 10


@either_way
def test_what_has_one_sender_and_one_size_is_joined_into_one_batch(bench, socket_settings):
    server = bench.server(socket_settings)
    client = bench.client(server, socket_settings)
    data = pattern(190_000)
    client.send(batch_to(client.peer, data, 1_000))
    assert [(each, size) for each, size, _ in batches_until(server, len(data))] == [(data, 1_000)]


@either_way
def test_no_batch_is_larger_than_the_limit(bench, socket_settings):
    server = bench.server(socket_settings)
    client = bench.client(server, socket_settings)
    data = pattern(1_000_000)
    client.send(batch_to(client.peer, data, 8_000))
    batches = batches_until(server, len(data))
    assert b"".join(each for each, _, _ in batches) == data
    sizes = [len(each) for each, _, _ in batches]
    assert max(sizes) <= BATCH_MAX_BYTES
    assert min(sizes[:-1]) > BATCH_MAX_BYTES - 2 * 65_536


def test_a_shorter_datagram_at_the_end_of_a_train_ends_the_batch(bench):
    server = bench.server()
    client = bench.client(server)
    first, second = pattern(3_500), pattern(2_000, salt=1)
    client.send(batch_to(client.peer, first, 1_000))
    client.send(batch_to(client.peer, second, 1_000))
    batches = batches_until(server, 5_500)
    assert [data for data, _, _ in batches if len(data) > 1_000] == [first, second]


def test_a_datagram_of_another_size_begins_the_next_batch(bench):
    server = bench.server()
    client = bench.client(server)
    for size, count in ((1_000, 3), (500, 2), (1_000, 1)):
        client.send(batch_to(client.peer, pattern(size * count, salt=size), size))
    wait_readable(server)
    assert [(len(data), size) for data, size, _ in batches_until(server, 5_000)] == [
        (3_000, 1_000),
        (1_000, 500),
        (1_000, 1_000),
    ]


def test_a_read_that_was_kept_is_joined_by_what_follows_it(bench):
    server = bench.server(SINGLY)
    one, other = bench.client(server, SINGLY), bench.client(server, SINGLY)
    one.send(batch_to(one.peer, pattern(1_000), 1_000))
    other.send(batch_to(other.peer, pattern(3_000, salt=1), 1_000))
    assert [len(data) for data, _, _ in batches_until(server, 4_000)] == [1_000, 3_000]


def test_two_senders_never_share_a_batch(bench):
    server = bench.server()
    clients = [bench.client(server) for _ in range(2)]
    for turn in range(20):
        for which, client in enumerate(clients):
            client.send(batch_to(client.peer, pattern(64_000, salt=2 * turn + which), 1_000))
    batches = batches_until(server, 40 * 64_000)
    for which, client in enumerate(clients):
        mine = b"".join(data for data, _, address in batches if address.port == client.local.port)
        assert mine == b"".join(pattern(64_000, salt=2 * turn + which) for turn in range(20))


@given(
    sends=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([1, 99, 100, 1_000, 9_000, 40_000]),
            st.integers(1, 70),
            st.integers(0, 99),
        ),
        max_size=12,
    ),
    trains=st.lists(st.booleans(), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_whoever_sends_whatever_every_datagram_comes_once_and_in_order(sends, trains):
    bench = Bench()
    server = bench.server(PLAIN if trains[3] else SINGLY)
    clients = [bench.client(server, PLAIN if trains[number] else SINGLY) for number in range(3)]
    expected = {client.local.port: [] for client in clients}
    came = {client.local.port: [] for client in clients}
    for turn, (which, size, wanted, cut) in enumerate(sends):
        count = min(wanted, 200_000 // size)
        data = pattern(max(size * count - cut % size, 1), salt=turn)
        client = clients[which]
        client.send(batch_to(client.peer, data, size))
        for datagram, address in datagrams_of(batches_until(server, len(data))):
            came[address.port].append(datagram)
        expected[client.local.port] += [data[at : at + size] for at in range(0, len(data), size)]
    bench.close()
    assert came == expected


def test_empty_datagrams_are_passed_over(bench):
    server, raw = bench.server(), bench.raw()
    place = (server.local.host, server.local.port)
    for data in (b"", b"one", b"", b"", b"two"):
        raw.sendto(data, place)
    assert [data for data, _, _ in batches_until(server, 6)] == [b"onetwo"]


def test_a_datagram_larger_than_a_read_is_dropped_and_counted(bench):
    ours, theirs = bench.raw(), bench.raw()
    ours.bind(("127.0.0.1", 0))
    ours.setblocking(False)
    receiver = Receiver(ours, Troubles(), batch_max_bytes=8_192, read_max_bytes=2_048)
    for data in (bytes(2_049), b"fits", bytes(5_000), pattern(2_048)):
        theirs.sendto(data, ours.getsockname())
    batches = [receiver.receive() for _ in range(2)]
    assert [batch.total_bytes for batch in batches] == [4, 2_048]
    assert receiver.receive() is None
    assert receiver.datagrams_cut == 2


def test_what_overflows_the_receive_buffer_is_counted_by_the_kernel(bench):
    server = bench.server(SINGLY.__class__(receive_buffer_bytes=4_096))
    client = bench.client(server)
    client.send(batch_to(client.peer, pattern(200_000), 1_000))
    batches_until(server, 1)
    assert server.counts.datagrams_overflowed > 0


# --- Trains that are refused -----------------------------------------------------------------------------


def test_where_the_kernel_refuses_a_train_its_datagrams_go_one_by_one_from_then_on(bench):
    server = bench.server()
    client = without_trains(bench, server)
    data = pattern(10_500)
    for turn in (1, 2):
        assert client.send(batch_to(client.peer, data, 1_000)) == len(data)
        assert b"".join(each for each, _, _ in batches_until(server, len(data))) == data
        assert client.counts.send_calls == 11 * turn + 1, "the train is tried the first time only"
    assert client.counts.datagrams_sent == 22
    assert sum(client.counts.datagrams_unsent.values()) == 0


def test_a_refusal_counts_for_the_address_it_was_met_at(bench):
    server = bench.server()
    sender = bench.server()
    nowhere = Address("127.0.0.1", 0)  # port 0 cannot be sent to: EINVAL, with a train or without
    sender.send(batch_to(nowhere, pattern(5_000), 1_000))
    assert sender.counts.datagrams_unsent[TroubleKind.OTHER] == 5
    calls = sender.counts.send_calls
    sender.send(batch_to(nowhere, pattern(2_000), 1_000))
    assert sender.counts.send_calls == calls + 3, "no train was ever to blame there, so it is tried again"
    sender.send(batch_to(server.local, pattern(5_000), 1_000))
    assert sender.counts.send_calls == calls + 4
    assert len(batches_until(server, 5_000)) == 1


def test_where_many_addresses_refuse_trains_they_are_given_up(bench):
    sender = without_trains(bench)
    data = pattern(2_000)
    for number in range(REFUSALS_MAX + 1):
        sender.send(batch_to(Address(f"127.0.1.{number + 1}", 9), data, 1_000))
    calls = sender.counts.send_calls
    assert calls == 3 * (REFUSALS_MAX + 1)
    sender.send(batch_to(Address("127.0.2.1", 9), data, 1_000))
    assert sender.counts.send_calls == calls + 2


# --- Addresses -------------------------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize("host", ["", "0.0.0.0"])
@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.77"])
def test_a_socket_bound_to_all_addresses_answers_from_the_one_that_was_asked(
    bench, socket_settings, host, asked
):
    server = bench.server(socket_settings, host=host)
    client = bench.client(server, socket_settings, host=asked)
    client.send(batch_to(client.peer, b"question", 8))
    ((_, _, address),) = batches_until(server, 8)
    assert address == Address("127.0.0.1", client.local.port, local=asked)
    answer = pattern(5_000)
    server.send(batch_to(address, answer, 1_000))
    assert (
        b"".join(each for each, _, _ in batches_until(client, 5_000)) == answer
    )  # connected: from nobody else


@with_ipv6
def test_one_socket_serves_both_ip_versions(bench):
    server = bench.server(host="")
    for host in ("127.0.0.1", "::1"):
        client = bench.client(server, host=host)
        client.send(batch_to(client.peer, b"question", 8))
        ((_, _, address),) = batches_until(server, 8)
        assert address == Address(host, client.local.port, local=host)
        server.send(batch_to(address, pattern(3_000), 1_000))
        assert sum(len(each) for each, _, _ in batches_until(client, 3_000)) == 3_000


def test_a_socket_bound_to_one_address_needs_no_local_one(bench):
    server = bench.server()
    client = bench.client(server)
    client.send(batch_to(client.peer, b"x", 1))
    ((_, _, address),) = batches_until(server, 1)
    assert address == Address("127.0.0.1", client.local.port)


def test_two_clients_of_one_host_reached_at_two_addresses_do_not_share_a_batch(bench):
    server = bench.server(host="0.0.0.0")
    raw = bench.raw()
    for last in (1, 2):
        raw.sendto(b"same size", (f"127.0.0.{last}", server.local.port))
    assert [address.local for _, _, address in batches_until(server, 18)] == ["127.0.0.1", "127.0.0.2"]


# --- Sizes -----------------------------------------------------------------------------------------------


def test_a_connected_socket_knows_what_its_first_hop_takes(bench):
    server = bench.server()
    assert bench.client(server).datagram_max_bytes() == DATAGRAM_MAX_BYTES
    assert server.datagram_max_bytes() is None


def test_datagrams_are_never_fragmented(bench):
    server = bench.server(host="0.0.0.0")
    ip_mtu_discover, probe = 10, 3
    with socket.socket(fileno=os.dup(server.fileno())) as same:
        assert same.getsockopt(socket.IPPROTO_IP, ip_mtu_discover) == probe


def test_what_the_kernel_grants_is_reported(bench):
    server = bench.server(SINGLY.__class__(receive_buffer_bytes=65_536, send_buffer_bytes=1 << 30))
    assert server.receive_buffer.given_bytes == 65_536
    assert not server.receive_buffer.is_short
    assert server.send_buffer.given_bytes < 1 << 30, "more than any kernel gives"
    assert server.send_buffer.is_short
    assert server.send_buffer.sysctl == "net.core.wmem_max"


def test_buffers_that_are_not_asked_for_stay_as_the_system_has_them(bench):
    raw = bench.raw()
    default_bytes = raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    grant = bench.server(SINGLY.__class__()).receive_buffer
    assert (grant.given_bytes, grant.is_short) == (default_bytes, False)


def test_a_batch_that_was_read_ahead_is_a_reason_to_come_back(bench):
    """The descriptor shows it no more; after sixteen batches a turn ended, and the next one waited for a stranger's."""
    here = bench.server()
    for _ in range(2):
        bench.client(here).send(batch_to(here.local, b"one datagram", 12))
    wait_readable(here)
    assert here.receive() is not None
    assert here.next_deadline_ns() is not None
    assert here.receive() is not None
    assert here.next_deadline_ns() is None
