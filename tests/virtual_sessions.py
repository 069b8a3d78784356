"""Clients and servers with sessions and stores in virtual time: what `virtual_pair` is to the transport.

Owns the two sides as a simulator sees them: engine, session, store, workers. Tests start exchanges, let time pass, and look at what is on the disk.
"""

from virtual_pair import SERVER, UNIX_S, ClientPeer, Pair, ServerPeer
from virtual_process import CountedDisk, LateWorkers
from virtual_signs import Signs

from mayhem_udp.config.schema import AccessSettings
from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.limits import NAME_COMPONENT_MAX_BYTES
from mayhem_udp.session.answering import Answering, House
from mayhem_udp.session.asking import Question
from mayhem_udp.session.echo import EchoClient
from mayhem_udp.session.get import GetReceiver
from mayhem_udp.session.put import PutSender
from mayhem_udp.session.rivals import Rivals
from mayhem_udp.session.session import Session
from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.store.names import Name, check_name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.source import NO_FINGERPRINT, BytesSource
from mayhem_udp.transport.events import Closed, TokenReceived
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.state import State
from mayhem_udp.units import KIB, MS, SECOND
from mayhem_udp.wire.messages import SIZE_UNKNOWN, decode, encode

ALL_ALLOWED = AccessSettings(read=True, write=True, list=True, remove=True)
EAGER_JOURNAL = JournalPolicy(
    run_bytes=4 * KIB, flush_bytes=4 * KIB, piece_min_bytes=512, resume_min_bytes=8 * KIB
)
"""So that small files are resumed, too."""
ROUNDS_MAX = 10_000
"""More rounds of work at one instant than this is a session that never stops."""


class Side:
    """What both sides are: sessions by connection, workers, and one disk."""

    def __init__(self, workers=None):
        self.disk = CountedDisk()
        self.workers = workers or InlineWorkers()
        self.sessions = {}
        self.closed = []

    def take(self, session, *, now_ns):
        for event in session.take_events(now_ns=now_ns):
            self.on_event(session, event)

    def on_event(self, session, event):
        if isinstance(event, Closed):
            self.closed.append(event)

    def work(self, *, now_ns):
        """One round of work for everybody; whether there was any."""
        more = False
        for session in list(self.sessions.values()):
            more = session.pump(now_ns=now_ns) or more
        more = self.workers.run() > 0 or more
        for session in list(self.sessions.values()):
            self.take(session, now_ns=now_ns)
        return more

    def poll_transmit(self, *, now_ns):
        more = True
        for _ in range(ROUNDS_MAX):
            for session in self.sessions.values():
                batch = session.connection.poll_transmit(now_ns=now_ns)
                if batch is not None:
                    return batch
            if not more:
                return None
            more = self.work(now_ns=now_ns)
        raise AssertionError("a session has always more to do")

    def handle_timeout(self, *, now_ns):
        for session in list(self.sessions.values()):
            deadline_ns = session.connection.next_deadline_ns()
            if deadline_ns is not None and deadline_ns <= now_ns:
                session.connection.handle_timeout(now_ns=now_ns)
                self.take(session, now_ns=now_ns)

    def next_deadline_ns(self):
        deadlines = [each.connection.next_deadline_ns() for each in self.sessions.values()]
        if isinstance(self.workers, LateWorkers):
            deadlines.append(self.workers.next_due_ns())
        return min((each for each in deadlines if each is not None), default=None)

    def crash(self):
        """The process is gone; nobody is told anything."""
        self.sessions.clear()
        self.disk.crash()


