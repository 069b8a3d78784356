"""The proxy at its sockets: one for all clients, and one for each flow, connected to the server.

Owns which datagrams enter which flow, when what came through is sent on, and how often the counts are
told. Works between any two UDP programs. A server that refuses shows to its clients as silence, as with
a real network that filters; datagrams too large for the next hop are lost, as the "don't fragment" bit
of our own transport demands.
Never makes a fault, never looks into a datagram: `mayhem.proxy` and its links do the one, nobody the other.
"""

import os
import resource
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from typing import Final

from mayhem_udp.endpoint.addresses import is_every, resolve
from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.loop import DESCRIPTORS_MAX, Loop, Timer, sharpen_timers
from mayhem_udp.endpoint.troubles import TroubleKind
from mayhem_udp.endpoint.udp import SocketSettings, UdpSocket
from mayhem_udp.errors import MayhemError, UsageError
from mayhem_udp.mayhem.faults import Direction, MayhemSpec
from mayhem_udp.mayhem.proxy import FLOWS_MAX, Delivery, Flow, Proxy, ProxyCounts
from mayhem_udp.transport.datagrams import Address, Transmit
from mayhem_udp.units import MIB, MS
from mayhem_udp.url import HostPort

READS_MAX: Final = 16
"""Batches taken from one socket before the others and the timers have their turn."""
COUNTS_INTERVAL_NS: Final = 500 * MS
DESCRIPTORS_SPARE: Final = 64
"""Left for what is open beside the flows' sockets."""
SOCKETS: Final = SocketSettings(receive_buffer_bytes=8 * MIB, send_buffer_bytes=8 * MIB)
"""As large as the daemon's: what overflows here is a loss that nobody asked for."""


def run_proxy(
    listen: HostPort,
    to: HostPort,
    spec: MayhemSpec,
    *,
    on_listening: Callable[[HostPort], object],
    on_counts: Callable[[ProxyCounts], object],
) -> int:
    """Run until SIGINT, SIGTERM or SIGHUP; returns the exit code. Raises `MayhemError` where it cannot begin.

    `on_listening` hears once where it listens, `on_counts` what it has done, now and then and at the end.
    """
    if not to.host or not to.port:
        raise UsageError(
            f"{str(to)!r} is no place to pass datagrams on to", remedy="write it like localhost:5000"
        )
    with ExitStack() as stack:
        loop = stack.enter_context(Loop())
        sharpen_timers()
        endpoint = ProxyEndpoint(loop, listen, resolve(to), spec, on_counts=on_counts)
        stack.callback(endpoint.close)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.on_signal(number, loop.stop)
        on_listening(HostPort(endpoint.local.host, endpoint.local.port))
        loop.run()
    return os.EX_OK


class _Exit:
    """A flow's way out: its socket, and whether the server has ever answered through it."""

    __slots__ = ("flow", "has_answered", "is_blocked", "socket")

    def __init__(self, flow: Flow, socket: UdpSocket) -> None:
        self.flow = flow
        self.socket = socket
        self.has_answered = False
        self.is_blocked = False


