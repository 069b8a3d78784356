"""One request as one side sees it.

Owns the shape that all verbs share: messages, body, end. Never knows a verb.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, LocalFileError, MayhemError, PeerError, error_of_code
from mayhem_udp.limits import REASON_MAX_BYTES
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import Message, Result, encode

Done = Callable[[Any, BaseException | None], None]

PIECE_BYTES: Final = 512
"""What a piece of a body that is kept costs beside its bytes, so that crumbs are not free."""


class Workers(Protocol):
    """Runs what may block, elsewhere; jobs of one key in the order given."""

    def submit(self, key: object, job: Callable[[], Any], done: Done) -> None:
        """Run `job`, then call `done(result, None)` or `done(None, error)` where the session lives."""


def error_of_result(result: Result) -> MayhemError | None:
    """What a result says that is none: all went well only where its code is 0."""
    if result.code == Code.OK:
        return None
    text = result.text[:REASON_MAX_BYTES].decode("utf-8", "replace")
    return error_of_code(result.code, text)


def check_result(result: Result) -> None:
    """Raise what a result says that is none."""
    error = error_of_result(result)
    if error is not None:
        raise error


class Exchange:
    """One request. Subclasses override what they care for; what they raise ends the request.

    `error` is set when it ended badly; `is_over` when it ended at all.
    """

    def __init__(self, connection: Connection, workers: Workers, request: int) -> None:
        self.connection = connection
        self.workers = workers
        self.request = request
        self.is_over = False
        self.error: MayhemError | None = None
        self._held_bytes = 0
        self.jobs = 0
        """Jobs of its that are not done; they may well outlive it."""
        self.wants_pump = False
        """Whether `pump` has something to do without waiting for an event."""
        self.breach: PeerError | None = None
        """What the peer did against the rules, found out after a job: it costs the connection."""
        self.is_opening = False
        """Whether the files that it needs are still being opened, and it may yet be refused."""

    # --- What comes in: overridden by the verbs ------------------------------------------------------

    def on_start(self) -> None:
        """The request is open: ask, or begin to answer."""

    def on_message(self, message: Message) -> None:
        """The peer says something of this request."""
        raise PeerError(f"{type(message).__name__} is not expected here", code=Code.STATE_ILLEGAL)

    def on_body(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> None:
        """Bytes of the peer's body."""
        raise PeerError("a body is not expected here", code=Code.STATE_ILLEGAL)

    def pump(self, *, now_ns: int) -> None:
        """Go on with what is not driven by the peer, a bounded piece of it."""

    def on_end(self) -> None:
        """The request is over, well or badly (`error`): let go of everything. Called once."""

    # --- What goes out -------------------------------------------------------------------------------

    def say(self, message: Message) -> None:
        """Send a message of this request."""
        self.connection.send_message(self.request, encode(message))

    def hold(self, count: int) -> None:
        """So many bytes are kept here because of the peer, until `let_go`, or until the end."""
        self._held_bytes += count
        self.connection.memory.take(count)

    def let_go(self, count: int) -> None:
        """They are not any more."""
        self._held_bytes -= count
        self.connection.memory.give(count)

    def elsewhere(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        *,
        holds_bytes: int = 0,
        unwanted: Callable[[Any], None] | None = None,
        lane: object = None,
    ) -> None:
        """Run a blocking job elsewhere and go on with its result; its error ends the request.

        `holds_bytes` is what it keeps in memory until it is done, which may well be after the request's end;
        then `unwanted` gets the result, where that has to be let go of. Jobs of one `lane` run one after the
        other; of itself, a request is one.
        """
        memory = self.connection.memory

        def back(result: Any, error: BaseException | None) -> None:
            self.jobs -= 1
            memory.give(holds_bytes)
            if self.is_over:
                if error is None and unwanted is not None:
                    unwanted(result)
                return
            try:
                if error is not None:
                    raise error
                done(result)
            except PeerError as breach:
                self.breach = breach
            except MayhemError as failure:
                self.fail(failure)

        self.workers.submit(self if lane is None else lane, job, back)
        self.jobs += 1
        memory.take(holds_bytes)

    def finish(self, error: MayhemError | None = None) -> None:
        """All is said and done; `error` is what was said, where that is not that all went well."""
        if not self.is_over:
            self.connection.finish_request(self.request)
            self._end(error)

    def fail(self, error: MayhemError) -> None:
        """End the request, and tell the peer why; of files on this side it hears no more than that."""
        if not self.is_over:
            is_local = isinstance(error, LocalFileError)
            reason = "the other side cannot use a file of its own" if is_local else str(error)
            code = Code.CANCELLED if error.code is Code.LOCAL_FILE else error.code
            self.connection.reset_request(self.request, code, reason)
            self._end(error)

    def on_reset(self, code: int, reason: str) -> None:
        """The peer has ended the request."""
        if not self.is_over:
            self._end(error_of_code(code, reason))

    def on_farewell(self, error: MayhemError) -> None:
        """The peer has closed the connection, and says that all went well; as lost, unless that is news."""
        self.on_lost(error)

    def on_lost(self, error: MayhemError) -> None:
        """The connection is gone, and the request with it."""
        if not self.is_over:
            self._end(error)

    def _end(self, error: MayhemError | None) -> None:
        self.is_over = True
        self.error = error
        self.let_go(self._held_bytes)
        self.on_end()
