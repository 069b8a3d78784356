"""From the configuration to what an engine is told.

Owns the translation, for both sides. Never holds a default: `config.toml` does.
"""

from mayhem_udp import __version__
from mayhem_udp.config import Settings
from mayhem_udp.endpoint.offload import Offload
from mayhem_udp.endpoint.udp import SocketSettings
from mayhem_udp.limits import EARLY_BODY_BYTES, EARLY_REQUESTS
from mayhem_udp.transport.listener import AdmissionLimits
from mayhem_udp.transport.settings import TransportSettings
from mayhem_udp.transport.streams.numbers import Side


def engine_settings(
    settings: Settings, side: Side, *, interface_max_bytes: int | None = None
) -> TransportSettings:
    """The settings of one side's connections.

    `interface_max_bytes` is the largest payload that the first hop takes, where that is known.
    """
    transport, congestion = settings.transport, settings.congestion
    is_client = side is Side.CLIENT
    largest = transport.datagram_max_bytes
    memory_bytes = settings.limits.memory_per_connection_max_bytes
    # A client answers no requests: its bodies are those of the transfers that it begins itself.
    wanted = settings.client.parallel if is_client else settings.limits.requests_per_connection_max
    requests_max = max(min(wanted, memory_bytes // (2 * EARLY_BODY_BYTES)), EARLY_REQUESTS)
    return TransportSettings(
        chunk_bytes=transport.chunk_size_bytes,
        datagram_max_bytes=min(largest, interface_max_bytes) if interface_max_bytes else largest,
        idle_timeout_ns=transport.idle_timeout_ns,
        keep_alive_ns=transport.keep_alive_ns if is_client else 0,
        handshake_timeout_ns=settings.client.timeout_ns if is_client else transport.handshake_timeout_ns,
        ack_delay_max_ns=transport.ack_delay_max_ns,
        body_window_initial_bytes=transport.body_window_initial_bytes,
        body_window_max_bytes=min(transport.body_window_max_bytes, memory_bytes),
        send_buffer_max_bytes=min(transport.send_buffer_max_bytes, memory_bytes),
        memory_max_bytes=memory_bytes,
        requests_max=requests_max,
        controller=congestion.controller,
        rate_cap_bps=congestion.rate_cap_bps,
        rate_fixed_bps=congestion.rate_fixed_bps,
        agent=f"mayhem_udp/{__version__}",
    )


def socket_settings(settings: Settings) -> SocketSettings:
    """What sockets are asked to have."""
    transport = settings.transport
    return SocketSettings(
        receive_buffer_bytes=transport.socket_receive_buffer_bytes,
        send_buffer_bytes=transport.socket_send_buffer_bytes,
        offload=Offload.ON if transport.offload else Offload.OFF,
    )


def admission_limits(settings: Settings) -> AdmissionLimits:
    """How many connections come in, and how fast."""
    limits = settings.limits
    return AdmissionLimits(
        connections_max=limits.connections_max,
        connections_per_address_max=limits.connections_per_address_max,
        new_connections_per_second_max=limits.connections_per_second_max,
        memory_max_bytes=limits.memory_max_bytes,
    )
