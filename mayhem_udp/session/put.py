"""PUT: a file goes to the server.

The client asks and sends at once; the server says what it has already of an interrupted upload, checks,
commits, and answers with the SHA-256 that is in place.
"""

from mayhem_udp.errors import Code, IntegrityError, MayhemError, PeerError, RefusedError
from mayhem_udp.session.exchange import Exchange, Workers, check_result
from mayhem_udp.session.receiving import FileReceiver, ReceivingExchange
from mayhem_udp.session.rivals import Rivals, Version
from mayhem_udp.session.sending import FileSender, announced_size
from mayhem_udp.store.names import check_name, encode_name
from mayhem_udp.store.source import Source
from mayhem_udp.store.staging import Staging
from mayhem_udp.store.store import Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import (
    NO_FINGERPRINT,
    SIZE_UNKNOWN,
    Accept,
    Digests,
    Message,
    Put,
    Repair,
    Repaired,
    Result,
    Trailer,
)

HAVE_RANGES_MAX = 1_024
"""Ranges that one answer names; what is left out is simply sent again."""


class PutSender(Exchange):
    """The client's half; `sha256` is set when the server has the file in place."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, source: Source, name: str
    ) -> None:
        super().__init__(connection, workers, request)
        self.sender = FileSender(self, source)
        self.name = name
        self.accepted: Accept | None = None
        self.resumed_bytes = 0
        self.sha256: bytes | None = None

    def on_start(self) -> None:
        """Ask, and begin to send without waiting for the answer."""
        source = self.sender.source
        name = encode_name(self.name)
        self.say(Put(announced_size(source), source.mtime_ns, source.mode, source.fingerprint, name))
        self.wants_pump = True

    def on_message(self, message: Message) -> None:
        """The server's answer, its digests, or the end."""
        match message:
            case Accept(have=have) if self.accepted is None:
                self.accepted = message
                self.resumed_bytes = sum(stop - start for start, stop in have)
                self.sender.skip(have)
            case Digests():
                self.sender.on_digests(message)
            case Result(sha256=digest):
                check_result(message)
                if digest != self.sender.sha256.digest() or not self.sender.is_sent:
                    raise IntegrityError("the server has put in place something else than was sent")
                self.sha256 = digest
                self.finish()
            case _:
                super().on_message(message)

    def pump(self, *, now_ns: int) -> None:
        """Send on."""
        self.wants_pump = self.sender.pump()

    def on_end(self) -> None:
        """Close the file."""
        self.sender.source.close()


class PutReceiver(ReceivingExchange):
    """The server's half."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        store: Store,
        put: Put,
        rivals: Rivals | None = None,
    ) -> None:
        """`rivals` are the other uploads; without them, none can take over from another."""
        super().__init__(connection, workers, request)
        self.name = check_name(put.name)
        self._put = put
        self._rivals = rivals
        self.size = None if put.size == SIZE_UNKNOWN else put.size
        self._store = store
        self._waiting: list[Message] = []
        self._staging: Staging | None = None
        self.is_opening = True

    def on_start(self) -> None:
        """Open the staging, once it is clear that no other upload has a better right to it."""
        if self._rivals is None or self._put.fingerprint == NO_FINGERPRINT:
            self._open()
        else:
            self._rivals.enter(self, self._version, self._open_when_asked)

    @property
    def _version(self) -> Version:
        return Version(str(self.name), self._put.size, self._put.fingerprint)

    def _open_when_asked(self) -> None:
        try:
            self._open()
        except MayhemError as error:
            self.fail(error)

    def _open(self) -> None:
        """Open the staging, elsewhere: a disk that is slow to do so holds up this request alone."""
        put = self._put
        self.elsewhere(
            lambda: self._store.stage(
                self.name, size=self.size, fingerprint=put.fingerprint, mtime_ns=put.mtime_ns, mode=put.mode
            ),
            self._recover,
            unwanted=self._let_go,
        )

    def _recover(self, staging: Staging) -> None:
        """Recover first what an interrupted upload has left."""
        self._staging = staging
        if staging.needs_recovery:
            self.elsewhere(staging.recover, lambda _have: self._begin())
        else:
            self._begin()

    def _begin(self) -> None:
        self.is_opening = False
        staging, put = self._staging, self._put
        assert staging is not None, "opened at the start"
        have = tuple(staging.have)[:HAVE_RANGES_MAX]
        self.say(Accept(put.size, put.mtime_ns, put.mode, put.fingerprint, have))
        self.connection.skip_incoming(self.request, have)
        self.receive(FileReceiver(self, staging, size=self.size, done=self._in_place))
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self.on_message(message)

    def on_message(self, message: Message) -> None:
        """The trailer, or repairs."""
        if self.receiver is None:
            if len(self._waiting) > 1:
                raise PeerError("too much was said before the answer", code=Code.STATE_ILLEGAL)
            self._waiting.append(message)
            return
        match message:
            case Trailer():
                self.receiver.on_trailer(message)
            case Repair():
                self.receiver.on_repair(message)
            case Repaired():
                self.receiver.on_repaired()
            case _:
                super().on_message(message)

    def _in_place(self, digest: bytes) -> None:
        assert self.receiver is not None and self.receiver.trailer is not None, "it is complete"
        self.say(Result(Code.OK, self.receiver.trailer.size, digest, b""))
        self.finish()

    def on_end(self) -> None:
        """Keep what came of an upload that was cut; let go of one that was refused."""
        if self._rivals is not None:
            self._rivals.leave(self, self._version)
        if self._staging is not None:
            self._let_go(self._staging)

    def _let_go(self, staging: Staging) -> None:
        if isinstance(self.error, RefusedError):
            staging.discard()
        else:
            staging.keep()
