"""The server's front door: which connection a datagram belongs to, and what strangers are told.

Owns the table of connections and the limits on new ones. Answers strangers without keeping anything of
them: RETRY (prove your address), VERSIONS (we do not speak yours), RESET (that connection is gone),
or a refusal. Never sends more than three times what came, nor anything in answer to an answer.
"""

from collections import Counter, deque
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import AMPLIFICATION_FACTOR, HELLO_MIN_BYTES
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.core import Entropy
from mayhem_udp.transport.datagrams import Address, ReceivedBatch, Transmit
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.opening import Opened, open_batch
from mayhem_udp.transport.settings import TransportSettings
from mayhem_udp.transport.state import State
from mayhem_udp.transport.tokens import TokenKind, TokenMint
from mayhem_udp.units import SECOND
from mayhem_udp.wire.codec import encode_datagram, encode_frame, join_retry, join_versions, split_hello
from mayhem_udp.wire.declarations import VERSION, VERSIONS_SPOKEN, DatagramFlag, DatagramType
from mayhem_udp.wire.frames import Close
from mayhem_udp.wire.layout import HEADER_BYTES, SEAL_BYTES

ANSWERS_QUEUED_MAX: Final = 256
"""Stateless answers that wait to be sent; past it, strangers get none (they will ask again)."""
RESETS_PER_SECOND_MAX: Final = 200
"""RFC 9000 section 10.3.3 wants them bounded."""


class AdmissionLimits(Struct, frozen=True):
    """How many may come in: in all, from one address, how fast, and what they may hold together."""

    connections_max: int
    connections_per_address_max: int
    new_connections_per_second_max: int
    memory_max_bytes: int


class ListenerStats(Struct):
    """What became of datagrams that no connection took."""

    retries: int = 0
    refused: int = 0
    resets: int = 0
    versions: int = 0
    ignored: int = 0
    corrupt_dropped: int = 0


class RateGate:
    """So many events a second, with a burst of one second's worth (token bucket)."""

    __slots__ = ("_allowance_ns", "_cost_ns", "_last_ns")

    def __init__(self, *, per_second: int) -> None:
        self._cost_ns = SECOND // per_second
        self._allowance_ns = SECOND
        self._last_ns = 0

    def passes(self, *, now_ns: int) -> bool:
        """Whether one more event fits now; if so it is counted."""
        self._allowance_ns = min(self._allowance_ns + now_ns - self._last_ns, SECOND)
        self._last_ns = now_ns
        if self._allowance_ns < self._cost_ns:
            return False
        self._allowance_ns -= self._cost_ns
        return True


