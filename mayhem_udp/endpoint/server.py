"""The server: sockets, the listener's connections and their sessions, on one loop.

Owns whose turn it is: received batches are taken in as they come, then connections send in turn, each a
quantum at a time (deficit round robin, Shreedhar and Varghese 1995), so that a huge transfer never keeps
a small one waiting for longer than a quantum of everybody else.
Never reads a setting, never logs: `watcher` hears what happens.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from mayhem_udp.endpoint.clock import monotonic_ns, unix_s
from mayhem_udp.endpoint.conversation import Conversation, WakingWorkers
from mayhem_udp.endpoint.loop import Loop, Timer
from mayhem_udp.endpoint.udp import DatagramSocket
from mayhem_udp.endpoint.watcher import Watcher
from mayhem_udp.endpoint.workers import Workers
from mayhem_udp.errors import Code
from mayhem_udp.limits import ACK_DELAY_MAX_NS
from mayhem_udp.session.answering import Answering, House
from mayhem_udp.session.rivals import Answer, Rivals
from mayhem_udp.session.session import Session
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.listener import Listener
from mayhem_udp.units import KIB, MS

READS_MAX: Final = 16
"""Batches taken from one socket before the others, the timers and the sending have their turn."""
QUANTUM_BYTES: Final = 64 * KIB
"""What a connection may send before it is another's turn; a batch may overdraw it, and is paid for later."""
ROUND_BYTES: Final = 1_024 * KIB
"""What all connections together send before the loop looks at its sockets and timers again."""
SIGNS_ASKED_FOR: Final = 3
"""How often a client that is perhaps gone is asked for a sign of life."""
SIGN_WAIT_MIN_NS: Final = 50 * MS
SIGN_WAIT_MAX_NS: Final = 500 * MS
"""How long it has to answer each time: two probe timeouts, within these."""
FAULT_TEXT: Final = "the server has met an error of its own; its log says which"


