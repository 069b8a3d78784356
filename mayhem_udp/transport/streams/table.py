"""The requests of one connection, and the four stream halves of each.

Owns which requests are open, finished or still to come, how many may be open at once, and what their halves
hold together. What a request holds is let go of when it ends, whoever ends it.
Never knows what a request asks for.
"""

from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import EARLY_BODY_BYTES, EARLY_REQUESTS, REQUESTS_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.flow import CreditPool, ReceiveWindow
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.streams.bodies import BodyReceive, BodySend
from mayhem_udp.transport.streams.messages import MessageReceive, MessageSend
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id

RAISE_SHARE: Final = 2
"""New credit of requests is told when one part in this many is used up."""


class Request:
    """One request: messages both ways, and bodies once there are any."""

    __slots__ = ("body_received", "body_sent", "is_finished", "messages_received", "messages_sent", "number")

    def __init__(self, number: int, *, memory: Memory) -> None:
        self.number = number
        self.messages_sent = MessageSend(memory)
        self.messages_received = MessageReceive(memory)
        self.body_sent: BodySend | None = None
        self.body_received: BodyReceive | None = None
        self.is_finished = False
        """This side has said all it will say."""

    @property
    def is_settled(self) -> bool:
        """Whether everything that this side sent has been acknowledged."""
        body = self.body_sent
        return self.messages_sent.queued_bytes == 0 and (body is None or body.is_settled)

    def let_go(self) -> None:
        """It has ended: hold nothing any more."""
        for half in (self.messages_sent, self.messages_received, self.body_sent, self.body_received):
            if half is not None:
                half.let_go()


class RequestTable:
    """Requests by number; the client opens them, with numbers from zero upward."""

    __slots__ = (
        "_body_limit",
        "_credit",
        "_ended",
        "_memory",
        "_open_max",
        "_promise_bytes",
        "_seen",
        "_side",
        "_window_bytes",
        "_window_max_bytes",
        "limit",
        "limit_is_news",
        "next",
        "open",
        "peer_limit",
        "supplied",
    )

    def __init__(
        self,
        side: Side,
        *,
        open_max: int,
        window_bytes: int,
        window_max_bytes: int,
        promise_bytes: int,
        memory: Memory,
    ) -> None:
        self._side = side
        self._open_max = open_max
        self._promise_bytes = promise_bytes
        self._memory = memory
        self._credit = CreditPool(memory, promised_bytes=open_max * promise_bytes)
        self.supplied = Memory(memory.max_bytes, parent=memory)
        """What all bodies on their way to the peer hold."""
        self._window_bytes = window_bytes
        self._window_max_bytes = window_max_bytes
        self._body_limit = EARLY_BODY_BYTES
        self.open: dict[int, Request] = {}
        self._ended = RangeSet()
        self.limit = open_max
        """The client may open numbers below this."""
        self.limit_is_news = False
        """The client has to be told: nothing else may be on its way, and it may be waiting for just that."""
        self.peer_limit = EARLY_REQUESTS
        """The same, as the client has heard it."""
        self.next = 0
        self._seen = 0
        """The peer has opened the numbers below this."""

    def on_peer_parameters(self, *, body_window_bytes: int, requests_max: int) -> None:
        """What the peer grants at the start."""
        self._body_limit = max(self._body_limit, body_window_bytes)
        self.peer_limit = max(self.peer_limit, requests_max)
        for request in self.open.values():
            if request.body_sent is not None:
                request.body_sent.limit = max(request.body_sent.limit, body_window_bytes)

    def create(self) -> Request | None:
        """A new request of this side's; None while the peer's limit is reached."""
        if self.next >= min(self.peer_limit, REQUESTS_MAX):
            return None
        request = Request(self.next, memory=self._memory)
        self.open[self.next] = request
        self.next += 1
        return request

    def of_peer(self, number: int) -> Request | None:
        """The request that something from the peer belongs to; None for one that has ended.

        Raises `PeerError` for a number that the peer may not use.
        """
        request = self.open.get(number)
        if request is not None:
            return request
        if number in self._ended:
            return None
        if self._side is Side.CLIENT:
            raise PeerError("a server cannot open requests", code=Code.STATE_ILLEGAL)
        if number >= self.limit:
            raise PeerError("more requests were opened than allowed", code=Code.TOO_MANY_REQUESTS)
        request = Request(number, memory=self._memory)
        self.open[number] = request
        self._seen = max(self._seen, number + 1)
        self._raise_limit()
        return request

    def body_sent(self, request: Request) -> BodySend:
        """The request's outgoing body, made when it is first needed."""
        if request.body_sent is None:
            number = stream_id(request.number, Kind.BODY, self._side)
            request.body_sent = BodySend(number, limit=self._body_limit, memory=self.supplied)
        return request.body_sent

    def body_received(self, request: Request) -> BodyReceive:
        """The request's incoming body, made when its first byte comes."""
        if request.body_received is None:
            window = ReceiveWindow(
                initial_bytes=self._window_bytes,
                max_bytes=self._window_max_bytes,
                promise_bytes=self._promise_bytes,
                pool=self._credit,
            )
            request.body_received = BodyReceive(window, memory=self._memory)
        return request.body_received

    def end(self, number: int) -> None:
        """Forget a request; whatever else comes of it is ignored."""
        request = self.open.pop(number, None)
        if request is not None:
            self._ended.add(number, number + 1)
            request.let_go()
            if self._side is Side.SERVER:
                self._raise_limit()

    def _raise_limit(self) -> None:
        """As many more as have ended may be opened, once they are worth the words."""
        limit = self._ended.covered + self._open_max
        is_waited_for = self._seen >= self.limit and limit > self.limit
        if is_waited_for or limit - self.limit >= max(self._open_max // RAISE_SHARE, 1):
            self.limit = limit
            self.limit_is_news = True