class SessionServer(Side):
    """A server: a listener, a store, and a session for each connection."""

    def __init__(
        self,
        listener,
        root,
        *,
        workers=None,
        access=ALL_ALLOWED,
        transfers_max=4_096,
        limits=None,
        policy=None,
    ):
        super().__init__(workers)
        self.listener = listener
        self.unix_s = UNIX_S
        self.store = open_store(
            root,
            placement=Placement.HIDDEN_FOLDER,
            disk=self.disk,
            limits=limits,
            policy=policy or EAGER_JOURNAL,
        )
        self.signs = Signs(self.sessions)
        rivals = Rivals(ask_after=self.signs.ask_after, cut_off=self.signs.cut_off)
        self._house = House(self.store, access, transfers_max, lambda: self.transfers, rivals)

    @property
    def transfers(self):
        return sum(len(session.exchanges) for session in self.sessions.values())

    def handle_batch(self, batch, *, now_ns):
        unix_s = self.unix_s + now_ns // SECOND
        self.signs.now_ns = now_ns
        for connection in self.listener.handle_batch(batch, now_ns=now_ns, unix_s=unix_s):
            session = self.sessions.get(connection.connection_id)
            if session is None:
                opener = Answering(connection, self.workers, lambda: self._house)
                session = Session(connection, opener=opener)
                self.sessions[connection.connection_id] = session
            self.signs.hear(connection)
            self.take(session, now_ns=now_ns)
        self._reap(now_ns=now_ns)

    def next_deadline_ns(self):
        deadlines = [super().next_deadline_ns(), self.signs.next_due_ns()]
        return min((each for each in deadlines if each is not None), default=None)

    def poll_transmit(self, *, now_ns):
        return self.listener.poll_transmit() or super().poll_transmit(now_ns=now_ns)

    def handle_timeout(self, *, now_ns):
        super().handle_timeout(now_ns=now_ns)
        self.signs.now_ns = now_ns
        self.signs.run()
        self._reap(now_ns=now_ns)

    def _reap(self, *, now_ns):
        for connection in self.listener.reap():
            self.take(self.sessions.pop(connection.connection_id), now_ns=now_ns)


class SessionClient(Side):
    """A client: one connection at a time, and a folder that it downloads into."""

    def __init__(self, connection, folder, *, workers=None, limits=None, policy=None):
        super().__init__(workers)
        self.store = open_store(
            folder, placement=Placement.BESIDE, disk=self.disk, limits=limits, policy=policy or EAGER_JOURNAL
        )
        self.tokens = []
        self.use(connection)

    def use(self, connection):
        """Go on with this connection."""
        self.connection = connection
        self.session = Session(connection)
        self.sessions = {connection.connection_id: self.session}

    def on_event(self, session, event):
        super().on_event(session, event)
        if isinstance(event, TokenReceived):
            self.tokens.append(event.token)

    def handle_batch(self, batch, *, now_ns):
        if batch.address != self.connection.path.address:
            return  # its socket is connected
        stretches, broken = open_batch(batch)
        number = self.connection.connection_id
        self.connection.handle_corrupt(broken.count(number))
        for opened in stretches:
            if opened.header.connection_id == number:
                self.connection.handle(opened, now_ns=now_ns)
        self.take(self.session, now_ns=now_ns)

    # --- Requests ------------------------------------------------------------------------------------

    def start(self, make):
        """Begin a request: `make(connection, workers, request)` gives its exchange."""
        request = self.connection.open_request()
        assert request is not None, "the server lets us"
        exchange = make(self.connection, self.workers, request)
        self.session.start(exchange)
        return exchange

    def put(self, name, data, *, source=None):
        source = source or BytesSource(data, mtime_ns=UNIX_S * SECOND, mode=0o640)
        return self.start(lambda *where: PutSender(*where, source=source, name=name))

    def get(self, name, *, to=None):
        to = to or check_name(name)
        partial = self.store.find_partial(to)
        if partial is not None and partial.needs_recovery:
            partial.recover()
        return self.start(
            lambda *where: GetReceiver(
                *where, name=name, stage=lambda accept: self.stage(accept, to), partial=partial
            )
        )

    def stage(self, accept, to):
        return self.store.stage(
            to,
            size=None if accept.size == SIZE_UNKNOWN else accept.size,
            fingerprint=accept.fingerprint,
            mtime_ns=accept.mtime_ns,
            mode=accept.mode,
        )

    def echo(self, name, data, *, to=None):
        source = BytesSource(data)
        to = to or Name((f"received_{name}"[:NAME_COMPONENT_MAX_BYTES],))
        staging = self.store.stage(to, size=source.size, fingerprint=NO_FINGERPRINT, mtime_ns=0, mode=0o600)
        return self.start(lambda *where: EchoClient(*where, source=source, name=name, staging=staging))

    def ask(self, question):
        return self.start(lambda *where: Question(*where, question=question))


