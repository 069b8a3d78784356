"""The other end of one engine, played by hand: it says exactly what a test tells it to.

Owns a real `Connection` in the middle of its life and the peer's numbers. What the pair cannot say, since
both of its ends are honest, is said here. Never acknowledges, opens or grants anything by itself.
"""

from random import Random

import numpy as np
from virtual_pair import transport_settings

from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.transport.events import Closed
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.wire.codec import (
    Header,
    Parameters,
    decode_frames,
    decode_header,
    encode_datagram,
    encode_frame,
    encode_handshake,
    join_hello,
    split_hello,
)
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.frames import Ack, Handshake
from mayhem_udp.wire.layout import DATA_HEAD, HEADER_BYTES, SEAL_BYTES

PEER = Address("198.51.100.7", 4_000)
STRANGER = Address("203.0.113.9", 666)
ID = 0x1122334455667788
RESET_TOKEN = bytes(range(16))
PARAMETERS = Parameters(30_000, 1_472, 0, 25_000, 1 << 20, 256, 0, bytes(16), "by hand")


class Said:
    """One datagram of the engine: its header, and its frames or its piece of a body."""

    def __init__(self, datagram, address):
        self.bytes = len(datagram)
        self.address = address
        self.header: Header = decode_header(datagram)
        body = bytes(datagram[HEADER_BYTES:-SEAL_BYTES])
        self.frames, self.stream, self.offset, self.payload = [], None, 0, b""
        self.token = b""
        if self.header.type == DatagramType.DATA:
            self.stream, self.offset = DATA_HEAD.unpack_from(body)
            self.payload = body[DATA_HEAD.size :]
        elif self.header.type == DatagramType.HELLO:
            self.token, frames = split_hello(body)
            self.frames = decode_frames(frames)
        else:
            self.frames = decode_frames(body)


class ByHand:
    """An engine of one side under test, and the peer that the test plays."""

    def __init__(self, side=Side.SERVER, *, peer=PARAMETERS, memory=None, **settings):
        """`memory` is the account of all connections, for a server."""
        self.now_ns = 0
        self.number = 0
        self.said = []
        self.events = []
        shared = {
            "connection_id": ID,
            "settings": transport_settings(**settings),
            "entropy": Random(5).randbytes,
            "now_ns": 0,
        }
        if side is Side.SERVER:
            own = Memory(shared["settings"].memory_max_bytes, parent=memory)
            self.engine = Connection.server(
                PEER, reset_token=RESET_TOKEN, visit_token=b"visit", memory=own, **shared
            )
        else:
            self.engine = Connection.client(PEER, **shared)
        self.side = side
        if peer is not None:
            self.listen()
            self.pass_time(20_000_000)
            self.greet(peer)
            self.listen()

    def greet(self, peer):
        """The handshake, whole."""
        hello = Handshake(0, encode_handshake(peer))
        if self.side is Side.SERVER:
            body = join_hello(b"token", encode_frame(hello))
            self.give(self.datagram(DatagramType.HELLO, body))
        else:
            self.say(hello)

    # --- Saying ------------------------------------------------------------------------------------

    def datagram(self, kind, body, *, number=None, flags=0, connection_id=ID):
        if number is None:
            number, self.number = self.number, self.number + 1
        return encode_datagram(kind, body, connection_id=connection_id, sequence=number, flags=flags)

    def say(self, *frames, number=None, flags=0, address=PEER):
        """One datagram of frames."""
        body = b"".join(encode_frame(each) for each in frames)
        self.give(self.datagram(DatagramType.FRAMES, body, number=number, flags=flags), address=address)

    def say_data(self, stream, offset, payload, *, number=None, address=PEER):
        """One datagram of a body."""
        body = DATA_HEAD.pack(stream, offset) + payload
        self.give(self.datagram(DatagramType.DATA, body, number=number), address=address)

    @property
    def first(self):
        """The number that the engine began to count with."""
        return self.engine._core.recovery.ledger.first_number

    def acknowledge(self, *ranges, largest=None, delay_us=0, corrupt=0):
        """An ACK of half-open ranges, highest first, honest or not."""
        self.say(ack_of(*ranges, largest=largest, delay_us=delay_us, corrupt=corrupt))

    def give(self, datagram, *, address=PEER):
        """Bytes arrive from an address."""
        stretches, _ = open_batch(ReceivedBatch(datagram, len(datagram), len(datagram), address))
        for opened in stretches:
            self.engine.handle(opened, now_ns=self.now_ns)
        while (event := self.engine.poll_event()) is not None:
            self.events.append(event)

    # --- Listening ---------------------------------------------------------------------------------

    def listen(self):
        """All that the engine has to say now, datagram by datagram."""
        heard = []
        while (batch := self.engine.poll_transmit(now_ns=self.now_ns)) is not None:
            data = np.frombuffer(batch.buffer, np.uint8).tobytes()[: batch.total_bytes]
            size = batch.segment_bytes
            heard += [Said(data[at : at + size], batch.address) for at in range(0, len(data), size)]
        self.said += heard
        return heard

    def pass_time(self, length_ns):
        """Time passes; what is due meanwhile happens, and what is said then is heard."""
        end_ns = self.now_ns + length_ns
        for _ in range(100_000):
            due_ns = self.engine.next_deadline_ns()
            if due_ns is None or due_ns > end_ns:
                break
            self.now_ns = max(due_ns, self.now_ns)
            self.engine.handle_timeout(now_ns=self.now_ns)
            self.listen()
        else:
            raise AssertionError("an overdue timer spins")
        self.now_ns = end_ns
        while (event := self.engine.poll_event()) is not None:
            self.events.append(event)

    # --- Looking -----------------------------------------------------------------------------------

    @property
    def closed(self):
        """How it ended, or None."""
        return next((each for each in self.events if isinstance(each, Closed)), None)

    @property
    def ledger(self):
        """What the engine has in flight."""
        return self.engine._core.recovery.ledger

    @property
    def numbers(self):
        """The numbers of all that the engine has said, ascending."""
        return [each.header.sequence for each in self.said]


def ack_of(*ranges, largest=None, delay_us=0, corrupt=0):
    """The ACK frame that names these half-open ranges, highest first."""
    position = (ranges[0][1] - 1 if largest is None else largest) + 1
    largest = position - 1
    pairs = []
    for start, stop in ranges:
        pairs += (position - stop, stop - start)
        position = start
    return Ack(largest, delay_us, corrupt, tuple(pairs))


def frames_of(said, kind):
    """All frames of one kind that were said."""
    return [frame for each in said for frame in each.frames if isinstance(frame, kind)]
