"""The client's end: one connection at a time to one server, and requests over it, on a loop of its own.

Owns the contact with the server: names looked up, the addresses tried in turn, and a new connection when
one is lost while a transfer may go on. Requests run side by side; whoever asks for their outcome turns
the loop meanwhile. Never knows what a request is for, never prints.
"""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from mayhem_udp.config import Settings
from mayhem_udp.endpoint.addresses import resolve
from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.conversation import Conversation, WakingWorkers
from mayhem_udp.endpoint.engine_settings import engine_settings, socket_settings
from mayhem_udp.endpoint.errand import Errand, take_on
from mayhem_udp.endpoint.heap import keep_freed_memory
from mayhem_udp.endpoint.loop import Loop, sharpen_timers
from mayhem_udp.endpoint.troubles import TroubleKind, error_of_trouble
from mayhem_udp.endpoint.udp import DatagramSocket, UdpSocket
from mayhem_udp.endpoint.visits import Visits
from mayhem_udp.endpoint.watcher import Watcher
from mayhem_udp.endpoint.workers import Workers
from mayhem_udp.errors import Code, MayhemError, UnreachableError, UsageError
from mayhem_udp.mayhem.faults import Direction, MayhemSpec
from mayhem_udp.results import Phase
from mayhem_udp.session.session import Session
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.events import Closed, Connected, Event, TokenReceived
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.units import KIB, MS, SECOND
from mayhem_udp.url import HostPort

if TYPE_CHECKING:  # a client without faults does not load what makes them
    from mayhem_udp.mayhem.link import LinkPair

READS_MAX: Final = 16
SEND_BYTES: Final = 1_024 * KIB
"""What is sent before the socket is read again."""
TURN_MAX_NS: Final = 100 * MS
"""The longest that a turn waits, so that progress can be told now and then."""
RETRY_FIRST_NS: Final = 100 * MS
RETRY_MOST_NS: Final = 2 * SECOND
"""Pauses between attempts to reach a server that is lost: doubled each time, up to the second."""
WORKERS: Final = 4
LINGER_NS: Final = 2 * SECOND
"""How long an end waits for the server to have the last words, on a path that is known to lose some."""
FAREWELL_PTOS: Final = 3
FAREWELL_MAX_NS: Final = 1 * SECOND
"""How long one that was stopped early stays to repeat its goodbye; whoever stops it again goes at once."""


