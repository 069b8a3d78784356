"""UDP sockets when things go wrong: opening, refusals, full buffers. Nothing is ever raised in use."""

import errno
import os
import select
import socket

import pytest
from wire_to_wire import PLAIN, SINGLY, WAIT_S, batch_to, batches_until, has_ipv6, pattern, wait_readable

from mayhem_udp.endpoint.offload import Offload, Trains
from mayhem_udp.endpoint.sending import KEPT_MAX_BYTES, Sender
from mayhem_udp.endpoint.troubles import Trouble, TroubleKind, Troubles
from mayhem_udp.endpoint.udp import UdpSocket
from mayhem_udp.errors import Code, ConfigError, MayhemError, UnreachableError
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.url import HostPort

# --- Opening ---------------------------------------------------------------------------------------------


def test_port_0_takes_a_free_port_and_says_which(bench):
    server = bench.server()
    assert server.local.port > 0
    assert server.local.host == "127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_port_in_use_is_an_error_that_says_what_to_do(bench, host):
    port = bench.server(host=host).local.port
    with pytest.raises(MayhemError, match=f"port {port} is in use") as caught:
        bench.server(host=host, port=port)
    assert caught.value.code is Code.ADDRESS_IN_USE
    assert caught.value.exit_code == 1
    assert "ss -lunp" in caught.value.remedy


def test_an_address_of_another_machine_cannot_be_listened_on(bench):
    with pytest.raises(MayhemError, match=r"203\.0\.113\.1 is not an address of this machine") as caught:
        bench.server(host="203.0.113.1")
    assert caught.value.remedy


def test_no_descriptor_is_left_behind_by_what_could_not_be_opened(bench):
    port = bench.server().local.port
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(MayhemError):
            UdpSocket.bind(HostPort("127.0.0.1", port), PLAIN)
        with pytest.raises(UnreachableError):
            UdpSocket.connect([Address("255.255.255.255", 9)], PLAIN)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_client_takes_the_first_address_that_there_is_a_way_to(bench):
    server = bench.server()
    unreachable = Address("255.255.255.255", 9)  # broadcast is not permitted
    client = UdpSocket.connect([unreachable, server.local, Address("127.0.0.2", 9)], PLAIN)
    assert client.peer == server.local
    client.close()


@pytest.mark.parametrize("addresses", [[Address("255.255.255.255", 9)], []])
def test_no_way_to_any_address_is_unreachable(addresses):
    with pytest.raises(UnreachableError, match="no way") as caught:
        UdpSocket.connect(addresses, PLAIN)
    assert caught.value.exit_code == 3
    assert caught.value.remedy


def test_a_socket_that_was_handed_over_is_used_as_it_is_bound(bench):
    raw = bench.raw()
    raw.bind(("127.0.0.1", 0))
    port = raw.getsockname()[1]
    server = UdpSocket.adopt(raw.detach(), PLAIN)
    bench.opened.append(server)
    assert server.local == Address("127.0.0.1", port)
    client = bench.client(server)
    client.send(batch_to(client.peer, pattern(3_000), 1_000))
    assert len(batches_until(server, 3_000)) == 1


def test_a_handed_over_socket_for_all_addresses_answers_from_the_one_asked(bench):
    raw = bench.raw()
    raw.bind(("0.0.0.0", 0))
    server = UdpSocket.adopt(raw.detach(), PLAIN)
    bench.opened.append(server)
    client = bench.client(server, host="127.0.0.9")
    client.send(batch_to(client.peer, b"x", 1))
    ((_, _, address),) = batches_until(server, 1)
    assert address.local == "127.0.0.9"


def test_a_handed_over_stream_socket_is_refused(bench):
    raw = bench.raw(kind=socket.SOCK_STREAM)
    with pytest.raises(ConfigError, match="not a UDP socket"):
        UdpSocket.adopt(raw.fileno(), PLAIN)


def test_a_handed_over_file_is_refused(tmp_path):
    with (tmp_path / "file").open("w") as file, pytest.raises(ConfigError, match="not a socket"):
        UdpSocket.adopt(file.fileno(), PLAIN)


# --- Use -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")),
    ],
)
def test_a_client_learns_that_nobody_listens(bench, host):
    server = bench.server(host=host)
    client = bench.client(server)
    server.close()
    client.send(batch_to(client.peer, b"anybody?", 8))
    wait_readable(client)
    assert client.receive() is None
    assert client.poll_trouble() == Trouble(TroubleKind.REFUSED, "ECONNREFUSED")
    assert client.poll_trouble() is None


def test_the_refusal_of_one_datagram_does_not_cost_the_next(bench):
    server = bench.server()
    client, port = bench.client(server), server.local.port
    server.close()
    client.send(batch_to(client.peer, b"lost", 4))
    back = bench.server(port=port)  # the refusal waits at the client's socket, for its next call
    client.send(batch_to(client.peer, b"found", 5))
    assert [data for data, _, _ in batches_until(back, 5)] == [b"found"]
    assert client.poll_trouble() == Trouble(TroubleKind.REFUSED, "ECONNREFUSED")
    assert client.counts.datagrams_unsent[TroubleKind.REFUSED] == 0


