"""One connection: the wiring of its parts, and the door to it.

Four kinds of methods: getters; `handle_*` (datagrams and time come in); commands (what the owner
wants); `poll_*` (events and batches go out). After any `handle_*` or command, take events until there
are none, then batches until there are none, then ask for `next_deadline_ns`.
Never reads a clock, opens a socket or touches a file.
"""

from collections.abc import Iterable

from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import FLIGHT_RUNS_REFUSED, NUMBER_JUMP_MAX, REASON_MAX_BYTES
from mayhem_udp.transport.core import Core, Entropy
from mayhem_udp.transport.datagrams import Address, Transmit
from mayhem_udp.transport.deadlines import Deadlines
from mayhem_udp.transport.ending import Ending
from mayhem_udp.transport.events import Connected, Event
from mayhem_udp.transport.handshake import NO_TOKEN, HandshakeStream
from mayhem_udp.transport.inbound import Inbound
from mayhem_udp.transport.making import make_core, parameters_of
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.migration import move_to, on_other_address
from mayhem_udp.transport.opening import Opened
from mayhem_udp.transport.outbound import Outbound
from mayhem_udp.transport.path import Path
from mayhem_udp.transport.rtt import RoundTrip
from mayhem_udp.transport.settings import TransportSettings
from mayhem_udp.transport.settling import Settler
from mayhem_udp.transport.state import Signal, State, advance
from mayhem_udp.transport.stateless import ENDINGS, handle_stateless, has_answered, take_retry
from mayhem_udp.transport.stats import ConnectionStats
from mayhem_udp.transport.streams.bodies import BodySend, as_block
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id
from mayhem_udp.transport.supply import body_room_bytes
from mayhem_udp.transport.timers import NEVER, Timer
from mayhem_udp.units import US
from mayhem_udp.wire.codec import Parameters
from mayhem_udp.wire.declarations import VERSIONS_SPOKEN, DatagramType
from mayhem_udp.wire.frames import MaxStream, Ping, ResetRequest, Token

NO_RESET_TOKEN = bytes(16)
FIRST_NUMBER_BOUND = NUMBER_JUMP_MAX // 2
"""A server begins to count somewhere below this. One that was restarted, and takes a late HELLO for that of
a new connection, would else speak to its client in numbers that the client has seen."""


