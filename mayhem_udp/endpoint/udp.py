"""UDP sockets: bound, connected or handed over, never blocking, set up for speed and for honest sizes.

Owns the opening of sockets and everything that is set on them: both IP versions on one socket, buffers,
offload, and the "don't fragment" bit, so that the transport finds the path's MTU and nobody else does.
A socket bound to all addresses answers from the one that was asked (`Address.local`).
Never waits, never reads a clock, and raises only while it opens: afterwards what goes wrong is counted.
"""

import errno
import socket
import struct
from collections.abc import Sequence
from typing import Final, Protocol, Self

from msgspec import Struct

from mayhem_udp.endpoint.addresses import IP_PKTINFO, address_of, family_of, is_every, resolve, sockaddr_of
from mayhem_udp.endpoint.offload import Offload, Trains
from mayhem_udp.endpoint.receiving import Receiver
from mayhem_udp.endpoint.sending import Sender
from mayhem_udp.endpoint.troubles import Trouble, TroubleKind, Troubles
from mayhem_udp.errors import Code, ConfigError, MayhemError, UnreachableError, UsageError
from mayhem_udp.limits import DATAGRAM_MAX_BYTES
from mayhem_udp.transport.datagrams import Address, ReceivedBatch, Transmit
from mayhem_udp.url import HostPort

# Linux, <linux/in.h>, <linux/in6.h>, <asm/socket.h>: the socket module of Python 3.11 lacks these.
IP_MTU_DISCOVER: Final = 10
IP_MTU: Final = 14
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24
PMTUDISC_PROBE: Final = 3
"""Set "don't fragment", and ignore what routers say of the MTU: the transport probes (RFC 8899)."""
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33
SO_MEMINFO: Final = 55
MEMINFO_DROPS: Final = 8
_MEMINFO: Final = struct.Struct("=9I")
IPV4_HEADERS_BYTES: Final = 28
IPV6_HEADERS_BYTES: Final = 48


class SocketSettings(Struct, frozen=True):
    """What a socket is asked to have; 0 leaves a buffer as the system has it."""

    receive_buffer_bytes: int = 0
    send_buffer_bytes: int = 0
    offload: Offload = Offload.ON


class BufferGrant(Struct, frozen=True):
    """What the kernel was asked for, what it gave, and the sysctl that stands in the way of more."""

    asked_bytes: int
    given_bytes: int
    sysctl: str

    @property
    def is_short(self) -> bool:
        """Whether the kernel gave less than it was asked for."""
        return self.given_bytes < self.asked_bytes


class SocketCounts(Struct, frozen=True):
    """What a socket has done so far."""

    datagrams_sent: int
    bytes_sent: int
    send_calls: int
    datagrams_received: int
    bytes_received: int
    receive_calls: int
    datagrams_cut: int
    """Arrived, but larger than any of ours can be."""
    datagrams_overflowed: int
    """Arrived, but dropped by the kernel: the receive buffer was full, or a checksum wrong."""
    datagrams_unsent: dict[TroubleKind, int]


class DatagramSocket(Protocol):
    """What the daemon and the client need of a socket: `UdpSocket`, or one with faults before it."""

    local: Address
    peer: Address | None

    def fileno(self) -> int:
        """The descriptor that the loop watches."""

    def send(self, transmit: Transmit) -> int:
        """Send a batch; returns how many bytes are gone. The rest is kept, and goes with `flush`."""

    def flush(self) -> int:
        """Send on what was kept; to be called when the socket is writable, and at its deadline."""

    @property
    def is_blocked(self) -> bool:
        """Whether something waits for `flush`: watch for writability, and send no more until then."""

    def receive(self) -> ReceivedBatch | None:
        """A batch, valid until the next call; None when there is none: then wait for the loop."""

    def next_deadline_ns(self) -> int | None:
        """When to call `flush` and `receive` though the descriptor is not ready; None: never."""

    def poll_trouble(self) -> Trouble | None:
        """A kind of trouble that was not reported since the last time; None when there is none."""

    @property
    def counts(self) -> SocketCounts:
        """What happened so far."""

    def datagram_max_bytes(self) -> int | None:
        """The largest payload that the first hop takes; None where that depends on the peer."""

    def close(self) -> None:
        """Close the descriptor; what was kept is lost."""