class Server:
    """Everything that serves clients, between `start` and `close`."""

    def __init__(
        self,
        loop: Loop,
        listener: Listener,
        workers: Workers,
        *,
        house: Callable[[], House],
        watcher: Watcher,
    ) -> None:
        self._loop = loop
        self._workers = workers
        self._house = house
        self._watcher = watcher
        self.listener = listener
        self.rivals = Rivals(ask_after=self.ask_after, cut_off=self._cut_off)
        self.conversations: dict[int, Conversation] = {}
        self._sockets: dict[int, tuple[DatagramSocket, Timer]] = {}
        self._blocked: set[int] = set()
        """Descriptors that are watched for being writable again."""
        self._ready: dict[int, Conversation] = {}
        """Who may have something to send, in the order of their turns."""
        self._is_round_due = False

    # --- Sockets -------------------------------------------------------------------------------------

    def attach(self, socket: DatagramSocket) -> None:
        """Serve at this socket, too."""
        timer = self._loop.timer(partial(self._on_socket_due, socket))
        self._sockets[socket.fileno()] = (socket, timer)
        self._loop.watch(socket, partial(self._on_readable, socket))

    @property
    def sockets(self) -> list[DatagramSocket]:
        """All sockets."""
        return [socket for socket, _ in self._sockets.values()]

    def _on_readable(self, socket: DatagramSocket) -> None:
        for _ in range(READS_MAX):
            batch = socket.receive()
            if batch is None:
                break
            now_ns = monotonic_ns()
            for connection in self.listener.handle_batch(batch, now_ns=now_ns, unix_s=unix_s()):
                conversation = self._conversation_of(connection, socket)
                conversation.socket = socket
                conversation.heard_ns = now_ns
                conversation.acknowledge(now_ns=now_ns)
                self._take_events(conversation, now_ns=now_ns)
                self._make_ready(conversation)
        while (answer := self.listener.poll_transmit()) is not None:
            socket.send(answer)
        self._round()

    def _on_socket_due(self, socket: DatagramSocket) -> None:
        """A socket with faults before it has something, though its descriptor is not ready."""
        socket.flush()
        self._on_readable(socket)

    def _on_writable(self, socket: DatagramSocket) -> None:
        socket.flush()
        for conversation in self.conversations.values():
            if conversation.socket is socket:
                self._make_ready(conversation)
        self._round()

    def _watch_socket(self, socket: DatagramSocket) -> None:
        number, is_blocked = socket.fileno(), socket.is_blocked
        if is_blocked != (number in self._blocked):
            (self._blocked.add if is_blocked else self._blocked.discard)(number)
            self._loop.watch_writable(socket, partial(self._on_writable, socket) if is_blocked else None)
        self._sockets[number][1].set(socket.next_deadline_ns())

    # --- Conversations -------------------------------------------------------------------------------

    def _conversation_of(self, connection: Connection, socket: DatagramSocket) -> Conversation:
        number = connection.connection_id
        found = self.conversations.get(number)
        if found is not None:
            return found
        workers = WakingWorkers(
            self._workers, partial(self._wake, number), on_fault=partial(self._on_fault_of, number)
        )
        session = Session(connection, opener=Answering(connection, workers, self._house))
        timer = self._loop.timer(partial(self._on_due, number))
        made = Conversation(connection, session, socket, timer)
        self.conversations[number] = made
        self._watcher.on_opened(made)
        return made

    def _wake(self, number: int) -> None:
        """A worker has done something for a conversation, if it is still there."""
        conversation = self.conversations.get(number)
        if conversation is not None:
            self._make_ready(conversation)
            self._ask_for_round()

    def _on_due(self, number: int) -> None:
        conversation = self.conversations.get(number)
        if conversation is None:
            return
        now_ns = monotonic_ns()
        conversation.connection.handle_timeout(now_ns=now_ns)
        self._take_events(conversation, now_ns=now_ns)
        self._put_in_line(conversation)
        self._round()

    def _take_events(self, conversation: Conversation, *, now_ns: int) -> None:
        try:
            events = conversation.take_events(now_ns=now_ns)
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is this conversation's alone
            self._break_off(conversation, fault)
            return
        for event in events:
            self._watcher.on_event(conversation, event)

    def _on_fault_of(self, number: int, fault: Exception) -> None:
        """The result of a worker's job was too much for a conversation, if it is still there."""
        conversation = self.conversations.get(number)
        if conversation is None:
            raise fault
        self._break_off(conversation, fault)

    def _break_off(self, conversation: Conversation, fault: Exception) -> None:
        """We have made a mistake with this client; that is no reason to end everybody else's transfers."""
        self._watcher.on_fault(conversation, fault)
        now_ns = monotonic_ns()
        conversation.connection.close(Code.INTERNAL, FAULT_TEXT, now_ns=now_ns)
        self._take_events(conversation, now_ns=now_ns)  # one event less each time, whatever they do

    # --- Signs of life -------------------------------------------------------------------------------

    def ask_after(self, connection: Connection, answer: Answer) -> None:
        """Ask a client for a sign of life, and tell whether it gave one."""
        asked_ns = monotonic_ns()
        wait_ns = 2 * connection.rtt.pto_ns(ack_delay_max_ns=ACK_DELAY_MAX_NS, backoff=0)
        wait_ns = min(max(wait_ns, SIGN_WAIT_MIN_NS), SIGN_WAIT_MAX_NS)

        def ask(times: int) -> None:
            conversation = self.conversations.get(connection.connection_id)
            if conversation is None or conversation.is_over or conversation.heard_ns > asked_ns or not times:
                answer(conversation is not None and conversation.heard_ns > asked_ns)
                return
            connection.ping()
            self._make_ready(conversation)
            self._ask_for_round()
            self._loop.call_at(monotonic_ns() + wait_ns, partial(ask, times - 1))

        ask(SIGNS_ASKED_FOR)

    def _cut_off(self, connection: Connection, code: Code, reason: str) -> None:
        conversation = self.conversations.get(connection.connection_id)
        if conversation is not None:
            now_ns = monotonic_ns()
            connection.close(code, reason, now_ns=now_ns)
            self._take_events(conversation, now_ns=now_ns)
            self._make_ready(conversation)
            self._ask_for_round()

    def _make_ready(self, conversation: Conversation) -> None:
        """Something has happened to it."""
        conversation.wants_pump = True
        self._put_in_line(conversation)

    def _put_in_line(self, conversation: Conversation) -> None:
        self._ready.setdefault(conversation.connection.connection_id, conversation)

    # --- Turns ---------------------------------------------------------------------------------------

    def _ask_for_round(self) -> None:
        if not self._is_round_due:
            self._is_round_due = True
            self._loop.call_soon(self._on_round_due)

    def _on_round_due(self) -> None:
        self._is_round_due = False
        self._round()

    def _round(self) -> None:
        """Let those who are ready send, a quantum each in turn, up to a round's worth, or one's piece of other work."""
        now_ns = monotonic_ns()
        left_bytes = ROUND_BYTES
        for _ in range(len(self._ready)):
            number, conversation = next(iter(self._ready.items()))
            del self._ready[number]
            conversation.deficit_bytes = min(conversation.deficit_bytes, 0) + QUANTUM_BYTES
            before_bytes = conversation.connection.stats.bytes_sent
            self._serve(conversation, now_ns=now_ns)
            left_bytes -= conversation.connection.stats.bytes_sent - before_bytes
            if (
                left_bytes <= 0 or conversation.wants_pump
            ):  # or it has read and hashed its piece, and could go on
                break
        for socket, _ in self._sockets.values():
            self._watch_socket(socket)
        if self._ready:
            self._ask_for_round()

    def _serve(self, conversation: Conversation, *, now_ns: int) -> None:
        try:
            may_have_more = conversation.go_on(now_ns=now_ns) and not conversation.socket.is_blocked
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is this conversation's alone
            self._break_off(conversation, fault)
            may_have_more = True
        self._watcher.on_served(conversation, now_ns=now_ns)
        if conversation.is_over:
            self._forget(conversation)
            return
        if may_have_more or conversation.wants_pump:
            self._put_in_line(conversation)
        conversation.arm()

    def _forget(self, conversation: Conversation) -> None:
        number = conversation.connection.connection_id
        self._take_events(conversation, now_ns=monotonic_ns())
        conversation.disarm()
        self.listener.remove(conversation.connection)
        self.conversations.pop(number, None)
        self._ready.pop(number, None)
        self._watcher.on_gone(conversation)

    # --- The end -------------------------------------------------------------------------------------

    @property
    def transfers(self) -> int:
        """Requests that are being served."""
        return sum(len(each.session.exchanges) for each in self.conversations.values())

    def transfers_heard_since(self, since_ns: int) -> int:
        """Requests whose peer has given a sign of life since then."""
        alive = (each for each in self.conversations.values() if each.heard_ns >= since_ns)
        return sum(len(each.session.exchanges) for each in alive)

    def ping_all(self) -> None:
        """Ask every peer that has a request open for a sign of life."""
        for conversation in self.conversations.values():
            if conversation.session.exchanges:
                conversation.connection.ping()
                self._make_ready(conversation)
        self._ask_for_round()

    def close_all(self, code: Code, reason: str) -> None:
        """Tell every peer that this is the end."""
        now_ns = monotonic_ns()
        for conversation in list(self.conversations.values()):
            conversation.connection.close(code, reason, now_ns=now_ns)
            self._take_events(conversation, now_ns=now_ns)
            conversation.deficit_bytes = QUANTUM_BYTES
            conversation.send(now_ns=now_ns)
            conversation.arm()

    def close(self) -> None:
        """Let go of all sockets."""
        for socket, timer in self._sockets.values():
            timer.cancel()
            self._loop.unwatch(socket)
            socket.close()
        self._sockets.clear()