class ClientEndpoint:
    """A client of one server. Used from one thread; everything waits in `run` and `close`."""

    def __init__(
        self, place: HostPort, settings: Settings, *, visits: Visits, faults: MayhemSpec, watcher: Watcher
    ) -> None:
        self.place = place
        self._watcher = watcher
        self.settings = settings
        self._visits = visits
        self._faults = None if faults.is_harmless() else _links_with(faults)
        self._loop = Loop()
        sharpen_timers()
        keep_freed_memory()
        self._workers = Workers(self._loop, threads_max=WORKERS)
        self._addresses: tuple[Address, ...] = ()
        self._conversation: Conversation | None = None
        self._was_connected = False
        self._is_blocked = False
        self._is_closed = False
        self._process = os.getpid()
        self._is_turn_due = False
        self._socket_timer = self._loop.timer(self._on_socket_due)
        self._retry_until_ns = 0
        self._retry_pause_ns = 0
        self._next_attempt_ns = 0

    @property
    def is_connected(self) -> bool:
        """Whether the server has answered, and nobody has said goodbye, as far as is known."""
        conversation = self._conversation
        return (
            conversation is not None
            and not conversation.is_ending
            and conversation.connection.peer is not None
        )

    # --- Requests ------------------------------------------------------------------------------------

    def run(self, errands: Iterable[Errand | None], *, at_once: int) -> Iterator[Errand]:
        """Run errands side by side, and give each back when it is over; whether it went well is its own to say.

        None among them means that the next takes time to make: those that there are have a turn meanwhile.
        Raises `UnreachableError` when the server cannot be reached (any more); every errand that was
        under way has ended by then. `UsageError` where this end was closed meanwhile.
        """
        waiting = iter(errands)
        active: list[Errand] = []
        try:
            while True:
                if self._is_closed:
                    raise UsageError("this client is closed", remedy="connect again")
                is_next_in_the_making = take_on(waiting, active, at_once=at_once)
                if active:
                    self._start(active)
                    self._turn(active, wait_max_ns=0 if is_next_in_the_making else TURN_MAX_NS)
                elif not is_next_in_the_making:
                    return
                for errand in [each for each in active if each.is_over]:
                    active.remove(errand)
                    yield errand
        finally:
            if os.getpid() == self._process:  # a forked one drops a copy: nobody is to hear of that
                for errand in active:
                    errand.abandon()
                self._serve()  # so that the server hears of it

    def _start(self, active: list[Errand]) -> None:
        """Open requests for errands that have none, as far as the server lets us."""
        for errand in active:
            if errand.is_started or not errand.is_prepared(self._workers):
                continue
            if self._conversation is not None and self._conversation.is_ending:
                self._let_go()  # nothing that is begun now would be heard
            conversation = self._conversation or self._reach()
            if conversation is None:
                return  # lost, and to be tried again in a while
            request = conversation.connection.open_request()
            if request is None:
                return
            workers = WakingWorkers(self._workers, self._serve)
            errand.start(conversation, workers, request, now_ns=monotonic_ns())
            self._serve()

    def _turn(self, active: list[Errand], *, wait_max_ns: int) -> None:
        self._loop.turn(wait_max_ns=wait_max_ns)
        now_ns = monotonic_ns()
        for errand in active:
            errand.look(now_ns=now_ns)
        conversation = self._conversation
        if conversation is not None and conversation.is_over:
            self._let_go()
        self._retry_lost(active, now_ns=now_ns)

    # --- The connection ------------------------------------------------------------------------------

    def _reach(self) -> Conversation | None:
        """Open a connection; None while it is too early to try again. Nothing waits here."""
        now_ns = monotonic_ns()
        if now_ns < self._next_attempt_ns:
            return None
        if not self._addresses:
            self._addresses = resolve(self.place)
        raw = UdpSocket.connect(self._addresses, socket_settings(self.settings))
        peer = raw.peer
        assert peer is not None, "a connected socket has a peer"
        interface_bytes = raw.datagram_max_bytes()
        connection = Connection.client(
            peer,
            connection_id=int.from_bytes(os.urandom(8)),
            settings=engine_settings(self.settings, Side.CLIENT, interface_max_bytes=interface_bytes),
            entropy=os.urandom,
            now_ns=now_ns,
            token=self._visits.token_of(self.place),
            mtu_hint_bytes=interface_bytes or 0,
        )
        socket = raw if self._faults is None else _through(self._faults, raw)
        conversation = Conversation(connection, Session(connection), socket, self._loop.timer(self._on_due))
        self._conversation = conversation
        self._is_blocked = False
        self._loop.watch(socket, self._on_readable)
        self._watcher.on_opened(conversation)
        return conversation

    def _let_go(self) -> None:
        """Forget the connection, and close its socket."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.disarm()
            self._socket_timer.cancel()
            self._loop.unwatch(conversation.socket)
            conversation.socket.close()
            self._watcher.on_gone(conversation)

    def _retry_lost(self, active: list[Errand], *, now_ns: int) -> None:
        """Give errands that were lost with their connection another try, or let them end."""
        lost = [each for each in active if each.is_lost]
        if not lost:
            return
        may_retry = self._was_connected and self.settings.client.retry_ns > 0
        if may_retry and not self._retry_until_ns:
            self._retry_until_ns = now_ns + self.settings.client.retry_ns
            self._retry_pause_ns = RETRY_FIRST_NS
        may_retry = may_retry and now_ns + self._retry_pause_ns < self._retry_until_ns
        for errand in lost:
            if may_retry and errand.may_repeat:
                errand.repeat()
                errand.tell(Phase.RETRYING, now_ns=now_ns)
            else:
                errand.give_up(self._last_word)
        if may_retry:
            self._next_attempt_ns = now_ns + self._retry_pause_ns
            self._retry_pause_ns = min(2 * self._retry_pause_ns, RETRY_MOST_NS)
        else:
            self._next_attempt_ns = 0

    # --- Turns ---------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        conversation = self._conversation
        if conversation is None:
            return
        for _ in range(READS_MAX):
            batch = conversation.socket.receive()
            if batch is None:
                break
            now_ns = monotonic_ns()
            stretches, broken = open_batch(batch)
            connection = conversation.connection
            number = connection.connection_id
            connection.handle_corrupt(broken.count(number))
            for opened in stretches:
                if opened.header.connection_id == number:
                    connection.handle(opened, now_ns=now_ns)
            conversation.acknowledge(now_ns=now_ns)
            self._take_events(conversation, now_ns=now_ns)
        self._look_at_troubles(conversation)
        self._serve()

    def _on_due(self) -> None:
        conversation = self._conversation
        if conversation is not None:
            now_ns = monotonic_ns()
            conversation.connection.handle_timeout(now_ns=now_ns)
            self._take_events(conversation, now_ns=now_ns)
            self._go_on()

    def _on_writable(self) -> None:
        if self._conversation is not None:
            self._conversation.socket.flush()
            self._serve()

    def _on_socket_due(self) -> None:
        if self._conversation is not None:
            self._conversation.socket.flush()
            self._on_readable()

    def _serve(self) -> None:
        """Something has happened: let the session go on, and the connection."""
        if self._conversation is not None:
            self._conversation.wants_pump = True
            self._go_on()

    def _on_turn_due(self) -> None:
        self._is_turn_due = False
        self._go_on()

    def _go_on(self) -> None:
        """Let the session and the connection do what they may, and see to it that both are heard again."""
        conversation = self._conversation
        if conversation is None:
            return
        now_ns = monotonic_ns()
        self._take_events(conversation, now_ns=now_ns)
        conversation.deficit_bytes = SEND_BYTES
        may_have_more = conversation.go_on(now_ns=now_ns) and not conversation.socket.is_blocked
        self._watcher.on_served(conversation, now_ns=now_ns)
        if (may_have_more or conversation.wants_pump) and not self._is_turn_due:
            self._is_turn_due = True
            self._loop.call_soon(self._on_turn_due)
        conversation.arm()
        self._watch(conversation.socket)

    def _watch(self, socket: DatagramSocket) -> None:
        if socket.is_blocked != self._is_blocked:
            self._is_blocked = socket.is_blocked
            self._loop.watch_writable(socket, self._on_writable if self._is_blocked else None)
        self._socket_timer.set(socket.next_deadline_ns())

    def _take_events(self, conversation: Conversation, *, now_ns: int) -> None:
        for event in conversation.take_events(now_ns=now_ns):
            self._on_event(conversation, event)

    def _on_event(self, conversation: Conversation, event: Event) -> None:
        self._watcher.on_event(conversation, event)
        match event:
            case Connected():
                self._was_connected = True
                self._retry_until_ns = 0
            case TokenReceived(token):
                self._visits.keep(self.place, token)
            case Closed():
                self._loop.call_soon(_nothing)  # so that the turn that waits for it ends

    def _look_at_troubles(self, conversation: Conversation) -> None:
        """A host that says that nobody listens is believed: waiting would not help."""
        while (trouble := conversation.socket.poll_trouble()) is not None:
            if trouble.kind not in (TroubleKind.REFUSED, TroubleKind.UNREACHABLE, TroubleKind.FORBIDDEN):
                continue
            if trouble.kind is not TroubleKind.REFUSED and self._was_connected:
                continue  # routes come back; the connection's own timers judge
            error = error_of_trouble(trouble.kind, self.place)
            if len(self._addresses) > 1 and not self._was_connected:
                self._addresses = self._addresses[1:]  # the next address of the same name
                error = UnreachableError(error.message, code=Code.CONNECTION_LOST, remedy=error.remedy)
            conversation.session.abandon(error)
            self._let_go()
            return

    def _last_word(self, error: MayhemError | None) -> MayhemError | None:
        """What is told of a lost connection: of silence, whose it was and what to look at."""
        if error is None or error.code is not Code.HANDSHAKE_TIMEOUT:
            return error
        return UnreachableError(
            f"{self.place} did not answer within {self.settings.client.timeout_ns / SECOND:g} s",
            code=error.code,
            remedy="is the server running, and does every firewall on the way let UDP through? "
            "a longer timeout waits for it",
        )

    # --- The end -------------------------------------------------------------------------------------

    def close(self, error: BaseException | None = None) -> None:
        """Tell the server, and let go of everything; `error` is what ended it early, if anything did."""
        self._is_closed = True
        if error is None:
            self._linger()
        conversation = self._conversation
        if conversation is not None and not conversation.is_over:
            code = Code.OK if error is None else Code.CANCELLED
            reason = "done" if error is None else "the client was stopped"
            now_ns = monotonic_ns()
            conversation.session.abandon(MayhemError(reason, code=Code.CANCELLED))
            conversation.connection.close(code, reason, now_ns=now_ns)
            conversation.deficit_bytes = SEND_BYTES
            conversation.send(now_ns=now_ns)
            conversation.socket.flush()
        try:
            if error is not None and conversation is not None:
                self._say_it_again(conversation)
        finally:
            self._let_go()
            self._workers.close()
            self._loop.close()

    def close_copy(self) -> None:
        """Close the descriptors of a forked process, and say and wait for nothing: the original goes on."""
        self._is_closed = True
        if self._conversation is not None:
            self._conversation.socket.close()
        self._loop.close()

    def _say_it_again(self, conversation: Conversation) -> None:
        """Stay for as long as the server may go on because it has not heard the goodbye: then it hears it again.

        Else one that was lost leaves it with half a transfer until its idle time-out (RFC 9000 section 10.2).
        """
        connection = conversation.connection
        pto_ns = connection.rtt.pto_ns(ack_delay_max_ns=self.settings.transport.ack_delay_max_ns, backoff=0)
        until_ns = monotonic_ns() + min(FAREWELL_PTOS * pto_ns, FAREWELL_MAX_NS)
        while self._conversation is conversation and self._was_connected and not conversation.is_over:
            left_ns = until_ns - monotonic_ns()
            if left_ns <= 0:
                return
            self._loop.turn(wait_max_ns=left_ns)

    def _linger(self) -> None:
        """See to it that the server hears that all went well, where it may not have.

        On a path that has lost nothing so far that would cost everybody a round trip, to no purpose.
        """
        until_ns = monotonic_ns() + LINGER_NS
        while (conversation := self._conversation) is not None and not conversation.is_over:
            connection, left_ns = conversation.connection, until_ns - monotonic_ns()
            stats = connection.stats
            if not connection.has_unsettled or not (stats.lost or stats.corrupt_dropped) or left_ns <= 0:
                return
            self._loop.turn(wait_max_ns=left_ns)


def _nothing() -> None:
    """Only there to be called."""


def _links_with(faults: MayhemSpec) -> "LinkPair[Address]":
    from mayhem_udp.mayhem.link import LinkPair  # noqa: PLC0415  # only where there are faults

    return LinkPair.of(faults)


def _through(links: "LinkPair[Address]", raw: UdpSocket) -> DatagramSocket:
    """The socket, with faults on its way."""
    from mayhem_udp.endpoint.faulty import FaultySocket  # noqa: PLC0415  # likewise

    return FaultySocket(raw, links, sends=Direction.OUT)
