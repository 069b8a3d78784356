"""What both directions of a connection share: its parts, in one record.

`inbound` and `outbound` work on it, `connection` owns it. Holds state, never acts.
"""

from collections import deque
from collections.abc import Callable

from mayhem_udp.transport.acks import AckTracker
from mayhem_udp.transport.events import Event
from mayhem_udp.transport.handshake import HandshakeStream
from mayhem_udp.transport.memory import CONNECTION_BYTES, REQUEST_BYTES, RUN_BYTES, Memory
from mayhem_udp.transport.path import Path, PathCheck
from mayhem_udp.transport.recovery import Recovery
from mayhem_udp.transport.settings import TransportSettings
from mayhem_udp.transport.state import State
from mayhem_udp.transport.stats import ConnectionStats
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.transport.streams.table import RequestTable
from mayhem_udp.transport.timers import Timers
from mayhem_udp.wire.codec import Parameters
from mayhem_udp.wire.frames import Frame
from mayhem_udp.wire.layout import DATA_OVERHEAD_BYTES

Entropy = Callable[[int], bytes]
"""Gives so many unpredictable bytes: the system's in real life, seeded in simulations."""


class Core:
    """The parts of one connection."""

    __slots__ = (
        "acks",
        "challenge",
        "connection_id",
        "control",
        "entropy",
        "events",
        "handshake",
        "memory",
        "mtu_hint_bytes",
        "path",
        "recovery",
        "requests",
        "settings",
        "side",
        "state",
        "stats",
        "timers",
    )

    def __init__(
        self,
        side: Side,
        *,
        connection_id: int,
        path: Path,
        settings: TransportSettings,
        handshake: HandshakeStream,
        memory: Memory,
        entropy: Entropy,
        mtu_hint_bytes: int,
    ) -> None:
        self.side = side
        self.connection_id = connection_id
        self.settings = settings
        self.entropy = entropy
        self.mtu_hint_bytes = mtu_hint_bytes
        self.state = State.OPENING
        self.path = path
        self.handshake = handshake
        self.memory = memory
        self.recovery = Recovery(ack_delay_max_ns=settings.ack_delay_max_ns)
        self.acks = AckTracker(delay_ns=settings.ack_delay_max_ns)
        self.requests = RequestTable(
            side,
            open_max=settings.requests_max,
            window_bytes=settings.body_window_initial_bytes,
            window_max_bytes=settings.body_window_max_bytes,
            promise_bytes=settings.body_promise_bytes,
            memory=memory,
        )
        self.count_overhead()
        self.timers = Timers()
        self.stats = ConnectionStats()
        self.events: deque[Event] = deque()
        self.control: deque[Frame] = deque()
        """Frames that are to be sent, and sent again if lost."""
        self.challenge: PathCheck | None = None

    def count_overhead(self) -> None:
        """Say what this connection costs beside the bytes that it holds."""
        entries = len(self.requests.open) * REQUEST_BYTES + len(self.recovery.ledger.flight) * RUN_BYTES
        self.memory.set_overhead(CONNECTION_BYTES + entries)

    @property
    def peer(self) -> Parameters | None:
        """What the peer has said of itself."""
        return self.handshake.peer

    @property
    def chunk_bytes(self) -> int:
        """Payload of the DATA datagrams sent now: what the peer wants, what we want, what fits."""
        fits = self.path.mtu.current_bytes - DATA_OVERHEAD_BYTES
        ours, peer = self.settings.chunk_bytes, self.handshake.peer
        theirs = peer.chunk_bytes if peer is not None else 0
        return min(ours or fits, theirs or fits, fits)

    @property
    def rate_cap_bps(self) -> int:
        """No faster than this: the smaller of what both sides want; 0: no cap."""
        caps = (self.settings.rate_cap_bps, self.peer.rate_cap_bps if self.peer else 0)
        return min((each for each in caps if each), default=0)

    @property
    def ceiling_bytes(self) -> int:
        """The largest datagram worth trying on this path."""
        theirs = self.peer.datagram_max_bytes if self.peer else self.settings.datagram_max_bytes
        ceiling = min(self.settings.datagram_max_bytes, theirs)
        return min(ceiling, self.mtu_hint_bytes) if self.mtu_hint_bytes else ceiling