class SessionPair(Pair):
    """A pair whose two ends have sessions and stores, under one folder of the test's."""

    def __init__(self, folder, spec="delay=10ms", *, server_options=None, client_options=None, **options):
        super().__init__(spec, **options)
        self.root = folder / "served"
        self.folder = folder / "fetched"
        self._server_options = server_options or {}
        self.simulator.replace(SERVER, self.new_server())
        self._client_options = client_options or {}
        self.put_client(self.new_connection())

    def new_server(self):
        self.server = SessionServer(self.new_listener(), self.root, **self._server_options)
        return self.server

    def put_client(self, connection):
        """A client's process begins, in place of another."""
        self.client = SessionClient(connection, self.folder, **self._client_options)
        self.simulator.replace(self.client_address, self.client)

    @property
    def client_address(self):
        return next(address for address in self.simulator._here if address != SERVER)

    def restart_server(self):
        """The server's process is killed, and another takes its place."""
        self.server.crash()
        self.simulator.replace(SERVER, self.new_server())

    def restart_client(self):
        """Likewise."""
        self.client.crash()
        self.put_client(self.new_connection())

    def reconnect(self):
        """The client's process opens another connection."""
        self.client.use(self.new_connection())

    def open(self):
        """Let the handshake happen."""
        self.run_until(
            lambda: (
                self.client.connection.state is State.OPEN
                and self.client.connection.connection_id in self.server.sessions
            )
        )

    def use_bare_client(self):
        """In place of the client, one that says what a test makes it say."""
        self.client = ClientPeer(self.new_connection())
        self.simulator.replace(self.client_address, self.client)
        self.open()
        return BareEnd(self.client)

    def use_bare_server(self):
        """In place of the server, one that says what a test makes it say."""
        self.server = ServerPeer(self.new_listener())
        self.simulator.replace(SERVER, self.server)
        self.run_until(lambda: self.client.connection.state is State.OPEN and bool(self.server.diaries))
        return BareEnd(*self.server.diaries.values())

    def finish(self, *exchanges, seconds=120):
        """Let the exchanges come to their end, whichever it is; returns the first."""
        self.run_until(lambda: all(each.is_over for each in exchanges), seconds=seconds)
        return exchanges[0]

    def wind_up(self):
        """The client says goodbye; both sides come to their ends, and nothing is left open."""
        self.client.connection.close(0, "done", now_ns=self.now_ns)
        self.run_until(
            lambda: self.client.connection.state is State.CLOSED and not self.server.listener.connections
        )
        self.run(seconds=1)

    def wake(self):
        for address in self.simulator._here:
            self.simulator.wake(address)

    # --- What is on the disks ------------------------------------------------------------------------

    def served(self, name):
        """What the server has under a name; None where it has nothing."""
        return contents(self.root / name)

    def fetched(self, name):
        """What the client has."""
        return contents(self.folder / name)

    def stagings(self):
        """What is left of unfinished transfers, on both sides."""
        return leftovers(self.root) + leftovers(self.folder)


class BareEnd:
    """One end of a connection without a session: says messages and bodies, and remembers what it heard."""

    def __init__(self, diary):
        self.diary = diary

    def open_request(self, *messages):
        """A new request that begins with these messages; for a client."""
        request = self.diary.connection.open_request()
        self.say(request, *messages)
        return request

    def say(self, request, *messages):
        for message in messages:
            self.diary.connection.send_message(request, encode(message))

    def send(self, request, offset, data):
        self.diary.connection.supply_body(request, offset, data)

    def heard(self, request):
        """The messages of a request so far."""
        return [decode(payload) for payload in self.diary.messages[request]]

    def heard_code(self, request):
        """The code that the other side ended the request with; None where it has not."""
        return self.diary.resets.get(request, (None,))[0]

    @property
    def closed_code(self):
        """The code that the other side ended the connection with."""
        return self.diary.closed and self.diary.closed.code


def contents(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def leftovers(folder):
    """The files under a folder that are the store's own."""
    return sorted(str(each.name) for each in folder.rglob(".mayhem*") if each.is_file())


__all__ = [
    "ALL_ALLOWED",
    "EAGER_JOURNAL",
    "KIB",
    "MS",
    "SECOND",
    "CountedDisk",
    "LateWorkers",
    "SessionClient",
    "SessionPair",
    "SessionServer",
    "contents",
    "leftovers",
]
