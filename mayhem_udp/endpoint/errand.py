"""An errand: one request from its beginning to its end, over as many connections as it takes.

Owns what outlives a connection: how to make the exchange anew, the time it began, the connection's
counters before it, and what to tell of its progress. Never opens a connection.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from mayhem_udp.endpoint.conversation import Conversation
from mayhem_udp.endpoint.workers import Workers as Pool
from mayhem_udp.errors import Code, MayhemError, TransferError, UnreachableError
from mayhem_udp.results import Phase, Progress
from mayhem_udp.session.exchange import Exchange, Workers
from mayhem_udp.session.progress import standing_of
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.stats import ConnectionStats
from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

PROGRESS_INTERVAL_NS: Final = 100 * MS

Make = Callable[[Connection, Workers, int], Exchange]
"""Makes the exchange, from a connection, workers and the request's number; again for each try."""
Tell = Callable[[Progress], None]


class Counts(NamedTuple):
    """What a connection has counted so far, or over a time."""

    sent: int = 0
    eliciting: int = 0
    received: int = 0
    retransmitted: int = 0
    lost: int = 0
    corrupt: int = 0
    duplicate: int = 0

    @classmethod
    def of(cls, stats: ConnectionStats) -> "Counts":
        """The counters as they are."""
        return cls(
            stats.datagrams_sent,
            stats.eliciting_sent,
            stats.datagrams_received,
            stats.retransmitted,
            stats.lost - stats.spurious,
            stats.corrupt_dropped,
            stats.duplicate_dropped,
        )

    def since(self, before: "Counts", earlier: "Counts") -> "Counts":
        """What came to these after `before`, and `earlier` ones of other connections."""
        return Counts(*(now - then + more for now, then, more in zip(self, before, earlier, strict=True)))

    @property
    def loss(self) -> float:
        """The share that was lost of what was sent and wanted to be acknowledged, 0 to 1."""
        return min(max(self.lost / self.eliciting, 0.0), 1.0) if self.eliciting else 0.0