def test_a_daemon_is_not_troubled_by_clients_that_went_away(bench):
    server = bench.server()
    client = bench.client(server)
    gone = client.local
    client.close()
    server.send(batch_to(gone, b"hello?", 6))
    other = bench.client(server)
    other.send(batch_to(other.peer, b"hi", 2))
    assert [data for data, _, _ in batches_until(server, 2)] == [b"hi"]
    assert server.poll_trouble() is None


def test_a_datagram_that_is_too_large_is_counted_and_the_next_one_goes(bench):
    server = bench.server()
    client = bench.client(server)
    too_large = bytes(65_508)
    assert client.send(batch_to(client.peer, too_large, len(too_large))) == len(too_large)
    assert client.counts.datagrams_unsent[TroubleKind.TOO_LARGE] == 1
    assert client.poll_trouble() == Trouble(TroubleKind.TOO_LARGE, "EMSGSIZE")
    client.send(batch_to(client.peer, b"fits", 4))
    assert [data for data, _, _ in batches_until(server, 4)] == [b"fits"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (Address("255.255.255.255", 9), TroubleKind.FORBIDDEN),
        (Address("127.0.0.1", 9, local="203.0.113.7"), TroubleKind.UNREACHABLE),
        (Address("127.0.0.1", 0), TroubleKind.OTHER),
    ],
)
def test_what_cannot_be_sent_is_counted_by_its_kind(bench, address, kind):
    server = bench.server(SINGLY, host="0.0.0.0")
    assert server.send(batch_to(address, pattern(2_500), 1_000)) == 2_500
    counts = server.counts
    assert counts.datagrams_unsent[kind] == 3
    assert counts.datagrams_sent == 0
    assert server.poll_trouble().kind is kind


def test_an_error_of_our_own_making_is_raised(bench):
    server = bench.server()
    address = server.local
    server.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.send(batch_to(address, b"x", 1))


# --- A kernel that takes no more -------------------------------------------------------------------------
# UDP on loopback never waits; a pair of local datagram sockets does, with the same calls and errors.


@pytest.fixture
def narrow(bench):
    """A sender, and the other end of a line that soon is full."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    bench.opened += [ours, theirs]
    for each in (ours, theirs):
        each.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
    troubles = Troubles()
    return Sender(ours, Trains(ours, Offload.ON), troubles, is_connected=True), theirs, troubles


def drained(theirs):
    """All that is on the line."""
    datagrams = []
    while True:
        try:
            datagrams.append(theirs.recv(65_536))
        except BlockingIOError:
            return datagrams


def test_what_the_kernel_does_not_take_is_kept_and_sent_in_order(narrow):
    sender, theirs, _ = narrow
    first, second = pattern(100_500), pattern(50_000, salt=1)
    to = Address("peer", 1)
    gone = sender.send(batch_to(to, first, 1_000))
    assert 0 < gone < len(first)
    assert sender.send(batch_to(to, second, 500)) == 0, "nothing overtakes what waits"
    assert sender.kept_bytes == len(first) + len(second) - gone
    came = drained(theirs)
    while sender.kept_bytes:
        went = sender.flush()
        assert went > 0
        came += drained(theirs)
    assert sender.flush() == 0
    sent = [first[at : at + 1_000] for at in range(0, len(first), 1_000)]
    assert came == sent + [second[at : at + 500] for at in range(0, len(second), 500)]
    assert sender.datagrams == 101 + 100
    assert sender.total_bytes == len(first) + len(second)


def test_what_waits_is_bounded_and_the_rest_is_lost(narrow):
    sender, _, troubles = narrow
    batch = batch_to(Address("peer", 1), bytes(250_000), 1_000)
    for _ in range(KEPT_MAX_BYTES // 250_000 + 10):
        sender.send(batch)
    assert sender.kept_bytes <= KEPT_MAX_BYTES
    unsent = troubles.datagrams_unsent[TroubleKind.NO_ROOM]
    assert unsent > 0
    assert unsent * 1_000 + sender.kept_bytes + sender.total_bytes == batch.total_bytes * (
        KEPT_MAX_BYTES // 250_000 + 10
    )


def test_a_socket_is_blocked_until_all_that_waits_is_gone(bench):
    server = bench.server()
    client = bench.client(server)
    assert not client.is_blocked
    assert client.flush() == 0
    assert client.next_deadline_ns() is None
    _, writable, _ = select.select([], [client], [], WAIT_S)
    assert writable


def test_troubles_of_one_kind_are_reported_once_and_the_oldest_first():
    troubles = Troubles()
    for number in (errno.ECONNREFUSED, errno.ENETUNREACH, errno.ECONNREFUSED):
        troubles.note(OSError(number, "x"), datagrams_unsent=2)
    assert troubles.poll() == Trouble(TroubleKind.REFUSED, "ECONNREFUSED")
    assert troubles.poll() == Trouble(TroubleKind.UNREACHABLE, "ENETUNREACH")
    assert troubles.poll() is None
    assert troubles.datagrams_unsent[TroubleKind.REFUSED] == 4
