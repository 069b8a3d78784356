"""A file that goes from one folder to another over two real sockets on loopback, on one thread, in virtual time.

Owns the two ends and the order in which they run: the sender a batch, then the receiver all that has come, as on
two cores that keep up with each other. All between file and file is the product's own (store, session, engine,
`Conversation`, `UdpSocket`), but for the loop: its clock would make every run another one. So how often anything
is called depends on the code, and on the kernel alone in how it joins datagrams.
"""

from functools import partial
from random import Random

from virtual_pair import ADMIT_ALL, UNIX_S, transport_settings
from virtual_sessions import ALL_ALLOWED

from mayhem_udp.endpoint.conversation import Conversation
from mayhem_udp.endpoint.udp import SocketSettings, UdpSocket
from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.session.answering import Answering, House
from mayhem_udp.session.get import GetReceiver
from mayhem_udp.session.put import PutSender
from mayhem_udp.session.rivals import Rivals
from mayhem_udp.session.session import Session
from mayhem_udp.store.names import Name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.source import open_local
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.listener import Listener
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.tokens import TokenMint
from mayhem_udp.units import HOUR, MIB, SECOND, US
from mayhem_udp.url import HostPort

STEP_NS = 250 * US
"""What passes while each end has run once."""
STEPS_MAX = 100_000
BATCHES_IN_A_STEP = 4
SOCKET = SocketSettings(receive_buffer_bytes=4 * MIB, send_buffer_bytes=4 * MIB)
NAME = Name(("file",))


class Alarm:
    """What `Conversation` arms in place of a loop's timer."""

    def __init__(self):
        self.due_ns = None

    def set(self, due_ns):
        self.due_ns = due_ns

    def cancel(self):
        self.due_ns = None


class End:
    """One side: a socket, and the conversation at it once there is one."""

    def __init__(self, socket):
        self.socket = socket
        self.workers = InlineWorkers()
        self.alarm = Alarm()
        self.conversation = None

    def converse(self, connection, session):
        self.conversation = Conversation(connection, session, self.socket, self.alarm)

    @property
    def connection(self):
        return self.conversation.connection

    def receive(self, *, now_ns):
        """Take all that has come; what is to be said at once is said at once."""
        while (batch := self.socket.receive()) is not None:
            if self.take(batch, now_ns=now_ns):
                self.conversation.acknowledge(now_ns=now_ns)
                self.conversation.take_events(now_ns=now_ns)

    def work(self, *, now_ns):
        """What is due, what workers have done, and what the session has to do."""
        if self.conversation is None:
            return
        if self.alarm.due_ns is not None and self.alarm.due_ns <= now_ns:
            self.connection.handle_timeout(now_ns=now_ns)
            self.conversation.take_events(now_ns=now_ns)
        self.workers.run()
        self.conversation.session.pump(now_ns=now_ns)

    def send_batch(self, *, now_ns):
        """Send one batch; whether there may be more."""
        if self.conversation is None:
            return False
        self.conversation.deficit_bytes = 1
        has_sent = self.conversation.send(now_ns=now_ns)
        self.conversation.arm()
        return has_sent


class ServerEnd(End):
    """Serves a folder to one client."""

    def __init__(self, root, settings, random, clock_ns):
        super().__init__(UdpSocket.bind(HostPort("127.0.0.1", 0), SOCKET))
        self.store = open_store(root, placement=Placement.HIDDEN_FOLDER, clock_ns=clock_ns)
        mint = TokenMint(random.randbytes(32), boot=b"", visit_lifetime_ns=HOUR)
        self.listener = Listener(settings=settings, limits=ADMIT_ALL, mint=mint, entropy=random.randbytes)

    def take(self, batch, *, now_ns):
        heard = self.listener.handle_batch(batch, now_ns=now_ns, unix_s=UNIX_S + now_ns // SECOND)
        while (answer := self.listener.poll_transmit()) is not None:
            self.socket.send(answer)
        for connection in heard:
            if self.conversation is None:
                opener = Answering(connection, self.workers, self.house)
                self.converse(connection, Session(connection, opener=opener))
        return heard

    def house(self):
        rivals = Rivals(ask_after=None, cut_off=None)  # there are none
        return House(self.store, ALL_ALLOWED, 1, lambda: 0, rivals)

    def close(self):
        self.socket.close()
        self.store.close()


class ClientEnd(End):
    """Uploads from a folder, or downloads into it."""

    def __init__(self, folder, server, settings, random, clock_ns):
        super().__init__(UdpSocket.connect([server.socket.local], SOCKET))
        self.folder = folder
        self.store = open_store(folder, placement=Placement.BESIDE, clock_ns=clock_ns)
        connection = Connection.client(
            self.socket.peer,
            connection_id=random.getrandbits(64),
            settings=settings,
            entropy=random.randbytes,
            now_ns=clock_ns(),
            mtu_hint_bytes=self.socket.datagram_max_bytes() or 0,
        )
        self.converse(connection, Session(connection))

    def take(self, batch, *, now_ns):
        stretches, broken = open_batch(batch)
        self.connection.handle_corrupt(sum(claimed == self.connection.connection_id for claimed in broken))
        for opened in stretches:
            self.connection.handle(opened, now_ns=now_ns)
        return True

    def put(self):
        return self._start(PutSender, source=open_local(self.folder / str(NAME)), name=str(NAME))

    def get(self):
        return self._start(GetReceiver, name=str(NAME), stage=self._stage, partial=None)

    def _start(self, kind, **what):
        exchange = kind(self.connection, self.workers, self.connection.open_request(), **what)
        self.conversation.session.start(exchange)
        return exchange

    def _stage(self, accept):
        return self.store.stage(
            NAME,
            size=accept.size,
            fingerprint=accept.fingerprint,
            mtime_ns=accept.mtime_ns,
            mode=accept.mode,
        )

    def close(self):
        self.socket.close()
        self.store.close()


class Pipeline:
    """Both ends, and the time."""

    def __init__(self, folder, *, seed=1, **settings):
        random = Random(seed)
        self.now_ns = SECOND
        settings = transport_settings(**settings)
        self.server = ServerEnd(folder / "served", settings, random, self.clock_ns)
        self.client = ClientEnd(folder / "local", self.server, settings, random, self.clock_ns)

    def clock_ns(self):
        return self.now_ns

    @property
    def has_trains(self):
        """Whether the kernel sends and joins many datagrams at once; where not, it is called for each."""
        return self.server.socket.receives_trains and self.client.socket.sends_trains

    def close(self):
        self.client.close()
        self.server.close()

    def run_until(self, condition, run):
        """Let both ends run in turn; `run` is given each end and what it is to do, and does it."""
        for _ in range(STEPS_MAX):
            if condition():
                return
            self._step(run)
        raise AssertionError("it never comes to its end")

    def _step(self, run):
        self.now_ns += STEP_NS
        for end, other in ((self.client, self.server), (self.server, self.client)):
            for part in (end.receive, end.work):
                run(end, partial(part, now_ns=self.now_ns))
            for _ in range(BATCHES_IN_A_STEP):
                has_more = run(end, partial(end.send_batch, now_ns=self.now_ns))
                run(other, partial(other.receive, now_ns=self.now_ns))
                if not has_more:
                    break