class UdpSocket:
    """One non-blocking UDP socket. Open it with `bind`, `connect` or `adopt`."""

    def __init__(self, raw: socket.socket, settings: SocketSettings, *, peer: Address | None) -> None:
        """Takes over an open socket."""
        self._raw = raw
        raw.setblocking(False)
        self.local = address_of(raw.getsockname())
        self.peer = peer
        _set_up(raw, wants_local=peer is None and is_every(self.local.host))
        self.receive_buffer = _grant_receive_buffer(raw, settings.receive_buffer_bytes)
        self.send_buffer = _grant_send_buffer(raw, settings.send_buffer_bytes)
        self._troubles = Troubles()
        self._trains = Trains(raw, settings.offload)
        self._receiver = Receiver(raw, self._troubles)
        self._sender = Sender(raw, self._trains, self._troubles, is_connected=peer is not None)

    # --- Opening -------------------------------------------------------------------------------------

    @classmethod
    def bind(cls, place: HostPort, settings: SocketSettings) -> Self:
        """A socket that anybody can reach; without a host on every address of both IP versions.

        Port 0 takes a free one: `local` has it. Raises `MayhemError` where the place cannot be had.
        """
        if not place.host or place.host == "::":
            try:
                return cls(_bound(Address("::", place.port)), settings, peer=None)
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise _cannot_bind(error, place) from None
                address = Address("0.0.0.0", place.port)  # no IPv6 on this machine
        else:
            address = resolve(place)[0]
        try:
            return cls(_bound(address), settings, peer=None)
        except OSError as error:
            raise _cannot_bind(error, place) from None

    @classmethod
    def connect(cls, addresses: Sequence[Address], settings: SocketSettings) -> Self:
        """A socket to the first of these addresses that there is a route to: `peer` tells which.

        Nothing is sent yet. When that one turns out to refuse, go on with the addresses after it.
        Raises `UnreachableError` when there is no route to any.
        """
        failure: OSError | None = None
        for address in addresses:
            family = family_of(address)
            try:
                raw = socket.socket(family, socket.SOCK_DGRAM)
            except OSError as error:  # no IPv6 on this machine
                failure = error
                continue
            try:
                raw.connect(sockaddr_of(address, family))
                return cls(raw, settings, peer=address)
            except OSError as error:
                raw.close()
                failure = error
        hosts = ", ".join(dict.fromkeys(address.host for address in addresses))
        why = failure.strerror if failure is not None else "it has no address"
        raise UnreachableError(
            f"there is no way to {hosts}: {why}", remedy="check the network connection and the address"
        )

    @classmethod
    def adopt(cls, descriptor: int, settings: SocketSettings) -> Self:
        """Take over a bound socket from the service manager. Raises `ConfigError` when it is no such one."""
        try:
            raw = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ConfigError(
                f"descriptor {descriptor}, which was handed over, is not a socket: {error.strerror}",
                remedy="write ListenDatagram= in the socket unit",
            ) from None
        if raw.type != socket.SOCK_DGRAM or raw.family not in (socket.AF_INET, socket.AF_INET6):
            raw.detach()
            raise ConfigError(
                f"descriptor {descriptor}, which was handed over, is not a UDP socket",
                remedy="write ListenDatagram=PORT in the socket unit",
            )
        raw.set_inheritable(False)
        return cls(raw, settings, peer=None)

    # --- Use -----------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor that the loop watches."""
        return self._raw.fileno()

    def send(self, transmit: Transmit) -> int:
        """Send a batch; returns how many bytes are gone. The rest is kept, and goes with `flush`."""
        return self._sender.send(transmit)

    def flush(self) -> int:
        """Send on what was kept; returns how many bytes went. To be called when the socket is writable."""
        return self._sender.flush()

    def receive(self) -> ReceivedBatch | None:
        """A batch, valid until the next call; None when nothing was there at the last look."""
        return self._receiver.receive()

    def poll_trouble(self) -> Trouble | None:
        """A kind of trouble that was not reported since the last time; None when there is none."""
        return self._troubles.poll()

    @property
    def is_blocked(self) -> bool:
        """Whether something waits for `flush`: watch for writability, and send no more until then."""
        return self._sender.kept_bytes > 0

    @property
    def sends_trains(self) -> bool:
        """Whether many datagrams go in one call (UDP_SEGMENT)."""
        return self._trains.are_sent

    @property
    def receives_trains(self) -> bool:
        """Whether many datagrams come in one call (UDP_GRO)."""
        return self._trains.are_received

    def next_deadline_ns(self) -> int | None:
        """At once where a batch was read ahead, which the descriptor shows no more; else it shows everything."""
        return 0 if self._receiver.has_more else None

    @property
    def counts(self) -> SocketCounts:
        """What happened so far."""
        sender, receiver = self._sender, self._receiver
        return SocketCounts(
            datagrams_sent=sender.datagrams,
            bytes_sent=sender.total_bytes,
            send_calls=sender.calls,
            datagrams_received=receiver.datagrams,
            bytes_received=receiver.total_bytes,
            receive_calls=receiver.reads,
            datagrams_cut=receiver.datagrams_cut,
            datagrams_overflowed=_drops(self._raw),
            datagrams_unsent=dict(self._troubles.datagrams_unsent),
        )

    def datagram_max_bytes(self) -> int | None:
        """The largest payload that the first hop takes; None on a socket that is not connected."""
        try:
            if self._raw.family == socket.AF_INET6:
                mtu_bytes = self._raw.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU) - IPV6_HEADERS_BYTES
            else:
                mtu_bytes = self._raw.getsockopt(socket.IPPROTO_IP, IP_MTU) - IPV4_HEADERS_BYTES
        except OSError:
            return None
        return min(mtu_bytes, DATAGRAM_MAX_BYTES)

    def close(self) -> None:
        """Close the descriptor; what was kept is lost."""
        self._raw.close()


