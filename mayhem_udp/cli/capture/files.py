"""Packets from capture files: pcap (libpcap, all byte orders and precisions) and pcapng.

Owns the two formats, as draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng describe them. Reads
forward only, so that a pipe will do, and holds one packet at a time. Never looks into a packet.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from mayhem_udp.errors import LocalFileError
from mayhem_udp.units import SECOND

PACKET_MAX_BYTES: Final = 1 << 20
"""No packet and no block is larger; libpcap's own bound is 256 KiB."""
INTERFACES_MAX: Final = 1 << 12

PCAP_MAGICS: Final = {
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""Byte order and nanoseconds of a time's fraction, by the first four bytes."""
PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_PACKET: Final = 6
_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_OPTION_RESOLUTION: Final = 9
_OPTION_OFFSET: Final = 14


class Packet(Struct, frozen=True):
    """One packet as it was captured."""

    number: int
    """Counted from 1, as other tools do."""
    time_ns: int | None
    """Nanoseconds since 1970 (UTC), where the capture says so."""
    link_type: int
    data: bytes
    bytes_missing: int
    """How much the capture left out at its end."""


class _Interface(Struct, frozen=True):
    link_type: int
    snap_bytes: int
    tick_ns: tuple[int, int] = (1_000, 1)
    """Nanoseconds of one tick, as a fraction."""
    offset_s: int = 0


def is_capture(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a capture."""
    return head[:4] in PCAP_MAGICS or head[:4] == PCAPNG_MAGIC


def read_packets(head: bytes, stream: BinaryIO) -> Iterator[Packet]:
    """Every packet of a capture, in its order; `head` is its first four bytes, already read.

    Raises `LocalFileError` where the capture is broken.
    """
    if head in PCAP_MAGICS:
        return _read_pcap(stream, *PCAP_MAGICS[head])
    if head == PCAPNG_MAGIC:
        return _Pcapng(stream).packets()
    raise LocalFileError("this is no capture", remedy="give a pcap or pcapng file, or hexadecimal text")


def _read_pcap(stream: BinaryIO, order: str, fraction_ns: int) -> Iterator[Packet]:
    head = struct.Struct(order + "HHiIII")
    record = struct.Struct(order + "IIII")
    link_type: int = head.unpack(_exactly(stream, head.size, what="its head"))[5]
    number = 0
    while raw := stream.read(record.size):
        number += 1
        raw += _exactly(stream, record.size - len(raw), what=f"packet {number}")
        seconds, fraction, captured, original = record.unpack(raw)
        data = _exactly(stream, _checked(captured, what=f"packet {number}"), what=f"packet {number}")
        time_ns = seconds * SECOND + fraction * fraction_ns
        yield Packet(number, time_ns, link_type & 0x03FF_FFFF, data, max(0, original - captured))


class _Pcapng:
    """The blocks of one file; sections may follow each other, each with its byte order and interfaces."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._number = 0

    def packets(self) -> Iterator[Packet]:
        """Every packet; blocks of other kinds are passed over."""
        raw_type = PCAPNG_MAGIC  # already read
        while raw_type:
            raw_type += _exactly(self._stream, 4 - len(raw_type), what="a block's type")
            kind = _SECTION if raw_type == PCAPNG_MAGIC else self._unpack("I", raw_type)[0]
            body = (
                self._section() if kind == _SECTION else self._body(_exactly(self._stream, 4, what="a block"))
            )
            if kind == _INTERFACE:
                self._add_interface(body)
            elif kind in (_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                self._number += 1
                yield self._packet(kind, body)
            raw_type = self._stream.read(4)

    def _section(self) -> bytes:
        """The head of a section, which says the byte order of its own length and of all that follows."""
        raw_length = _exactly(self._stream, 4, what="a section")
        magic = _exactly(self._stream, 4, what="a section")
        if magic not in _ORDERS:
            raise _broken("a section of the capture has an unknown byte order")
        self._order = _ORDERS[magic]
        self._interfaces = []
        return self._body(raw_length, already=magic)

    def _body(self, raw_length: bytes, *, already: bytes = b"") -> bytes:
        length = self._unpack("I", raw_length)[0]
        if length % 4 or length < 12 + len(already):
            raise _broken(f"a block of the capture has the impossible length {length}")
        body = already + _exactly(
            self._stream, _checked(length - 12, what="a block") - len(already), what="a block"
        )
        if _exactly(self._stream, 4, what="a block's end") != raw_length:
            raise _broken("a block of the capture has two different lengths")
        return body

    def _unpack(self, codes: str, data: bytes, offset: int = 0) -> tuple[int, ...]:
        """Numbers in the section's byte order."""
        layout = struct.Struct(self._order + codes)
        if offset + layout.size > len(data):
            raise _broken("a block of the capture is too short for what it says")
        return layout.unpack_from(data, offset)

    def _add_interface(self, body: bytes) -> None:
        if len(self._interfaces) >= INTERFACES_MAX:
            raise _broken("the capture has too many interfaces")
        link_type, _, snap_bytes = self._unpack("HHI", body)
        tick_ns, offset_s = (1_000, 1), 0
        for code, value in self._options(body, 8):
            if code == _OPTION_RESOLUTION and len(value) == 1:
                exponent = value[0] & 0x7F
                base = 2 if value[0] & 0x80 else 10
                tick_ns = (SECOND, base**exponent)
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset_s = self._unpack("q", value)[0]
        self._interfaces.append(_Interface(link_type, snap_bytes, tick_ns, offset_s))

    def _options(self, body: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
        while offset + 4 <= len(body):
            code, length = self._unpack("HH", body, offset)
            if code == 0 or offset + 4 + length > len(body):
                return
            yield code, body[offset + 4 : offset + 4 + length]
            offset += 4 + (length + 3) // 4 * 4

    def _packet(self, kind: int, body: bytes) -> Packet:
        ticks: int | None = None
        if kind == _SIMPLE_PACKET:
            (original,) = self._unpack("I", body)
            interface, start = self._interface(0), 4
            captured = min(original, interface.snap_bytes or original, len(body) - start)
        else:
            codes = "IIIII" if kind == _PACKET else "HHIIII"
            index, *_, high, low, captured, original = self._unpack(codes, body)
            interface, start = self._interface(index), 20
            ticks = high << 32 | low
        if start + captured > len(body):
            raise _broken(f"packet {self._number} of the capture is longer than its block")
        missing = max(0, original - captured)
        return Packet(
            self._number,
            _time_ns(interface, ticks),
            interface.link_type,
            body[start : start + captured],
            missing,
        )

    def _interface(self, index: int) -> _Interface:
        if index >= len(self._interfaces):
            raise _broken(
                f"packet {self._number} of the capture comes from an interface that was not declared"
            )
        return self._interfaces[index]


def _time_ns(interface: _Interface, ticks: int | None) -> int | None:
    if ticks is None:
        return None
    numerator, denominator = interface.tick_ns
    return ticks * numerator // denominator + interface.offset_s * SECOND


def _exactly(stream: BinaryIO, count: int, *, what: str) -> bytes:
    """So many bytes, or an error."""
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            raise _broken(f"the capture ends in the midst of {what}")
        data += more
    return data


def _checked(count: int, *, what: str) -> int:
    if count > PACKET_MAX_BYTES:
        raise _broken(f"{what} of the capture claims {count} bytes")
    return count


def _broken(message: str) -> LocalFileError:
    return LocalFileError(message, remedy="is the file whole? capture again, or cut it with editcap")
