"""A client's engine and a server's on one hostile network, in virtual time: the main fixture.

Owns the two peers that a simulator talks to: a real `Connection`, a real `Listener` with a real mint, and
diaries of what each side was told. Tests command the engines, let time pass, and read the diaries.
"""

from collections import defaultdict
from random import Random

from mayhem_udp.mayhem.simulator import Simulator
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.events import BodyReceived, Closed, MessageReceived, RequestReset, TokenReceived
from mayhem_udp.transport.listener import AdmissionLimits, Listener
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.settings import TransportSettings
from mayhem_udp.transport.state import State
from mayhem_udp.transport.tokens import TokenMint
from mayhem_udp.units import HOUR, KIB, MIB, MS, SECOND

CLIENT = Address("192.0.2.1", 40_000)
SERVER = Address("192.0.2.2", 5_000)
UNIX_S = 1_750_000_000
"""What the calendar shows when virtual time begins."""
ADMIT_ALL = AdmissionLimits(
    connections_max=1_000,
    connections_per_address_max=1_000,
    new_connections_per_second_max=1_000,
    memory_max_bytes=128 * MIB,
)


def transport_settings(**changes):
    """Settings as the default configuration has them, but for these."""
    values = {
        "chunk_bytes": 0,
        "datagram_max_bytes": 1_472,
        "idle_timeout_ns": 30 * SECOND,
        "keep_alive_ns": 0,
        "handshake_timeout_ns": 30 * SECOND,
        "ack_delay_max_ns": 25 * MS,
        "body_window_initial_bytes": MIB,
        "body_window_max_bytes": 16 * MIB,
        "send_buffer_max_bytes": 16 * MIB,
        "memory_max_bytes": 64 * MIB,
        "requests_max": 256,
        "controller": "bbr",
        "rate_cap_bps": 0,
        "rate_fixed_bps": 100_000_000,
        "agent": "virtual",
    }
    return TransportSettings(**(values | changes))


class Landing:
    """Where a body lands: its bytes, each of which may come once."""

    def __init__(self):
        self.bytes = bytearray()
        self.here = RangeSet()

    def put(self, offset, data):
        stop = offset + len(data)
        assert self.here.add(offset, stop) == len(data), "a byte was handed over twice"
        if len(self.bytes) < stop:
            self.bytes.extend(bytes(stop - len(self.bytes)))
        self.bytes[offset:stop] = data.tobytes()


class Diary:
    """What one connection was told, and what it does about it: nothing but giving credit."""

    def __init__(self, connection):
        self.connection = connection
        self.events = []
        self.messages = defaultdict(list)
        self.bodies = defaultdict(Landing)
        self.resets = {}
        self.tokens = []
        self.closed = None
        self.gives_credit = True

    def take(self, *, now_ns):
        while (event := self.connection.poll_event()) is not None:
            self.events.append(event)
            match event:
                case MessageReceived(request, payload):
                    self.messages[request].append(payload)
                case BodyReceived(request, offset, data):
                    self.bodies[request].put(offset, data)
                    if self.gives_credit:
                        self.connection.consume_body(request, len(data), now_ns=now_ns)
                case RequestReset(request, code, reason):
                    self.resets[request] = (code, reason)
                case TokenReceived(token):
                    self.tokens.append(token)
                case Closed():
                    assert self.closed is None, "a connection ends once"
                    self.closed = event

    def kinds(self):
        return [type(event).__name__ for event in self.events]


class ClientPeer(Diary):
    """A client's engine at the simulator's socket."""

    def handle_batch(self, batch, *, now_ns):
        stretches, broken = open_batch(batch)
        number = self.connection.connection_id
        self.connection.handle_corrupt(broken.count(number))
        for opened in stretches:
            if opened.header.connection_id == number:
                self.connection.handle(opened, now_ns=now_ns)
        self.take(now_ns=now_ns)

    def handle_timeout(self, *, now_ns):
        self.connection.handle_timeout(now_ns=now_ns)
        self.take(now_ns=now_ns)

    def next_deadline_ns(self):
        return self.connection.next_deadline_ns()

    def poll_transmit(self, *, now_ns):
        return self.connection.poll_transmit(now_ns=now_ns)