class ProxyEndpoint:
    """One proxy on one loop."""

    def __init__(
        self,
        loop: Loop,
        listen: HostPort,
        addresses: Sequence[Address],
        spec: MayhemSpec,
        *,
        on_counts: Callable[[ProxyCounts], object],
    ) -> None:
        """Begins to listen. Raises `MayhemError`."""
        self._loop = loop
        self._addresses = tuple(addresses)
        self._on_counts = on_counts
        self._front = UdpSocket.bind(listen, SOCKETS)
        self.local = self._front.local
        self._is_front_blocked = False
        self._exits: dict[int, _Exit] = {}
        self._proxy = Proxy(spec, flows_max=_flows_max())
        self._due: Timer = loop.timer(self._pass_on)
        self._counting: Timer = loop.timer(self._count)
        if any(_is_same_place(address, self.local) for address in addresses):
            self._front.close()
            raise UsageError(
                "the proxy would pass datagrams on to itself",
                remedy="listen on another port than the server's",
            )
        loop.watch(self._front, self._on_client)
        self._counting.set(monotonic_ns() + COUNTS_INTERVAL_NS)

    @property
    def counts(self) -> ProxyCounts:
        """What it has done so far."""
        return self._proxy.counts

    def close(self) -> None:
        """Tell the last counts, and let go of all sockets."""
        self._on_counts(self.counts)
        for timer in (self._due, self._counting):
            timer.cancel()
        for number in list(self._exits):
            self._close_exit(number)
        self._loop.unwatch(self._front)
        self._front.close()

    # --- In ------------------------------------------------------------------------------------------

    def _on_client(self) -> None:
        """Clients have sent something."""
        now_ns = monotonic_ns()
        for _ in range(READS_MAX):
            batch = self._front.receive()
            if batch is None:
                break
            flow, ended = self._proxy.flow_of(batch.address, now_ns=now_ns)
            for each in ended:
                self._close_exit(each.number)
            if flow is None or self._exit_of(flow) is None:
                self._proxy.refuse(batch)
            else:
                self._proxy.enter(flow, Direction.OUT, batch, now_ns=now_ns)
        if self._front.next_deadline_ns() is not None:
            self._loop.call_soon(self._on_client)  # more was read ahead, and the descriptor shows it no more
        while self._front.poll_trouble() is not None:
            continue  # a client that went away
        self._pass_on()

    def _on_server(self, number: int) -> None:
        """The server has answered a flow."""
        out = self._exits.get(number)
        if out is None:
            return
        now_ns = monotonic_ns()
        for _ in range(READS_MAX):
            batch = out.socket.receive()
            if batch is None:
                break
            out.has_answered = True
            self._proxy.enter(out.flow, Direction.IN, batch, now_ns=now_ns)
        if out.socket.next_deadline_ns() is not None:
            self._loop.call_soon(partial(self._on_server, number))
        self._look_at_troubles(out)
        self._pass_on()

    def _exit_of(self, flow: Flow) -> _Exit | None:
        """The flow's way out, opened when it has none; None where that cannot be done now."""
        out = self._exits.get(flow.number)
        return out if out is not None else self._open_exit(flow)

    def _open_exit(self, flow: Flow) -> _Exit | None:
        try:
            socket = UdpSocket.connect(self._addresses, SOCKETS)
        except MayhemError:  # out of descriptors, or no route at present: the next datagram asks again
            return None
        try:
            self._loop.watch(socket, partial(self._on_server, flow.number))
        except MayhemError:
            socket.close()
            return None
        out = self._exits[flow.number] = _Exit(flow, socket)
        return out

    def _look_at_troubles(self, out: _Exit) -> None:
        """Where a name has several addresses, go on to the next when one has never answered and refuses."""
        while (trouble := out.socket.poll_trouble()) is not None:
            if trouble.kind is TroubleKind.REFUSED and not out.has_answered and len(self._addresses) > 1:
                if out.socket.peer == self._addresses[0]:  # else another flow has gone on before
                    self._addresses = (*self._addresses[1:], self._addresses[0])
                self._close_exit(out.flow.number)
                self._open_exit(out.flow)
                return

    # --- Out -----------------------------------------------------------------------------------------

    def _pass_on(self) -> None:
        """Send on what has come through, end flows that are idle, and see to it that this goes on."""
        now_ns = monotonic_ns()
        for delivery in self._proxy.poll(now_ns=now_ns):
            self._deliver(delivery)
        for flow in self._proxy.expire(now_ns=now_ns):
            self._close_exit(flow.number)
        self._due.set(self._proxy.next_deadline_ns())

    def _deliver(self, delivery: Delivery) -> None:
        flow, batch = delivery.flow, delivery.batch
        data = bytes(batch.data)
        if delivery.direction is Direction.IN:
            self._front.send(Transmit(data, batch.segment_bytes, len(data), flow.client))
            self._watch_front()
            return
        out = self._exit_of(flow)
        if out is not None:
            assert out.socket.peer is not None, "a flow's socket is connected"
            out.socket.send(Transmit(data, batch.segment_bytes, len(data), out.socket.peer))
            self._watch_exit(out)
            self._look_at_troubles(out)

    def _watch_front(self) -> None:
        if self._front.is_blocked != self._is_front_blocked:
            self._is_front_blocked = self._front.is_blocked
            self._loop.watch_writable(
                self._front, self._on_front_writable if self._is_front_blocked else None
            )

    def _on_front_writable(self) -> None:
        self._front.flush()
        self._watch_front()

    def _watch_exit(self, out: _Exit) -> None:
        if out.socket.is_blocked != out.is_blocked:
            out.is_blocked = out.socket.is_blocked
            on_writable = partial(self._on_exit_writable, out)
            self._loop.watch_writable(out.socket, on_writable if out.is_blocked else None)

    def _on_exit_writable(self, out: _Exit) -> None:
        out.socket.flush()
        self._watch_exit(out)

    # --- The end of a flow, and the counts -----------------------------------------------------------

    def _close_exit(self, number: int) -> None:
        out = self._exits.pop(number, None)
        if out is not None:
            self._loop.unwatch(out.socket)
            out.socket.close()

    def _count(self) -> None:
        self._on_counts(self.counts)
        self._counting.set(monotonic_ns() + COUNTS_INTERVAL_NS)


def _flows_max() -> int:
    """As many flows as there can be sockets for: of those that a process may open, and a loop may watch."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else min(soft, DESCRIPTORS_MAX)
    return max(min(descriptors - DESCRIPTORS_SPARE, FLOWS_MAX), 1)


def _is_same_place(address: Address, local: Address) -> bool:
    """Whether what is sent to `address` would come in at `local`, as far as can be told."""
    if address.port != local.port:
        return False
    return address.host == local.host or (is_every(local.host) and ip_address(address.host).is_loopback)
