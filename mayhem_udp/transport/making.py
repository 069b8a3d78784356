"""Making what the parts of a connection share, from its settings.

Owns the translation from settings to what the peer is told in the handshake. Never keeps anything.
"""

from mayhem_udp.transport.core import Core, Entropy
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.handshake import HandshakeStream
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.path import Path
from mayhem_udp.transport.settings import TransportSettings
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.units import MS, US
from mayhem_udp.wire.codec import Parameters


def make_core(
    side: Side,
    address: Address,
    *,
    connection_id: int,
    settings: TransportSettings,
    handshake: HandshakeStream,
    memory: Memory | None,
    entropy: Entropy,
    mtu_hint_bytes: int,
    now_ns: int,
) -> Core:
    """What the parts of a new connection share; without `memory`, its account is its own."""
    ceiling = min(settings.datagram_max_bytes, mtu_hint_bytes or settings.datagram_max_bytes)
    return Core(
        side,
        connection_id=connection_id,
        path=Path(
            address, settings, ceiling_bytes=ceiling, rate_cap_bps=settings.rate_cap_bps, now_ns=now_ns
        ),
        settings=settings,
        handshake=handshake,
        memory=memory or Memory(settings.memory_max_bytes),
        entropy=entropy,
        mtu_hint_bytes=mtu_hint_bytes,
    )


def parameters_of(settings: TransportSettings, *, reset_token: bytes) -> Parameters:
    """What this side says of itself in the handshake."""
    return Parameters(
        idle_timeout_ms=settings.idle_timeout_ns // MS,
        datagram_max_bytes=settings.datagram_max_bytes,
        chunk_bytes=settings.chunk_bytes,
        ack_delay_max_us=settings.ack_delay_max_ns // US,
        body_window_bytes=settings.body_promise_bytes,
        requests_max=settings.requests_max,
        rate_cap_bps=settings.rate_cap_bps,
        reset_token=reset_token,
        agent=settings.agent,
    )
