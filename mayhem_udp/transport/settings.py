"""What an engine needs to be told about the world: one frozen record.

The values come from the configuration (`config.toml` is the only place of the defaults).
"""

from msgspec import Struct

from mayhem_udp import limits


class TransportSettings(Struct, frozen=True):
    """Settings of one connection; sizes in bytes, times in nanoseconds, rates in bits per second."""

    chunk_bytes: int
    """Payload of a DATA datagram; 0: as much as the path takes."""
    datagram_max_bytes: int
    """The largest UDP payload sent or taken."""
    idle_timeout_ns: int
    keep_alive_ns: int
    """Without traffic for so long, a PING keeps middleboxes awake; 0: never."""
    handshake_timeout_ns: int
    ack_delay_max_ns: int
    body_window_initial_bytes: int
    body_window_max_bytes: int
    send_buffer_max_bytes: int
    memory_max_bytes: int
    """What one connection may hold for its peer."""
    requests_max: int
    """Requests that may be open at once: those of the peer, or a client's own."""
    controller: str
    rate_cap_bps: int
    """Neither side sends faster than this: the peer is told; 0: no cap."""
    rate_fixed_bps: int
    """The rate of the controller "fixed"."""
    agent: str

    def __post_init__(self) -> None:
        assert limits.DATAGRAM_MIN_BYTES <= self.datagram_max_bytes <= limits.DATAGRAM_MAX_BYTES
        assert self.body_window_initial_bytes <= self.body_window_max_bytes
        assert 0 < self.requests_max <= limits.OPEN_REQUESTS_MAX
        assert self.requests_max * limits.EARLY_BODY_BYTES <= self.memory_max_bytes, "promises are kept"

    @property
    def body_promise_bytes(self) -> int:
        """What every body may send at once: all that may be open have it, in half of the memory."""
        fair = self.memory_max_bytes // 2 // self.requests_max
        return min(self.body_window_initial_bytes, max(fair, limits.EARLY_BODY_BYTES))
