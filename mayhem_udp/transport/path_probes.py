"""Datagrams about the path itself: how large they may be, and whether the peer is at a new address.

Decides when one is due and makes it. What follows from the answer is `pmtud`'s and `migration`'s.
"""

from mayhem_udp.transport.core import Core
from mayhem_udp.transport.datagrams import Transmit
from mayhem_udp.transport.departures import Departures
from mayhem_udp.transport.ledger import Run
from mayhem_udp.transport.pmtud import CHEAP_BYTES, DEAR_NS
from mayhem_udp.transport.state import State
from mayhem_udp.transport.timers import Timer
from mayhem_udp.units import SECOND
from mayhem_udp.wire.codec import encode_datagram, encode_frame
from mayhem_udp.wire.declarations import DatagramFlag, DatagramType
from mayhem_udp.wire.frames import PathChallenge, Ping
from mayhem_udp.wire.layout import FRAMES_OVERHEAD_BYTES


class PathProbes:
    """The probes of one connection's path."""

    __slots__ = ("_core", "_departures", "_mtu_next_ns")

    def __init__(self, core: Core, departures: Departures) -> None:
        self._core = core
        self._departures = departures
        self._mtu_next_ns = 0

    def mtu_probe(self, *, has_window: bool, now_ns: int) -> Transmit | None:
        """A datagram of a size that may or may not come through (RFC 8899), when one is due."""
        core = self._core
        if core.path.mtu.raise_due(now_ns=now_ns):
            core.path.mtu.search(ceiling_bytes=core.ceiling_bytes)
        cheap_bytes = core.path.delivery.fastest_bytes_per_s * DEAR_NS // SECOND
        size = core.path.mtu.wanted_probe_bytes(limit_bytes=max(cheap_bytes, CHEAP_BYTES))
        if not size or core.state is not State.OPEN or self._mtu_next_ns > now_ns:
            return None
        if not has_window or core.path.rtt.samples == 0:
            return None
        self._mtu_next_ns = now_ns + 2 * core.path.rtt.smoothed_ns
        core.timers.set(Timer.MTU, self._mtu_next_ns)
        number = self._departures.take_number()
        body = encode_frame(Ping()).ljust(size - FRAMES_OVERHEAD_BYTES, b"\0")
        datagram = encode_datagram(
            DatagramType.FRAMES,
            body,
            connection_id=core.connection_id,
            sequence=number,
            flags=DatagramFlag.ACK_NOW,
        )
        self._departures.enter(
            Run(first=number, count=1, sent_ns=now_ns, wire_bytes=size, probe_bytes=size), now_ns=now_ns
        )
        return self._departures.single(datagram, core.path.address)

    def challenge(self, *, now_ns: int) -> Transmit | None:
        """A challenge for an address that wants to be the peer's new one; outside the ledger."""
        core = self._core
        check = core.challenge
        if check is None:
            return None
        body = encode_frame(PathChallenge(check.nonce))
        size = len(body) + FRAMES_OVERHEAD_BYTES
        if not check.challenge_due(size=size, now_ns=now_ns):
            return None
        number = self._departures.take_number()
        datagram = encode_datagram(
            DatagramType.FRAMES, body, connection_id=core.connection_id, sequence=number
        )
        again_ns = now_ns + 2 * core.path.rtt.smoothed_ns
        check.on_challenge(size=size, again_ns=again_ns)
        core.timers.set(Timer.PATH, again_ns)
        return self._departures.single(datagram, check.address)