def _bound(address: Address) -> socket.socket:
    """A bound socket. Never SO_REUSEADDR: with UDP it would let two daemons share a port unawares."""
    family = family_of(address)
    raw = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if is_every(address.host) else 1)
        raw.bind(sockaddr_of(address, family))
    except OSError:
        raw.close()
        raise
    return raw


def _cannot_bind(error: OSError, place: HostPort) -> MayhemError:
    if error.errno == errno.EADDRINUSE:
        return MayhemError(
            f"port {place.port} is in use on this machine",
            code=Code.ADDRESS_IN_USE,
            remedy=f"stop what listens there (ss -lunp sport = :{place.port} names it), or choose another "
            "port; port 0 takes a free one",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(
            f"{place.host} is not an address of this machine",
            remedy="listen on one of its own addresses, or on all of them with no host at all",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return MayhemError(
            f"listening on port {place.port} is not permitted",
            code=Code.PERMISSION,
            remedy="choose a port from 1024 upward, or let the service manager open it (deploy/)",
        )
    return MayhemError(f"cannot listen on {place}: {error.strerror}", code=Code.USAGE)


def _set_up(raw: socket.socket, *, wants_local: bool) -> None:
    """The options that need no negotiation; a kernel without one of them works on without it."""
    options = [(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)]  # counts for mapped IPv4 as well
    if raw.family == socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE))
        if wants_local:
            options.append((socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1))
    elif wants_local:
        options.append((socket.IPPROTO_IP, IP_PKTINFO, 1))
    for level, option, value in options:
        try:
            raw.setsockopt(level, option, value)
        except OSError:
            continue


def _grant_receive_buffer(raw: socket.socket, asked_bytes: int) -> BufferGrant:
    _ask(raw, (SO_RCVBUFFORCE, socket.SO_RCVBUF), asked_bytes)
    given = raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    return BufferGrant(asked_bytes, given, "net.core.rmem_max")


def _grant_send_buffer(raw: socket.socket, asked_bytes: int) -> BufferGrant:
    _ask(raw, (SO_SNDBUFFORCE, socket.SO_SNDBUF), asked_bytes)
    given = raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
    return BufferGrant(asked_bytes, given, "net.core.wmem_max")


def _ask(raw: socket.socket, options: Sequence[int], asked_bytes: int) -> None:
    """Ask for a buffer: with privilege past the sysctl's limit, else as far as that goes.

    The kernel doubles what it is asked for, for its own bookkeeping, and tells the double.
    """
    for option in options if asked_bytes else ():
        try:
            raw.setsockopt(socket.SOL_SOCKET, option, asked_bytes)
        except OSError:
            continue
        return


def _drops(raw: socket.socket) -> int:
    try:
        drops = _MEMINFO.unpack(raw.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))[MEMINFO_DROPS]
    except OSError:
        return 0
    return int(drops)