class Listener:
    """Routes received batches to connections, and opens new ones."""

    def __init__(
        self,
        *,
        settings: TransportSettings,
        limits: AdmissionLimits,
        mint: TokenMint,
        entropy: Entropy,
    ) -> None:
        self.connections: dict[int, Connection] = {}
        self.stats = ListenerStats()
        self.settings = settings
        """Those of new connections."""
        self.memory = Memory(limits.memory_max_bytes)
        """The account of all connections together."""
        self._limits = limits
        self._mint = mint
        self._entropy = entropy
        self._per_host: Counter[str] = Counter()
        self._hosts: dict[int, str] = {}
        self._answers: deque[Transmit] = deque()
        self._admissions = RateGate(per_second=limits.new_connections_per_second_max)
        self._resets = RateGate(per_second=RESETS_PER_SECOND_MAX)
        self.is_closing = False
        """Set to refuse everybody new."""

    def handle_batch(self, batch: ReceivedBatch, *, now_ns: int, unix_s: int) -> list[Connection]:
        """Take a batch from the socket; returns the connections that it concerned (each once)."""
        stretches, claimed = open_batch(batch)
        touched: dict[int, Connection] = {}
        for connection_id in claimed:
            connection = self.connections.get(connection_id)
            if connection is not None and connection.path.address == batch.address:
                connection.handle_corrupt(1)
            else:
                self.stats.corrupt_dropped += 1
        for opened in stretches:
            number = opened.header.connection_id
            connection = self.connections.get(number)
            if opened.header.version not in VERSIONS_SPOKEN:
                self._answer_version(opened)
                continue
            if connection is None:
                connection = self._stranger(opened, now_ns=now_ns, unix_s=unix_s)
                if connection is None:
                    continue
            connection.handle(opened, now_ns=now_ns)
            touched[number] = connection
        return list(touched.values())

    @property
    def limits(self) -> AdmissionLimits:
        """The limits on connections; others may be set at any time, and hold at once."""
        return self._limits

    @limits.setter
    def limits(self, limits: AdmissionLimits) -> None:
        if limits.new_connections_per_second_max != self._limits.new_connections_per_second_max:
            self._admissions = RateGate(per_second=limits.new_connections_per_second_max)
        self._limits = limits
        self.memory.max_bytes = limits.memory_max_bytes

    def poll_transmit(self) -> Transmit | None:
        """The next stateless answer, or None."""
        return self._answers.popleft() if self._answers else None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        number = connection.connection_id
        if self.connections.pop(number, None) is None:
            return
        connection.memory.set_overhead(0)
        host = self._hosts.pop(number)
        self._per_host[host] -= 1
        if self._per_host[host] <= 0:
            del self._per_host[host]

    def reap(self) -> list[Connection]:
        """Remove and return the connections whose life is over."""
        over = [each for each in self.connections.values() if each.state is State.CLOSED]
        for connection in over:
            self.remove(connection)
        return over

    # --- Strangers ---------------------------------------------------------------------------------

    def _stranger(self, opened: Opened, *, now_ns: int, unix_s: int) -> Connection | None:
        kind = opened.header.type
        if kind == DatagramType.HELLO:
            return self._on_hello(opened, now_ns=now_ns, unix_s=unix_s)
        early = opened.header.flags & DatagramFlag.EARLY
        if kind in (DatagramType.FRAMES, DatagramType.DATA) and not early:
            self._answer_reset(opened, now_ns=now_ns)
        else:
            self.stats.ignored += opened.count
        return None

    def _on_hello(self, opened: Opened, *, now_ns: int, unix_s: int) -> Connection | None:
        first = opened.rows[HEADER_BYTES : min(opened.segment_bytes, opened.total_bytes) - SEAL_BYTES]
        if opened.segment_bytes < HELLO_MIN_BYTES:
            self.stats.ignored += opened.count
            return None
        try:
            token, _ = split_hello(first.tobytes())
        except PeerError:
            self.stats.ignored += opened.count
            return None
        mint, number = self._mint, opened.header.connection_id
        if not mint.is_valid(token, opened.address, connection_id=number, unix_s=unix_s):
            self.stats.retries += 1
            retry = mint.make(TokenKind.RETRY, opened.address, connection_id=number, unix_s=unix_s)
            self._answer(opened, DatagramType.RETRY, join_retry(retry))
            return None
        refusal = self._refusal(opened.address, now_ns=now_ns)
        if refusal is not None:
            self.stats.refused += 1
            self._answer(opened, DatagramType.FRAMES, encode_frame(refusal))
            return None
        mint.use(token)
        return self._admit(opened, now_ns=now_ns, unix_s=unix_s)

    def _refusal(self, address: Address, *, now_ns: int) -> Close | None:
        limits = self.limits
        if self.is_closing:
            return Close(Code.SHUTTING_DOWN, b"the server is shutting down")
        if len(self.connections) >= limits.connections_max:
            return Close(Code.TOO_MANY_CONNECTIONS, b"the server has as many connections as it takes")
        if self._per_host[address.host] >= limits.connections_per_address_max:
            return Close(Code.TOO_MANY_CONNECTIONS, b"too many connections from this address")
        if self.memory.left_bytes <= 0:
            return Close(
                Code.OUT_OF_MEMORY_BUDGET, b"the server has no memory to spare for another connection"
            )
        if not self._admissions.passes(now_ns=now_ns):
            return Close(Code.RATE_LIMITED, b"too many new connections at once")
        return None

    def _admit(self, opened: Opened, *, now_ns: int, unix_s: int) -> Connection:
        number = opened.header.connection_id
        connection = Connection.server(
            opened.address,
            connection_id=number,
            settings=self.settings,
            entropy=self._entropy,
            reset_token=self._mint.reset_token(number),
            visit_token=self._mint.make(TokenKind.VISIT, opened.address, connection_id=number, unix_s=unix_s),
            memory=Memory(self.settings.memory_max_bytes, parent=self.memory),
            now_ns=now_ns,
        )
        self.connections[number] = connection
        self._hosts[number] = opened.address.host
        self._per_host[opened.address.host] += 1
        return connection

    def _answer_version(self, opened: Opened) -> None:
        if opened.header.type == DatagramType.HELLO and opened.segment_bytes >= HELLO_MIN_BYTES:
            self.stats.versions += 1
            self._answer(opened, DatagramType.VERSIONS, join_versions(VERSIONS_SPOKEN))
        else:
            self.stats.ignored += opened.count

    def _answer_reset(self, opened: Opened, *, now_ns: int) -> None:
        if not self._resets.passes(now_ns=now_ns):
            self.stats.ignored += opened.count
            return
        self.stats.resets += 1
        self._answer(opened, DatagramType.RESET, self._mint.reset_token(opened.header.connection_id))

    def _answer(self, opened: Opened, kind: DatagramType, body: bytes) -> None:
        header = opened.header
        datagram = encode_datagram(
            kind, body, connection_id=header.connection_id, sequence=header.sequence, version=VERSION
        )
        too_much = len(datagram) > AMPLIFICATION_FACTOR * opened.total_bytes
        if too_much or len(self._answers) >= ANSWERS_QUEUED_MAX:
            self.stats.ignored += 1
            return
        self._answers.append(Transmit(datagram, len(datagram), len(datagram), opened.address))
