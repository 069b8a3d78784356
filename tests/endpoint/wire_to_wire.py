"""Sockets on loopback for tests: opened together, closed together, and read until all has come.

Nothing sleeps: what is waited for is waited for in `select`, and a test that waits in vain fails.
"""

import select
import socket

from mayhem_udp.endpoint.offload import Offload
from mayhem_udp.endpoint.udp import SocketSettings, UdpSocket
from mayhem_udp.transport.datagrams import Transmit
from mayhem_udp.url import HostPort

WAIT_S = 10
PLAIN = SocketSettings(receive_buffer_bytes=4 << 20, send_buffer_bytes=4 << 20)
SINGLY = SocketSettings(receive_buffer_bytes=4 << 20, send_buffer_bytes=4 << 20, offload=Offload.OFF)


class Bench:
    """Opens sockets, and closes them all at the end."""

    def __init__(self):
        self.opened = []

    def server(self, settings=PLAIN, *, host="127.0.0.1", port=0):
        return self._keep(UdpSocket.bind(HostPort(host, port), settings))

    def client(self, server, settings=PLAIN, *, host=None):
        address = server.local._replace(host=host) if host else server.local
        return self._keep(UdpSocket.connect([address], settings))

    def raw(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM):
        return self._keep(socket.socket(family, kind))

    def close(self):
        for each in reversed(self.opened):
            each.close()

    def _keep(self, opened):
        self.opened.append(opened)
        return opened


def pattern(size, *, salt=0):
    """Bytes of which any shift or swap shows."""
    return b"".join((number + salt * 1_000_003).to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


def batch_to(address, data, segment_bytes):
    return Transmit(data, segment_bytes, len(data), address)


def wait_readable(each):
    ready, _, _ = select.select([each], [], [], WAIT_S)
    assert ready, "nothing came"


def batches_until(each, total_bytes):
    """The batches that come until they have so many bytes: each its bytes, datagram size and address."""
    batches, got = [], 0
    while got < total_bytes:
        batch = each.receive()
        if batch is None:
            wait_readable(each)
            continue
        assert len(batch.buffer) >= batch.total_bytes
        data = bytes(batch.buffer[: batch.total_bytes])
        batches.append((data, batch.segment_bytes, batch.address))
        got += batch.total_bytes
    return batches


def datagrams_of(batches):
    """The single datagrams of such batches, each with its address."""
    return [
        (data[start : start + size], address)
        for data, size, address in batches
        for start in range(0, len(data), size)
    ]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
