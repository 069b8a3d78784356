"""UDP datagrams inside packets: link layers, IPv4, IPv6.

Owns the headers between a capture and a UDP payload, each checked before it is believed. What is no UDP
gives a reason. Never puts fragments together, and never looks into a payload.
"""

import struct
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from mayhem_udp.cli.capture.files import Packet
from mayhem_udp.url import HostPort

_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_VLAN_TAGS: Final = {0x8100, 0x88A8, 0x9100}
_UDP: Final = 17
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = {0, 43, 60, 135, 139, 140}
"""IPv6 headers that say their length in units of eight bytes (RFC 8200, RFC 7045)."""
_EXTENSIONS_MAX: Final = 16
_LOOPBACK_IPV6: Final = {10, 24, 28, 30}
"""AF_INET6 as the systems number it that write a loopback's packets."""


class UdpDatagram(Struct, frozen=True):
    """A UDP payload, and who sent it to whom."""

    source: HostPort
    destination: HostPort
    payload: bytes
    bytes_missing: int
    """How much of the payload the capture left out."""


class NoUdp(Exception):
    """A packet that holds no whole UDP header, and why."""


def udp_of(packet: Packet) -> UdpDatagram:
    """The UDP datagram in a packet. Raises `NoUdp`."""
    network, data = _network_of(packet.link_type, packet.data)
    if network == _IPV4:
        return _from_ipv4(data)
    if network == _IPV6:
        return _from_ipv6(data)
    raise NoUdp("neither IPv4 nor IPv6")


def _network_of(link_type: int, data: bytes) -> tuple[int, bytes]:
    """The network protocol's Ethernet number, and its packet."""
    match link_type:
        case 1:  # Ethernet
            return _past_tags(data, 12)
        case 113:  # Linux "any", version 1
            return _past_tags(data, 14)
        case 276:  # Linux "any", version 2
            return _number(data, 0), data[20:]
        case 0 | 108:  # loopback of the BSDs; the family is in either byte order
            family = _number(data, 0, "<I" if link_type == 0 else ">I")
            family = family if family < 1 << 16 else _number(data, 0, ">I")
            return {2: _IPV4}.get(family, _IPV6 if family in _LOOPBACK_IPV6 else 0), data[4:]
        case 12 | 14 | 101 | 228 | 229:  # bare IP
            return {4: _IPV4, 6: _IPV6}.get(_number(data, 0, "B") >> 4, 0), data
    raise NoUdp(f"link type {link_type} is not known here")


def _past_tags(data: bytes, offset: int) -> tuple[int, bytes]:
    """The protocol number at `offset`, past any VLAN tags, and what follows it."""
    kind = _number(data, offset)
    for _ in range(4):
        if kind not in _VLAN_TAGS:
            break
        offset += 4
        kind = _number(data, offset)
    return kind, data[offset + 2 :]


def _from_ipv4(data: bytes) -> UdpDatagram:
    head_bytes = (_number(data, 0, "B") & 0x0F) * 4
    if head_bytes < 20 or len(data) < head_bytes:
        raise NoUdp("a broken IPv4 header")
    if data[9] != _UDP:
        raise NoUdp("not UDP")
    if _number(data, 6) & 0x3FFF:
        raise NoUdp("a fragment")
    total = _number(data, 2) or len(data)  # 0 where the network card was to fill it in
    return _from_udp(data[12:16], data[16:20], data[head_bytes : max(total, head_bytes)])


def _from_ipv6(data: bytes) -> UdpDatagram:
    if len(data) < 40:
        raise NoUdp("a broken IPv6 header")
    length = _number(data, 4)
    kind, offset = data[6], 40
    for _ in range(_EXTENSIONS_MAX):
        if kind == _FRAGMENT:
            raise NoUdp("a fragment")
        if kind not in _EXTENSIONS and kind != _AUTHENTICATION:
            break
        units = _number(data, offset + 1, "B")
        kind, offset = (
            data[offset],
            offset + ((units + 2) * 4 if kind == _AUTHENTICATION else (units + 1) * 8),
        )
    if kind != _UDP:
        raise NoUdp("not UDP")
    end = 40 + length if length else len(data)  # 0 for a jumbogram or a batch
    return _from_udp(data[8:24], data[24:40], data[offset:end])


def _from_udp(source: bytes, destination: bytes, data: bytes) -> UdpDatagram:
    if len(data) < 8:
        raise NoUdp("a broken UDP header")
    source_port, destination_port, length = struct.unpack_from(">HHH", data)
    if 0 < length < 8:
        raise NoUdp("a broken UDP header")
    payload = data[8:length] if length else data[8:]
    return UdpDatagram(
        HostPort(str(ip_address(source)), source_port),
        HostPort(str(ip_address(destination)), destination_port),
        payload,
        max(0, length - 8 - len(payload)),
    )


def _number(data: bytes, offset: int, code: str = ">H") -> int:
    layout = struct.Struct(code)
    if offset + layout.size > len(data):
        raise NoUdp("cut short")
    number: int = layout.unpack_from(data, offset)[0]
    return number