class Errand:
    """One request. `error` is set when it has ended badly, `exchange` is the last one that was made."""

    def __init__(
        self,
        name: str,
        make: Make,
        *,
        may_repeat: bool,
        tell: Tell | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """`prepare` may take long, and runs elsewhere before each try."""
        self.name = name
        self.may_repeat = may_repeat
        self.exchange: Exchange | None = None
        self.error: MayhemError | None = None
        self.began_ns = 0
        self.ended_ns = 0
        self.counts = Counts()
        self._make = make
        self._tell = tell
        self._prepare = prepare
        self._is_prepared = prepare is None
        self._is_preparing = False
        self._connection: Connection | None = None
        self._before = Counts()
        self._earlier = Counts()
        self._resumed_bytes: int | None = None
        self._told_ns = 0

    # --- Its life ------------------------------------------------------------------------------------

    @property
    def is_started(self) -> bool:
        """Whether a request is open for it, or it is over without one."""
        return self.exchange is not None or self.error is not None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and is not to be tried again."""
        if self.error is not None:
            return True
        return self.exchange is not None and self.exchange.is_over and not self.is_lost

    @property
    def is_lost(self) -> bool:
        """Whether its connection went away under it; somebody has to say what becomes of it."""
        return (
            self.error is None
            and self.exchange is not None
            and isinstance(self.exchange.error, UnreachableError)
        )

    def is_prepared(self, pool: Pool) -> bool:
        """Whether it can be started; if not, see to it that it can."""
        if not self._is_prepared and not self._is_preparing and self._prepare is not None:
            self._is_preparing = True
            pool.submit(self, self._prepare, self._on_prepared)
        return self._is_prepared

    def _on_prepared(self, _result: object, error: BaseException | None) -> None:
        self._is_preparing = False
        self._is_prepared = True
        if isinstance(error, MayhemError):
            self.error = error
        elif error is not None:
            raise error

    def start(self, conversation: Conversation, workers: Workers, request: int, *, now_ns: int) -> None:
        """Begin over this connection."""
        self._connection = conversation.connection
        self._before = Counts.of(self._connection.stats)
        self.began_ns = self.began_ns or now_ns
        try:
            self.exchange = self._make(self._connection, workers, request)
        except MayhemError as error:
            self.error = error
            self._connection.reset_request(request, error.code, "")
            return
        except BaseException:
            self._connection.reset_request(request, Code.CANCELLED, "")
            raise
        conversation.session.start(self.exchange)

    def repeat(self) -> None:
        """Forget the try that was lost; the next one goes on where it stopped."""
        self._earlier = self._total()
        self._resumed_bytes = self._there_before()
        self._connection = None
        self.exchange = None
        self._is_prepared = self._prepare is None

    def give_up(self, last_word: Callable[[MayhemError | None], MayhemError | None]) -> None:
        """It was lost, and that is that; `last_word` makes of its error what is told."""
        assert self.exchange is not None, "it was under way"
        self.error = last_word(self.exchange.error)

    def abandon(self) -> None:
        """Nobody waits for it any more; the peer is told, and does not go on with it."""
        if self.exchange is not None and not self.exchange.is_over:
            self.exchange.fail(TransferError("the transfer was given up", code=Code.CANCELLED))

    def look(self, *, now_ns: int) -> None:
        """Note its end, or tell how far it is when that is due."""
        if self.is_over and not self.ended_ns:
            self.ended_ns = now_ns
            self.counts = self._total()
            if self.exchange is not None and self.error is None:
                self.error = self.exchange.error
            self.tell(Phase.DONE, now_ns=now_ns)
        elif now_ns - self._told_ns >= PROGRESS_INTERVAL_NS:
            self.tell(self._phase(), now_ns=now_ns)

    # --- What is told --------------------------------------------------------------------------------

    def tell(self, phase: Phase, *, now_ns: int) -> None:
        """Call the progress callback, if somebody wants to know."""
        self._told_ns = now_ns
        if self._tell is None:
            return
        standing = standing_of(self.exchange) if self.exchange is not None else None
        seconds = (now_ns - self.began_ns) / SECOND if self.began_ns else 0.0
        done = standing.bytes_done if standing else 0
        crossed = max(done - self.resumed_bytes, 0)
        counts = self._total()
        self._tell(
            Progress(
                name=self.name,
                bytes_done=done,
                bytes_total=standing.bytes_total if standing else None,
                seconds=seconds,
                goodput_bps=crossed * BITS_PER_BYTE / seconds if seconds > 0 else 0.0,
                loss=counts.loss,
                retransmitted=counts.retransmitted,
                state=phase,
                files_done=int(phase is Phase.DONE),
            )
        )

    def _phase(self) -> Phase:
        exchange = self.exchange
        if exchange is None or self._connection is None or self._connection.peer is None:
            return Phase.CONNECTING
        standing = standing_of(exchange)
        if standing is None:
            return Phase.RECEIVING
        if standing.bytes_total is not None and standing.bytes_done >= standing.bytes_total:
            return Phase.VERIFYING
        return Phase.RECEIVING if standing.verb == "get" else Phase.SENDING

    def _total(self) -> Counts:
        if self._connection is None:
            return self._earlier
        return Counts.of(self._connection.stats).since(self._before, self._earlier)

    def _there_before(self) -> int | None:
        """What an earlier errand has moved already, once that is known: the first answer says."""
        standing = standing_of(self.exchange) if self.exchange is not None else None
        return standing.resumed_bytes if self._resumed_bytes is None and standing else self._resumed_bytes

    @property
    def resumed_bytes(self) -> int:
        """What was there before it began; what its own tries go on with is not a part of this."""
        return self._there_before() or 0

    @property
    def connection(self) -> Connection | None:
        """The connection of the last try."""
        return self._connection

    @property
    def seconds(self) -> float:
        """From its beginning to its end."""
        return (self.ended_ns - self.began_ns) / SECOND


def take_on(waiting: Iterator[Errand | None], active: list[Errand], *, at_once: int) -> bool:
    """Take on as many errands as are to be active; True where the next one is still in the making (None)."""
    while len(active) < at_once:
        try:
            errand = next(waiting)
        except StopIteration:
            return False
        if errand is None:
            return True
        active.append(errand)
    return False
