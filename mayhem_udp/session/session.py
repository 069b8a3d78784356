"""A connection's requests: events in, to the exchange that each belongs to.

Owns the table of exchanges, and the bytes of bodies that overtook the message that says what they are.
A peer that breaks the rules of a message loses the connection; an exchange that fails loses only its
request. Never reads a clock.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from mayhem_udp.errors import Code, MayhemError, PeerError, TransferError, error_of_code
from mayhem_udp.session.exchange import PIECE_BYTES, Exchange
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.events import (
    BodyReceived,
    Closed,
    Connected,
    Event,
    MessageReceived,
    Origin,
    PathChanged,
    RequestReset,
    TokenReceived,
)
from mayhem_udp.units import MIB
from mayhem_udp.wire.messages import Message, decode

EARLY_BYTES_MAX: Final = 16 * MIB
"""Bytes of bodies whose request is not known yet, of one connection. Messages are sent before bodies, so
only loss and reordering make some: an honest client has a flight of them at most."""

Opener = Callable[[int, Message], Exchange]
"""Makes the answering half of a request, from its number and its first message."""


def give_up_all(_request: int, _message: Message) -> Exchange:
    """The opener of a client: nobody but itself opens requests there, so this is one that it gave up."""
    raise TransferError("nobody waits for this any more", code=Code.CANCELLED)


class Session:
    """The requests of one connection."""

    def __init__(self, connection: Connection, *, opener: Opener = give_up_all) -> None:
        self.connection = connection
        self._opener = opener
        self.exchanges: dict[int, Exchange] = {}
        self._early: dict[int, list[BodyReceived]] = {}
        self._early_bytes = 0

    def start(self, exchange: Exchange) -> None:
        """Begin a request of this side's."""
        self.exchanges[exchange.request] = exchange
        self._guard(exchange, exchange.on_start)

    def take_events(self, *, now_ns: int) -> list[Event]:
        """Hand out what the connection has to say; returns what is not about a request."""
        rest: list[Event] = []
        while (event := self.connection.poll_event()) is not None:
            try:
                self._take(event, rest, now_ns=now_ns)
            except PeerError as error:
                self.connection.close(error.code, error.message, now_ns=now_ns)
        return rest

    def pump(self, *, now_ns: int) -> bool:
        """Let exchanges go on a little; True where one wants to be pumped again at once.

        One that could go on has done its piece of work, which is enough for a turn: the others go first in the next.
        """
        for exchange in list(self.exchanges.values()):
            breach, exchange.breach = exchange.breach, None
            if breach is not None:
                self.connection.close(breach.code, breach.message, now_ns=now_ns)
                return False
            if not exchange.is_over:
                self._guard(exchange, partial(exchange.pump, now_ns=now_ns))
            if exchange.is_over:
                self.exchanges.pop(exchange.request, None)
            elif exchange.wants_pump:
                self.exchanges[exchange.request] = self.exchanges.pop(exchange.request)
                return True
        return False

    def abandon(self, error: MayhemError) -> None:
        """End every request without a word: there is nobody to tell."""
        for exchange in list(self.exchanges.values()):
            exchange.on_lost(error)
        self.exchanges.clear()
        for request in list(self._early):
            self._drop_early(request)

    def _bid_farewell(self, reason: str) -> None:
        """The peer is content, though its last words to some requests may have been lost."""
        error = error_of_code(Code.CONNECTION_LOST, reason)
        for exchange in list(self.exchanges.values()):
            exchange.on_farewell(error)

    def _take(self, event: Event, rest: list[Event], *, now_ns: int) -> None:
        match event:
            case BodyReceived(request, offset, data):
                exchange = self.exchanges.get(request)
                if exchange is not None:
                    self._guard(exchange, partial(exchange.on_body, offset, data, now_ns=now_ns))
                elif self.connection.is_open(request):
                    self._keep_early(event)
            case MessageReceived(request, payload):
                self._on_message(request, decode(payload), now_ns=now_ns)
            case RequestReset(request, code, reason):
                self._drop_early(request)
                exchange = self.exchanges.pop(request, None)
                if exchange is not None:
                    exchange.on_reset(code, reason)
            case Closed(code, reason, origin):
                if code == Code.OK and origin is Origin.PEER:
                    self._bid_farewell(reason)
                self.abandon(error_of_code(code or Code.CONNECTION_LOST, reason))
                rest.append(event)
            case Connected() | TokenReceived() | PathChanged():
                rest.append(event)

    def _keep_early(self, event: BodyReceived) -> None:
        """Bytes that overtook their request's first message wait for it; they hold up their own credit."""
        size = len(event.data) + PIECE_BYTES
        self._early_bytes += size
        self.connection.memory.take(size)
        self._early.setdefault(event.request, []).append(event)
        if self._early_bytes > EARLY_BYTES_MAX:
            raise PeerError("bodies came without the requests that they belong to", code=Code.LIMIT_EXCEEDED)

    def _drop_early(self, request: int) -> list[BodyReceived]:
        early = self._early.pop(request, [])
        size = sum(len(event.data) + PIECE_BYTES for event in early)
        self._early_bytes -= size
        self.connection.memory.give(size)
        return early

    def _on_message(self, request: int, message: Message, *, now_ns: int) -> None:
        exchange = self.exchanges.get(request)
        if exchange is not None:
            self._guard(exchange, partial(exchange.on_message, message))
            return
        if not self.connection.is_open(request):
            return
        early = self._drop_early(request)
        try:
            exchange = self._opener(request, message)
        except PeerError:
            raise
        except MayhemError as error:
            self.connection.reset_request(request, error.code, str(error))
            return
        self.exchanges[request] = exchange
        self._guard(exchange, exchange.on_start)
        for event in early:
            self._guard(exchange, partial(exchange.on_body, event.offset, event.data, now_ns=now_ns))

    def _guard(self, exchange: Exchange, step: Callable[[], None]) -> None:
        """Run one step of an exchange; an error of its own ends it, and it alone."""
        if exchange.is_over:
            return
        try:
            step()
        except PeerError:
            raise
        except MayhemError as error:
            exchange.fail(error)
        if exchange.is_over:
            self.exchanges.pop(exchange.request, None)
