"""The two engines with their sessions and stores, driven by bytes: what a fuzzer plays is the peer.

Owns how bytes become what a peer says: datagrams, frames, messages, bodies, acknowledgements and time, well
formed as often as not, so that a mutation leads into the engine and not only to its door. Whatever the bytes
say, no assertion may fail, nothing may be raised, every bound holds, and all ends when the peer is silent.
"""

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from random import Random

from bounds import check_connection
from virtual_pair import ADMIT_ALL, CLIENT, SERVER, UNIX_S, transport_settings
from virtual_sessions import SessionClient, SessionServer

from mayhem_udp.errors import Code
from mayhem_udp.session.asking import Question
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackReceiver, PutPackSender
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.transport.listener import Listener
from mayhem_udp.transport.state import State
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id
from mayhem_udp.transport.tokens import TokenKind, TokenMint
from mayhem_udp.units import HOUR, MS, SECOND
from mayhem_udp.wire.ack_ranges import pairs_of_ranges
from mayhem_udp.wire.codec import Parameters, encode_datagram, encode_frame, encode_handshake, join_hello
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.frames import Ack, Handshake, Stream
from mayhem_udp.wire.layout import DATA_HEAD
from mayhem_udp.wire.messages import List

ID = 0x1234_5678_9ABC_DEF0
STRANGER = Address("198.51.100.1", 6_666)
PARAMETERS = Parameters(30_000, 1_472, 0, 25_000, 1 << 20, 8, 0, bytes(range(16)), "fuzz")
BATCHES_MAX = 2_000
SILENCE_NS = 100 * SECOND
REQUESTS = 4
MEMORY_FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Script:
    """Bytes, read from the front; zeros when there are no more."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def __bool__(self):
        return self.at < len(self.data)

    def take(self, count):
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def number(self, width):
        return int.from_bytes(self.take(width).ljust(width, b"\0"))


class Stage:
    """One engine, and the peer that a script plays."""

    def __init__(self, side, address):
        self.side = side
        self.peer_side = Side.CLIENT if side is Side.SERVER else Side.SERVER
        self.address = address
        self.now_ns = 0
        self.next_number = 0
        self.said_bytes = {}
        self.folder = Path(tempfile.mkdtemp(prefix="mayhem-fuzz-", dir=MEMORY_FOLDER))
        self.random = Random(7)
        self.deeds = (
            self.say_anything,
            self.say_frames,
            self.say_message,
            self.say_message,
            self.say_body,
            self.acknowledge,
            self.let_time_pass,
            self.come_from_elsewhere,
            self.jump_ahead,
            self.say_any_type,
        )

    def play(self, script):
        """All of a script, then silence."""
        while script and self.actor.sessions:
            self.deeds[script.number(1) % len(self.deeds)](script)
            for session in self.actor.sessions.values():
                check_connection(session.connection)
        self.pass_time(SILENCE_NS)
        for session in self.actor.sessions.values():
            assert session.connection.state is State.CLOSED, "a silent peer is not waited for"
            assert all(each.is_over for each in session.exchanges.values())
        assert self.actor.store.quota.open_files == 0, "files are still open"

    def clear(self):
        self.actor.disk.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- What a peer does ----------------------------------------------------------------------------

    def say_anything(self, script):
        self.give(script.take(script.number(1) * 4 + 1))

    def say_frames(self, script):
        self.say(DatagramType.FRAMES, script.take(script.number(1)))

    def say_message(self, script):
        """A message of a session, in its place in the stream of its request."""
        request = script.number(1) % REQUESTS
        payload = script.take(script.number(1))
        framed = len(payload).to_bytes(4) + payload
        offset = self.said_bytes.get(request, 0)
        self.said_bytes[request] = offset + len(framed)
        self.say_frame(Stream(stream_id(request, Kind.MESSAGES, self.peer_side), offset, framed))

    def say_body(self, script):
        request = script.number(1) % REQUESTS
        offset = script.number(2) << script.number(1) % 48
        payload = bytes([script.number(1)]) * (1 + script.number(2) % 1_300)
        self.say(
            DatagramType.DATA, DATA_HEAD.pack(stream_id(request, Kind.BODY, self.peer_side), offset) + payload
        )

    def acknowledge(self, script):
        """What an honest peer says, or nearly."""
        for session in list(self.actor.sessions.values()):
            ledger = session.connection._core.recovery.ledger
            largest = ledger.next_number - 1 - script.number(1) % 8
            start = max(ledger.first_number, largest - script.number(1))
            if largest >= start:
                pairs = pairs_of_ranges([(start, largest + 1)])
                self.say_frame(Ack(largest, script.number(1), 0, pairs))

    def let_time_pass(self, script):
        self.pass_time(script.number(2) * MS // 4)

    def come_from_elsewhere(self, script):
        here, self.address = self.address, STRANGER
        self.say_frames(script)
        self.address = here

    def jump_ahead(self, script):
        self.next_number += script.number(3)

    def say_any_type(self, script):
        kind = script.number(1) % 8
        body = script.take(script.number(1))
        self.say(kind, join_hello(b"", body) if kind == DatagramType.HELLO else body)

    # --- Datagrams -----------------------------------------------------------------------------------

    def say_frame(self, frame):
        self.say(DatagramType.FRAMES, encode_frame(frame))

    def say(self, kind, body):
        self.give(encode_datagram(kind, body, connection_id=ID, sequence=self.next_number))
        self.next_number += 1

    def give(self, datagram):
        if datagram:
            batch = ReceivedBatch(datagram, len(datagram), len(datagram), self.address)
            self.actor.handle_batch(batch, now_ns=self.now_ns)
            self.listen()

    def listen(self):
        for _ in range(BATCHES_MAX):
            if self.actor.poll_transmit(now_ns=self.now_ns) is None:
                return
        raise AssertionError("an engine does not stop sending")

    def pass_time(self, length_ns):
        end_ns = self.now_ns + length_ns
        for _ in range(BATCHES_MAX):
            due_ns = self.actor.next_deadline_ns()
            if due_ns is None or due_ns > end_ns:
                self.now_ns = end_ns
                return
            self.now_ns = max(due_ns, self.now_ns)
            self.actor.handle_timeout(now_ns=self.now_ns)
            self.listen()
        raise AssertionError("a timer is always due")


class ServerStage(Stage):
    """A server with a few files; the script is its client, whose address is proved."""

    def __init__(self):
        super().__init__(Side.SERVER, CLIENT)
        root = self.folder / "served"
        root.mkdir()
        for name, size in (("a", 10), ("b", 70_000), ("c", 0)):
            (root / name).write_bytes(bytes(size))
        mint = TokenMint(bytes(32), boot=b"", visit_lifetime_ns=HOUR)
        listener = Listener(
            settings=transport_settings(), limits=ADMIT_ALL, mint=mint, entropy=self.random.randbytes
        )
        self.actor = SessionServer(listener, root)
        token = mint.make(TokenKind.VISIT, CLIENT, connection_id=0, unix_s=UNIX_S)
        hello = encode_frame(Handshake(0, encode_handshake(PARAMETERS)))
        self.say(DatagramType.HELLO, join_hello(token, hello.ljust(400, b"\0")))
        assert self.actor.sessions, "a proved client is let in"


class ClientStage(Stage):
    """A client that wants several things at once; the script is its server, which has let it in."""

    def __init__(self):
        super().__init__(Side.CLIENT, SERVER)
        connection = Connection.client(
            SERVER,
            connection_id=ID,
            settings=transport_settings(keep_alive_ns=0),
            entropy=self.random.randbytes,
            now_ns=0,
            token=b"token",
        )
        self.actor = SessionClient(connection, self.folder / "fetched")
        client, small = self.actor, SmallFile(b"s", b"x", 0, 0o644, Code.OK, sha256(b"x").digest())
        client.put("up", bytes(3_000))
        client.get("down")
        client.echo("round", bytes(500))
        client.start(lambda *where: Question(*where, question=List(0, b"*")))
        client.start(lambda *where: PutPackSender(*where, files=iter([small]), count=1, on_codes=_ignore))
        client.start(
            lambda *where: GetPackReceiver(
                *where, names=(b"s", b"t"), store=client.store.write_small, on_codes=_ignore
            )
        )
        self.listen()
        self.say_frame(Handshake(0, encode_handshake(PARAMETERS)))
        assert connection.state is State.OPEN


def _ignore(_first, _codes):
    """What became of files in packs is not looked at here."""


def play(stage_of, data):
    """One input for one of the stages."""
    stage = stage_of()
    try:
        stage.play(Script(data))
    finally:
        stage.clear()
