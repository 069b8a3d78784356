"""The proxy at its sockets: real datagrams through it, on one loop, with an echo behind it."""

import os
import socket

import pytest
from turning import turn_until
from wire_to_wire import PLAIN, batch_to, has_ipv6, pattern

from mayhem_udp.endpoint.proxy import ProxyEndpoint
from mayhem_udp.endpoint.udp import UdpSocket
from mayhem_udp.errors import Code, MayhemError, UsageError
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.transport.datagrams import Address, Transmit
from mayhem_udp.url import HostPort

ANYWHERE = HostPort("127.0.0.1", 0)


class Town:
    """A proxy and whoever talks through it, all on one loop; whatever comes to a socket is kept."""

    def __init__(self, loop, bench):
        self.loop = loop
        self.bench = bench
        self.counts = []
        self.proxies = []

    def proxy(self, *addresses, spec="none", listen=ANYWHERE):
        made = ProxyEndpoint(self.loop, listen, addresses, parse_spec(spec), on_counts=self.counts.append)
        self.proxies.append(made)
        return made

    def echo(self):
        """A server that sends everything back, and knows what came from whom."""
        server = self.bench.server()
        server_has = []

        def answer():
            while (batch := server.receive()) is not None:
                data = bytes(batch.buffer[: batch.total_bytes])
                server_has.append((batch.address, data))
                server.send(Transmit(data, batch.segment_bytes, len(data), batch.address))

        self.loop.watch(server, answer)
        return server.local, server_has

    def client(self, proxy):
        """A client of the proxy, and what it has got back."""
        client, got = UdpSocket.connect([proxy.local], PLAIN), bytearray()
        self.bench.opened.append(client)

        def take():
            while (batch := client.receive()) is not None:
                got.extend(batch.buffer[: batch.total_bytes])

        self.loop.watch(client, take)
        return client, got

    def close(self):
        for each in self.proxies:
            each.close()


@pytest.fixture
def town(loop, bench):
    town = Town(loop, bench)
    yield town
    town.close()


def test_what_clients_send_reaches_the_server_and_answers_find_their_way_back(town):
    server, server_has = town.echo()
    proxy = town.proxy(server)
    sent = []
    for number in range(3):
        client, got = town.client(proxy)
        data = pattern(50_000, salt=number)
        client.send(batch_to(client.peer, data, 1_000))
        sent.append((data, got))
    turn_until(town.loop, lambda: all(len(got) == len(data) for data, got in sent))
    assert all(got == data for data, got in sent)
    assert len({address for address, _ in server_has}) == 3, "each client has a socket of its own"
    assert proxy.counts.flows == 3
    assert proxy.counts.outward.delivered == proxy.counts.inward.delivered == 150


def test_faults_hit_what_crosses_and_the_same_seed_hits_the_same(town):
    server, _ = town.echo()
    outcomes = []
    for _ in range(2):
        proxy = town.proxy(server, spec="drop=0.3,corrupt=0.2,duplicate=0.1,direction=in,seed=5")
        client, got = town.client(proxy)
        client.send(batch_to(client.peer, pattern(64_000), 1_000))
        turn_until(town.loop, lambda: proxy.counts.inward.seen == 64)  # noqa: B023  # waited for right here
        inward = proxy.counts.inward
        turn_until(town.loop, lambda: len(got) == inward.delivered_bytes)  # noqa: B023  # likewise
        assert inward.dropped
        assert inward.corrupted
        assert inward.duplicated
        assert proxy.counts.outward.delivered == 64
        outcomes.append(bytes(got))
    assert outcomes[0] == outcomes[1]


def test_a_delay_holds_datagrams_back_until_their_time(town):
    server, server_has = town.echo()
    proxy = town.proxy(server, spec="delay=30ms,direction=out")
    client, got = town.client(proxy)
    client.send(batch_to(client.peer, b"late", 4))
    turn_until(town.loop, lambda: proxy.counts.outward.held == 1)
    assert not server_has
    turn_until(town.loop, lambda: bytes(got) == b"late")