class ServerPeer:
    """A server's listener, with a diary for each of its connections."""

    def __init__(self, listener):
        self.listener = listener
        self.diaries = {}

    def handle_batch(self, batch, *, now_ns):
        unix_s = UNIX_S + now_ns // SECOND
        for connection in self.listener.handle_batch(batch, now_ns=now_ns, unix_s=unix_s):
            self.diary_of(connection).take(now_ns=now_ns)
        self.listener.reap()

    def diary_of(self, connection):
        return self.diaries.setdefault(connection.connection_id, Diary(connection))

    def handle_timeout(self, *, now_ns):
        for connection in list(self.listener.connections.values()):
            connection.handle_timeout(now_ns=now_ns)
            self.diary_of(connection).take(now_ns=now_ns)
        self.listener.reap()

    def next_deadline_ns(self):
        deadlines = [each.next_deadline_ns() for each in self.listener.connections.values()]
        return min((each for each in deadlines if each is not None), default=None)

    def poll_transmit(self, *, now_ns):
        answer = self.listener.poll_transmit()
        if answer is not None:
            return answer
        for connection in self.listener.connections.values():
            batch = connection.poll_transmit(now_ns=now_ns)
            if batch is not None:
                return batch
        return None


class Pair:
    """One client, one server, the network between them, and the time."""

    def __init__(
        self,
        spec="delay=10ms",
        *,
        seed=1,
        server=None,
        client=None,
        token=b"",
        admission=ADMIT_ALL,
        gather_ns=0,
    ):
        self.random = Random(seed)
        self.simulator = Simulator(seed=seed, gather_ns=gather_ns)
        self.client_settings = transport_settings(**(client or {}))
        self.server_settings = transport_settings(**(server or {}))
        self.secret = self.random.randbytes(32)
        self.boots = 0
        self.server = ServerPeer(self.new_listener(admission))
        self.client = ClientPeer(self.new_connection(token=token))
        self.simulator.add(self.server, SERVER)
        self.simulator.add(self.client, CLIENT)
        self.links = self.simulator.connect(CLIENT, SERVER, parse_spec(spec))

    def new_listener(self, admission=ADMIT_ALL):
        """A server's process: the same secret, another boot."""
        self.boots += 1
        self.mint = TokenMint(self.secret, boot=bytes([self.boots]), visit_lifetime_ns=24 * HOUR)
        return Listener(
            settings=self.server_settings, limits=admission, mint=self.mint, entropy=self.random.randbytes
        )

    def new_connection(self, *, token=b""):
        return Connection.client(
            SERVER,
            connection_id=self.random.getrandbits(64),
            settings=self.client_settings,
            entropy=self.random.randbytes,
            now_ns=self.now_ns,
            token=token,
        )

    @property
    def now_ns(self):
        return self.simulator.now_ns

    @property
    def connection(self):
        """The client's end."""
        return self.client.connection

    @property
    def far(self):
        """The server's diary of the client's connection."""
        return self.server.diaries[self.connection.connection_id]

    def run(self, *, seconds):
        self.wake()
        self.simulator.run(until_ns=self.now_ns + int(seconds * SECOND))

    def run_until(self, condition, *, seconds=60):
        self.wake()
        self.simulator.run_until(condition, within_ns=int(seconds * SECOND))

    def wake(self):
        """Both engines are asked what they have to send: something was commanded."""
        for address in (CLIENT, SERVER):
            if address in self.simulator._here:
                self.simulator.wake(address)

    def open(self):
        """Let the handshake happen."""
        self.run_until(lambda: self.connection.state is State.OPEN and bool(self.server.diaries))

    def is_over(self):
        return self.connection.state is State.CLOSED and not self.server.listener.connections


def some_bytes(count, *, seed=0):
    return Random(seed).randbytes(count)


__all__ = ["CLIENT", "KIB", "MIB", "MS", "SECOND", "SERVER", "Pair", "some_bytes", "transport_settings"]
