"""Who should not be there: a forger on the path, strangers, and a vandal that was let in.

Owns what they say. The forger sees datagrams and knows connection ids, but cannot take the place of a
peer's word: what it sends is repeated, broken, or of the kinds that need a secret it does not have.
"""

from random import Random

from virtual_pair import SERVER, ClientPeer, transport_settings

from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.state import State
from mayhem_udp.units import MS, SECOND
from mayhem_udp.wire.codec import encode_datagram, join_hello
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.layout import SEAL_BYTES
from mayhem_udp.wire.messages import (
    Accept,
    Digests,
    Echo,
    Get,
    GetPack,
    List,
    PackResult,
    Put,
    PutPack,
    Remove,
    Repair,
    Repaired,
    Result,
    Stat,
    Trailer,
    encode,
)
from mayhem_udp.wire.seal import seal

SEEN_MAX = 200
STRANGER = Address("198.51.100.1", 6_666)


class Forger:
    """Sees what arrives, sends it again, and makes things up."""

    def __init__(self, life):
        self.life = life
        self.dice = Random(life.plan.seed ^ 0xF0F0)
        self.seen = []

    def watch(self):
        """Look at what is on the links now."""
        for link, destination in ((self.life.links.outward, SERVER), (self.life.links.inward, None)):
            for entry in list(link._line._in_order)[-3:]:
                self.seen.append((entry[3], destination))
        del self.seen[:-SEEN_MAX]

    def _inject(self, datagram, *, source, destination):
        if datagram:
            self.life.simulator.inject(datagram, source=source, destination=destination)

    def _client(self):
        return self.life.client_address

    def replay(self):
        """Everything seen comes again, from where it came and from elsewhere, in no order."""
        again = self.dice.sample(self.seen, min(len(self.seen), 60))
        for datagram, destination in again:
            other = SERVER if destination is None else self._client()
            source = self.dice.choice([STRANGER, other, other])
            self._inject(datagram, source=source, destination=destination or self._client())

    def forge(self):
        """Broken copies, wrong resets, retries and versions, and datagrams of connections that do not exist."""
        for datagram, destination in self.dice.sample(self.seen, min(len(self.seen), 30)):
            if not datagram:
                continue
            broken = bytearray(datagram)
            broken[self.dice.randrange(len(broken))] ^= 1 << self.dice.randrange(8)
            source = SERVER if destination is None else self._client()
            self._inject(bytes(broken), source=source, destination=destination or self._client())
            cut = datagram[: self.dice.randrange(len(datagram))]
            self._inject(cut, source=source, destination=destination or self._client())
        self._lie_to_client()
        self._speak_for_nobody()

    def _lie_to_client(self):
        connection = self.life.client.connection
        if connection.state is not State.OPEN:
            return
        number = connection.connection_id
        for kind in (DatagramType.RESET, DatagramType.RETRY, DatagramType.VERSIONS):
            for body in (bytes(16), self.dice.randbytes(16), b"", b"\1\1", bytes(300)):
                forged = encode_datagram(kind, body, connection_id=number, sequence=self.dice.randrange(99))
                self._inject(forged, source=SERVER, destination=self._client())

    def _speak_for_nobody(self):
        for _ in range(30):
            body = self.dice.randbytes(self.dice.randrange(60))
            kind = self.dice.choice(list(DatagramType))
            number = self.dice.getrandbits(64)
            forged = encode_datagram(kind, body, connection_id=number, sequence=self.dice.getrandbits(40))
            for destination in (SERVER, self._client()):
                self._inject(forged, source=STRANGER, destination=destination)
        for _ in range(10):
            self._inject(
                self.dice.randbytes(self.dice.randrange(1, 200)), source=STRANGER, destination=SERVER
            )
        changed = bytearray(forged[:-SEAL_BYTES])
        changed[2] = 99
        self._inject(seal(changed), source=STRANGER, destination=SERVER)

    def flood(self):
        """First words from a hundred addresses that nobody has."""
        server = self.life.server
        before = len(server.listener.connections)
        for number in range(100):
            token = self.dice.randbytes(self.dice.choice([0, 0, 40]))
            hello = encode_datagram(
                DatagramType.HELLO,
                join_hello(token, bytes(380)),
                connection_id=self.dice.getrandbits(64),
                sequence=0,
            )
            self._inject(hello, source=Address(f"203.0.113.{number}", 1_000 + number), destination=SERVER)
        assert len(server.listener.connections) == before, "a stranger became a connection"


