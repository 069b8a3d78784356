"""A datagram explained, as text and as a value.

Owns the columns. What a field means is `wire.describe`'s. Everything in it came from a peer, and is
escaped here. Never writes anywhere.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mayhem_udp.cli.capture.packets import UdpDatagram
from mayhem_udp.cli.surroundings import Field
from mayhem_udp.escape import escape
from mayhem_udp.units import SECOND, US

HEX_BYTES_SHOWN: Final = 8


class Found(NamedTuple):
    """A datagram, and what is known about where it was."""

    datagram: bytes
    packet_number: int | None = None
    time_ns: int | None = None
    udp: UdpDatagram | None = None


def as_text(found: Found, fields: Sequence[Field], *, number: int) -> str:
    """A heading, and a line for each field."""
    lines = [_heading(found, number=number)]
    names = max((len(field[2]) for field in fields), default=0)
    for offset, length, name, value, meaning in fields:
        shown = _hex(found.datagram[offset : offset + length])
        lines.append(f"{offset:>6}  {shown:<27}  {escape(name):<{names}}  {_value(value)}".rstrip())
        if meaning:
            lines[-1] += f"  ({escape(meaning)})"
    return "\n".join(lines) + "\n"


def as_value(found: Found, fields: Sequence[Field]) -> dict[str, object]:
    """The same for JSON."""
    udp = found.udp
    return {
        "packet": found.packet_number,
        "time_ns": found.time_ns,
        "source": str(udp.source) if udp else None,
        "destination": str(udp.destination) if udp else None,
        "bytes": len(found.datagram),
        "bytes_missing": udp.bytes_missing if udp else 0,
        "fields": [
            {"offset": offset, "length": length, "field": name, "value": _plain(value), "meaning": meaning}
            for offset, length, name, value, meaning in fields
        ],
    }


def _heading(found: Found, *, number: int) -> str:
    parts = [f"datagram {number}", f"{len(found.datagram):,} bytes"]
    if found.udp is not None:
        parts.append(f"{found.udp.source} -> {found.udp.destination}")
        if found.udp.bytes_missing:
            parts.append(f"{found.udp.bytes_missing:,} bytes were not captured")
    if found.packet_number is not None:
        parts.append(f"packet {found.packet_number}")
    if found.time_ns is not None:
        parts.append(_moment(found.time_ns))
    return ", ".join(parts)


def _moment(time_ns: int) -> str:
    """A capture may claim any time."""
    try:
        moment = datetime.fromtimestamp(time_ns // SECOND, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return "at an impossible time"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns % SECOND // US:06d} UTC"


def _hex(data: bytes) -> str:
    return data[:HEX_BYTES_SHOWN].hex(" ") + (" …" if len(data) > HEX_BYTES_SHOWN else "")


def _value(value: object) -> str:
    return escape(str(_plain(value)))


def _plain(value: object) -> object:
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else value