class Connection:
    """A connection's engine, either side. Made by `client` and, through a `Listener`, by `server`."""

    __slots__ = ("_core", "_deadlines", "_ending", "_inbound", "_outbound", "_settler")

    def __init__(self, core: Core, *, now_ns: int) -> None:
        self._core = core
        self._inbound = Inbound(core)
        self._outbound = Outbound(core, answers=self._inbound.answers)
        self._settler = Settler(core, self._outbound)
        self._ending = Ending(core, self._outbound)
        self._deadlines = Deadlines(core, self._outbound, self._settler, self._ending)
        core.timers.set(Timer.HANDSHAKE, now_ns + core.settings.handshake_timeout_ns)

    @classmethod
    def client(
        cls,
        address: Address,
        *,
        connection_id: int,
        settings: TransportSettings,
        entropy: Entropy,
        now_ns: int,
        token: bytes = NO_TOKEN,
        mtu_hint_bytes: int = 0,
    ) -> "Connection":
        """A client that will say HELLO to `address`; `token` is from an earlier visit, if there was one.

        `connection_id` is 64 unpredictable bits, `mtu_hint_bytes` the largest UDP payload that the local
        interface takes (0: unknown).
        """
        parameters = parameters_of(settings, reset_token=NO_RESET_TOKEN)
        core = make_core(
            Side.CLIENT,
            address,
            connection_id=connection_id,
            settings=settings,
            handshake=HandshakeStream(parameters, token=token),
            memory=None,
            entropy=entropy,
            mtu_hint_bytes=mtu_hint_bytes,
            now_ns=now_ns,
        )
        return cls(core, now_ns=now_ns)

    @classmethod
    def server(
        cls,
        address: Address,
        *,
        connection_id: int,
        settings: TransportSettings,
        entropy: Entropy,
        reset_token: bytes,
        visit_token: bytes,
        now_ns: int,
        mtu_hint_bytes: int = 0,
        memory: Memory | None = None,
    ) -> "Connection":
        """The server's end for a client whose address is proved; `visit_token` is for its next visit.

        `memory` is its account; without one, it shares with nobody.
        """
        core = make_core(
            Side.SERVER,
            address,
            connection_id=connection_id,
            settings=settings,
            handshake=HandshakeStream(parameters_of(settings, reset_token=reset_token)),
            memory=memory,
            entropy=entropy,
            mtu_hint_bytes=mtu_hint_bytes,
            now_ns=now_ns,
        )
        core.control.append(Token(visit_token))
        core.recovery.ledger.begin_at(int.from_bytes(entropy(3)) % FIRST_NUMBER_BOUND)
        return cls(core, now_ns=now_ns)

    # --- Getters -----------------------------------------------------------------------------------

    @property
    def connection_id(self) -> int:
        """64 bits that name this connection in every datagram."""
        return self._core.connection_id

    @property
    def state(self) -> State:
        """Where the connection is in its life."""
        return self._core.state

    @property
    def stats(self) -> ConnectionStats:
        """The counters, live."""
        return self._core.stats

    @property
    def chunk_bytes(self) -> int:
        """Payload of a full DATA datagram, as they are sent now."""
        return self._core.chunk_bytes

    @property
    def rtt(self) -> RoundTrip:
        """The round trip of the current path."""
        return self._core.path.rtt

    @property
    def path(self) -> Path:
        """The current path: address, controller, datagram size; read it, do not change it."""
        return self._core.path

    @property
    def peer(self) -> Parameters | None:
        """What the peer said of itself; None before the handshake is done."""
        return self._core.peer

    @property
    def in_flight_bytes(self) -> int:
        """Sent and not accounted for."""
        return self._core.recovery.ledger.in_flight_bytes

    @property
    def memory(self) -> Memory:
        """The account of what is held for the peer, for those who hold some of it elsewhere."""
        return self._core.memory

    @property
    def has_unsettled(self) -> bool:
        """Whether a request is open, or the peer is not known to have all that was said in one."""
        return bool(self._core.requests.open)

    def next_deadline_ns(self) -> int | None:
        """When `handle_timeout` is to be called at the latest; None: never."""
        deadline = min(self._core.timers.next_ns(), self._core.acks.deadline_ns)
        return None if deadline == NEVER else deadline

    def owes_acknowledgement(self, *, now_ns: int) -> bool:
        """Whether the next batch of `poll_transmit` says what has arrived."""
        return self._core.acks.is_due(now_ns=now_ns)

    def body_room_bytes(self, request: int) -> int:
        """How many more bytes of the request's body the send buffer takes now: see `supply`."""
        return body_room_bytes(self._core, request)

    def body_acked_bytes(self, request: int) -> int:
        """How many bytes of the request's body the peer has."""
        found = self._core.requests.open.get(request)
        return found.body_sent.acked_bytes if found and found.body_sent else 0

    def body_sent(self, request: int) -> BodySend | None:
        """The request's outgoing body, if it has one: it knows how much the peer has also when all is over."""
        found = self._core.requests.open.get(request)
        return found.body_sent if found else None

    def is_open(self, request: int) -> bool:
        """Whether something may still be said in the request: it has not ended, and this side has not finished."""
        found = self._core.requests.open.get(request)
        return found is not None and not found.is_finished

    # --- Handlers ----------------------------------------------------------------------------------

    def handle(self, opened: Opened, *, now_ns: int) -> None:
        """Take intact datagrams that bear this connection's id."""
        core = self._core
        if core.state in (State.CLOSED, State.DRAINING):
            return
        if opened.header.version not in VERSIONS_SPOKEN and opened.header.type != DatagramType.VERSIONS:
            return  # only the list of versions has the same form in all of them
        if opened.header.type == DatagramType.RETRY and not has_answered(core):
            unheard = take_retry(core, opened, now_ns=now_ns)
            if unheard:
                self._settler.say_again(unheard)
                self._outbound.probes_due = 0
            return
        if opened.header.type in ENDINGS:
            ending = handle_stateless(core, opened)
            if ending is not None:
                self._ending.over(*ending)
            return
        if core.state is State.CLOSING:
            self._ending.on_late(opened)
            return
        newest = opened.header.sequence > core.acks.largest
        try:
            self._inbound.handle(opened, now_ns=now_ns)
            if opened.address != core.path.address:
                on_other_address(core, opened, is_newest=newest)
        except PeerError as error:
            self.close(error.code, error.message, now_ns=now_ns)
            return
        self._act_on_inbound(now_ns=now_ns)

    def handle_corrupt(self, count: int) -> None:
        """`count` datagrams of this connection arrived damaged; they are dropped, and counted."""
        self._core.acks.corrupt += count
        self._core.stats.corrupt_dropped += count

    def handle_timeout(self, *, now_ns: int) -> None:
        """Do what is due."""
        for timer in self._core.timers.expired(now_ns=now_ns):
            self._deadlines.fire(timer, now_ns=now_ns)

    # --- Commands ----------------------------------------------------------------------------------

    def open_request(self) -> int | None:
        """A new request's number; None while the peer's limit is reached, and after a goodbye. Clients only."""
        assert self._core.side is Side.CLIENT, "only clients open requests"
        if not self._core.state.is_live:
            return None
        request = self._core.requests.create()
        return None if request is None else request.number

    def send_message(self, request: int, payload: bytes) -> None:
        """Queue one message of an open request; nothing happens where the request has ended."""
        found = self._core.requests.open.get(request)
        if found is not None and not found.is_finished:
            found.messages_sent.append(payload)

    def queued_message_bytes(self, request: int) -> int:
        """Bytes of messages that are not acknowledged: wait with more while it is large."""
        found = self._core.requests.open.get(request)
        return found.messages_sent.queued_bytes if found else 0

    def supply_body(self, request: int, offset: int, block: bytes | memoryview | NDArray[uint8]) -> None:
        """Give bytes of the request's body; offsets ascend. The block must not change until it is settled."""
        found = self._core.requests.open.get(request)
        if found is None or len(block) == 0:
            return
        body = self._core.requests.body_sent(found)
        body.supply(offset, as_block(block))
        self._outbound.wake(body)

    def skip_body(self, request: int, start: int, stop: int) -> None:
        """The peer has `[start, stop)` of the request's body already."""
        found = self._core.requests.open.get(request)
        if found is not None:
            self._core.requests.body_sent(found).skip(start, stop)

    def consume_body(self, request: int, count: int, *, now_ns: int, window_bytes: int = 0) -> None:
        """`count` bytes of the incoming body are where they belong; gives new credit, of `window_bytes` at least."""
        core = self._core
        found = core.requests.open.get(request)
        if found is None or found.body_received is None:
            return
        body = found.body_received
        body.window.on_consumed(count, window_bytes=window_bytes)
        limit = body.window.new_credit(
            received_bytes=body.received.covered, rtt_ns=core.path.rtt.smoothed_ns, now_ns=now_ns
        )
        if limit is not None:
            core.control.append(MaxStream(stream_id(request, Kind.BODY, core.side.other), limit))

    def skip_incoming(self, request: int, ranges: Iterable[tuple[int, int]]) -> None:
        """These ranges of the incoming body are here already, and the peer knows: they need no credit."""
        core = self._core
        found = core.requests.open.get(request)
        if found is not None:
            body = core.requests.body_received(found)
            limit = body.window.skip(ranges, received_bytes=body.received.covered)
            if limit is not None:
                core.control.append(MaxStream(stream_id(request, Kind.BODY, core.side.other), limit))

    def finish_request(self, request: int) -> None:
        """This side has said all it will say; the request ends once that is acknowledged."""
        found = self._core.requests.open.get(request)
        if found is not None:
            found.is_finished = True
            self._settler.end_if_settled(found)

    def reset_request(self, request: int, code: int, reason: str) -> None:
        """End a request now, both ways; the peer is told why."""
        found = self._core.requests.open.get(request)
        if found is not None:
            self._settler.end(found)
            text = reason.encode()[:REASON_MAX_BYTES]
            self._core.control.append(ResetRequest(request, code, text))

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self._core.control.append(Ping())

    def close(self, code: int, reason: str, *, now_ns: int) -> None:
        """End the connection and tell the peer."""
        self._ending.close(code, reason, now_ns=now_ns)

    # --- Polling -----------------------------------------------------------------------------------

    def poll_event(self) -> Event | None:
        """The next event, or None."""
        events = self._core.events
        return events.popleft() if events else None

    def poll_transmit(self, *, now_ns: int) -> Transmit | None:
        """The next batch to send, or None when nothing may be sent now."""
        batch = self._outbound.poll(now_ns=now_ns)
        if batch is not None:
            self._deadlines.set_loss_timer(now_ns=now_ns)
        return batch

    # --- What came in, acted on --------------------------------------------------------------------

    def _act_on_inbound(self, *, now_ns: int) -> None:
        inbound, core = self._inbound, self._core
        while inbound.outcomes:
            self._settler.settle(inbound.outcomes.popleft())
        while inbound.credited:
            self._outbound.wake(inbound.credited.popleft())
            self._deadlines.on_credit()
        if inbound.peer_parameters is not None:
            parameters, inbound.peer_parameters = inbound.peer_parameters, None
            self._on_handshake_done(parameters)
        if inbound.path_answer is not None:
            check, inbound.path_answer = inbound.path_answer, None
            move_to(core, check, now_ns=now_ns)
        if inbound.close is not None:
            close, inbound.close = inbound.close, None
            self._ending.on_peer_close(close, now_ns=now_ns)
            return
        if len(core.recovery.ledger.flight) > FLIGHT_RUNS_REFUSED:
            self.close(Code.LIMIT_EXCEEDED, "too much is asked for and not acknowledged", now_ns=now_ns)
            return
        core.count_overhead()
        self._deadlines.set_loss_timer(now_ns=now_ns)
        self._deadlines.on_heard(now_ns=now_ns)

    def _on_handshake_done(self, peer: Parameters) -> None:
        core = self._core
        after = advance(core.state, Signal.HANDSHAKE_DONE)
        if after is None:
            return
        core.state = after
        core.timers.stop(Timer.HANDSHAKE)
        core.requests.on_peer_parameters(
            body_window_bytes=peer.body_window_bytes, requests_max=peer.requests_max
        )
        core.recovery.on_peer_delay(peer.ack_delay_max_us * US)
        core.path.mtu.search(ceiling_bytes=core.ceiling_bytes)
        core.path.controller.on_rate_cap(core.rate_cap_bps)
        self._deadlines.on_peer_parameters(peer)
        for request in core.requests.open.values():
            if request.body_sent is not None:
                self._outbound.wake(request.body_sent)
        core.events.append(Connected(peer))