def test_a_name_of_several_addresses_is_tried_until_one_does_not_refuse(town, bench):
    server, server_has = town.echo()
    closed = bench.server()
    nobody = closed.local
    closed.close()
    proxy = town.proxy(nobody, server)
    client, got = town.client(proxy)

    def asks_until_answered():
        client.send(batch_to(client.peer, b"anybody there?", 14))
        return bool(got)

    turn_until(town.loop, asks_until_answered)
    assert server_has
    other, other_got = town.client(proxy)
    other.send(batch_to(other.peer, b"once", 4))
    turn_until(town.loop, lambda: bytes(other_got) == b"once")  # others go there at once


def test_a_server_that_comes_back_is_served_again_through_the_same_flow(town, bench):
    server = bench.server()
    proxy = town.proxy(server.local)
    place = server.local
    client, got = town.client(proxy)
    server.close()
    client.send(batch_to(client.peer, b"too early", 9))
    turn_until(town.loop, lambda: proxy.counts.outward.delivered == 1)
    again = bench.server(port=place.port)

    def answer():
        while (batch := again.receive()) is not None:
            again.send(Transmit(b"here", 4, 4, batch.address))

    town.loop.watch(again, answer)

    def asks_until_answered():
        client.send(batch_to(client.peer, b"and now?", 8))
        return bool(got)

    turn_until(town.loop, asks_until_answered)
    assert proxy.counts.flows_seen == 1


def test_where_no_socket_is_to_be_had_datagrams_are_refused_and_counted(town):
    proxy = town.proxy(Address("255.255.255.255", 9))  # broadcast is not permitted
    client, _ = town.client(proxy)
    client.send(batch_to(client.peer, pattern(3_000), 1_000))
    turn_until(town.loop, lambda: proxy.counts.refused == 3)


def test_counts_are_told_now_and_then_and_at_the_end(town):
    server, _ = town.echo()
    proxy = town.proxy(server)
    client, got = town.client(proxy)
    turn_until(town.loop, lambda: len(town.counts) == 2)
    client.send(batch_to(client.peer, b"x", 1))
    turn_until(town.loop, lambda: bytes(got) == b"x")
    proxy.close()
    town.proxies.clear()
    assert town.counts[-1].inward.delivered == 1


def test_a_closed_proxy_leaves_no_descriptor_behind(town):
    server, _ = town.echo()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    town.bench.opened.append(client)
    before = set(os.listdir("/proc/self/fd"))
    proxy = town.proxy(server)
    for _ in range(2):
        client.sendto(b"hello", (proxy.local.host, proxy.local.port))
    turn_until(town.loop, lambda: proxy.counts.inward.delivered == 2)
    assert set(os.listdir("/proc/self/fd")) > before
    proxy.close()
    town.proxies.clear()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_clients_of_one_ip_version_reach_a_server_of_the_other(town):
    server, _ = town.echo()
    proxy = town.proxy(server, listen=HostPort("::1", 0))
    client, got = town.client(proxy)
    client.send(batch_to(client.peer, pattern(5_000), 1_000))
    turn_until(town.loop, lambda: len(got) == 5_000)


def test_a_port_in_use_is_an_error_that_says_what_to_do(town, bench):
    port = bench.server().local.port
    with pytest.raises(MayhemError, match=f"port {port} is in use") as caught:
        town.proxy(Address("127.0.0.1", 9), listen=HostPort("127.0.0.1", port))
    assert caught.value.code is Code.ADDRESS_IN_USE


@pytest.mark.parametrize("listen", ["127.0.0.1", ""])
def test_a_proxy_to_itself_is_refused_since_it_would_never_end(town, bench, listen):
    free = bench.server()
    port = free.local.port
    free.close()
    with pytest.raises(UsageError, match="to itself"):
        town.proxy(Address("127.0.0.1", port), listen=HostPort(listen, port))