class Vandal(ClientPeer):
    """A client with an honest engine that says what comes to its mind."""

    def __init__(self, connection, dice, life):
        super().__init__(connection)
        self.dice = dice
        self.life = life
        self.next_ns = 0
        self.deeds_left = 40
        self.gives_credit = dice.random() < 0.5

    @classmethod
    def let_in(cls, life, number):
        dice = Random(life.plan.seed * 31 + number)
        address = Address(f"198.51.100.{10 + number}", 7_000)
        connection = Connection.client(
            SERVER,
            connection_id=dice.getrandbits(64),
            settings=transport_settings(idle_timeout_ns=5 * SECOND),
            entropy=dice.randbytes,
            now_ns=life.simulator.now_ns,
        )
        vandal = cls(connection, dice, life)
        life.simulator.add(vandal, address, clock_ns=life.simulator.now_ns)
        life.simulator.connect(address, SERVER, parse_spec("delay=5ms,drop=0.02"))
        return vandal

    def leave(self):
        self.deeds_left = 0

    def next_deadline_ns(self):
        own = super().next_deadline_ns()
        if not self.deeds_left or self.connection.state not in (State.OPEN, State.OPENING):
            return own
        return self.next_ns if own is None else min(own, self.next_ns)

    def handle_timeout(self, *, now_ns):
        super().handle_timeout(now_ns=now_ns)
        if now_ns >= self.next_ns and self.deeds_left and self.connection.state is State.OPEN:
            self.deeds_left -= 1
            for _ in range(self.dice.randrange(4)):
                self._do_something(now_ns)
        self.next_ns = max(self.next_ns, now_ns + self.dice.choice([MS, 10 * MS, 200 * MS]))

    def _do_something(self, now_ns):
        dice, connection = self.dice, self.connection
        known = list(connection._core.requests.open)
        request = connection.open_request() if not known or dice.random() < 0.3 else dice.choice(known)
        if request is None:
            return
        deed = dice.random()
        if deed < 0.6:
            connection.send_message(request, encode(self._message()))
        elif deed < 0.65:
            connection.send_message(request, dice.randbytes(dice.randrange(50)))
        elif deed < 0.9:
            body = connection._core.requests.body_sent(connection._core.requests.open[request])
            offset = max(
                [
                    0,
                    *(
                        start + len(block)
                        for start, block in zip(body._block_starts, body._blocks, strict=True)
                    ),
                ]
            )
            offset = max(offset, body._next) + dice.choice([0, 0, 5_000])
            connection.supply_body(request, offset, dice.randbytes(dice.randrange(1, 20_000)))
        elif deed < 0.97:
            connection.reset_request(request, dice.randrange(80), "out of spite")
        else:
            connection.finish_request(request)

    def _message(self):
        dice = self.dice
        name = dice.choice([b"vandal", b"vandal/x", b"../y", b"\xff", b"vandal" * 50, b""])
        size = dice.choice([0, 10, 1_000, 20_000, 1 << 40, (1 << 64) - 1])
        some = dice.randbytes(16)
        ranges = tuple((dice.randrange(9_999), dice.randrange(9_999)) for _ in range(dice.randrange(3)))
        return dice.choice(
            [
                Put(size, 0, dice.randrange(1 << 16), some, name),
                Put(1_000, 0, 0o644, some, b"vandal"),
                Get(some, ranges, name),
                Echo(size, name),
                List(dice.randrange(3), dice.choice([b"*", b"**", b"[" * 99, b"vandal"])),
                Stat(1, name),
                Remove(b"vandal"),
                PutPack(dice.choice([0, 1, 99, 1 << 31])),
                GetPack((name,) * dice.randrange(9)),
                Accept(size, 0, 0, some, ranges),
                Trailer(dice.choice([0, 10, 1_000, size]), some * 2),
                Result(0, size, some * 2, b""),
                Digests(dice.randrange(3), (some,) * dice.randrange(3)),
                Repair(dice.randrange(2_000), some),
                Repaired(0),
                PackResult(0, (0, 1)),
            ]
        )
