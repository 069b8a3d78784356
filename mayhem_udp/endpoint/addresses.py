"""Addresses: names looked up, and the kernel's forms of an address to and from ours.

Owns the translation between `Address`, a socket's address tuple, and the ancillary data that says which
of our own addresses a datagram came to or shall leave from. Imports `socket` for that, and opens none.
Looking up a name may block: clients do it before anything else, the daemon only as it starts.
"""

import socket
import struct
from functools import lru_cache
from typing import Final

from mayhem_udp.errors import Code, UnreachableError
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.url import HostPort

Sockaddr = tuple[str, int] | tuple[str, int, int, int]
"""What the socket module takes and gives: of IPv6 with flow information and scope."""
Ancillary = tuple[int, int, bytes]
"""A control message: level, type, data."""

IP_PKTINFO: Final = 8
"""Linux; the socket module of Python 3.11 does not name it."""
_PKTINFO: Final = struct.Struct("=i4s4s")  # struct in_pktinfo: interface, our address, the header's
_PKTINFO6: Final = struct.Struct("=16si")  # struct in6_pktinfo: our address, interface
PKTINFO_SPACE_BYTES: Final = socket.CMSG_SPACE(_PKTINFO6.size)
"""Room that either of them takes in the ancillary data of a read."""

_MAPPED: Final = "::ffff:"
_MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"
_REMEMBERED: Final = 512
"""Translations kept each way: hits for as many peers as talk at once, and a flood moves no memory."""


def resolve(place: HostPort) -> tuple[Address, ...]:
    """The addresses of a host, the one to try first at the front; raises `UnreachableError`."""
    # As bytes where it can be: a str is encoded by the codec for international names, whose tables take 10 ms to load.
    name = place.host.encode() if place.host.isascii() else place.host
    try:
        found = socket.getaddrinfo(name, place.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "that cannot be a name"
        raise UnreachableError(
            f"the name {place.host!r} cannot be looked up: {why}",
            code=Code.NAME_UNRESOLVED,
            remedy="check its spelling and the network's name service, or give a numeric address",
        ) from None
    families = (socket.AF_INET, socket.AF_INET6)
    addresses = [address_of(each[4]) for each in found if each[0] in families]
    return tuple(dict.fromkeys(addresses))


def family_of(address: Address) -> socket.AddressFamily:
    """The kind of socket that reaches an address by itself."""
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


@lru_cache(_REMEMBERED)
def address_of(sockaddr: Sockaddr, local: str = "") -> Address:
    """The address in a socket's tuple; IPv4 inside IPv6 comes out as plain IPv4."""
    scope_id = sockaddr[3] if len(sockaddr) == 4 else 0
    return Address(_plain(sockaddr[0]), sockaddr[1], scope_id, local)


@lru_cache(_REMEMBERED)
def sockaddr_of(address: Address, family: socket.AddressFamily) -> Sockaddr:
    """The tuple for a socket of a family; one of IPv6 reaches IPv4 through mapped addresses."""
    if family == socket.AF_INET:
        return address.host, address.port
    host = address.host if ":" in address.host else _MAPPED + address.host
    return host, address.port, 0, address.scope_id


@lru_cache(_REMEMBERED)
def local_of(level: int, data: bytes) -> str:
    """Which of our addresses a datagram came to, from its IP_PKTINFO or IPV6_PKTINFO."""
    if level == socket.IPPROTO_IP:
        return socket.inet_ntop(socket.AF_INET, _PKTINFO.unpack(data)[1])
    return _plain(socket.inet_ntop(socket.AF_INET6, _PKTINFO6.unpack(data)[0]))


@lru_cache(_REMEMBERED)
def leaving_from(address: Address, family: socket.AddressFamily) -> tuple[Ancillary, ...]:
    """The control message that makes a datagram to `address` leave from its `local`, where it has one.

    The interface is left to routing, except for link-local addresses, which mean nothing without.
    """
    if not address.local:
        return ()
    if family == socket.AF_INET:
        ours = socket.inet_pton(socket.AF_INET, address.local)
        return ((socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, ours, bytes(4))),)
    if ":" in address.local:
        ours = socket.inet_pton(socket.AF_INET6, address.local)
    else:
        ours = _MAPPED_PREFIX + socket.inet_pton(socket.AF_INET, address.local)
    packed = _PKTINFO6.pack(ours, address.scope_id)
    return ((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed),)


def is_every(host: str) -> bool:
    """Whether a numeric host stands for all addresses of this machine."""
    return host in ("0.0.0.0", "::")


def _plain(host: str) -> str:
    """IPv4 out of its IPv6 disguise, any other as it is."""
    return host[len(_MAPPED) :] if host.startswith(_MAPPED) and "." in host else host
