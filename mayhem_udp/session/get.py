"""GET: a file comes from the server.

The client says what it has already; the server answers with what it has, sends it, and its SHA-256;
the client checks and commits.
"""

from collections.abc import Callable

from mayhem_udp.errors import Code, MayhemError, PeerError
from mayhem_udp.session.exchange import Exchange, Workers, check_result
from mayhem_udp.session.receiving import FileReceiver, Landing, ReceivingExchange
from mayhem_udp.session.sending import FileSender, announced_size
from mayhem_udp.store.names import check_name, encode_name
from mayhem_udp.store.source import FileSource
from mayhem_udp.store.staging import Staging
from mayhem_udp.store.store import Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import (
    NO_FINGERPRINT,
    Accept,
    Digests,
    Get,
    Message,
    Repair,
    Repaired,
    Result,
    Trailer,
)

HAVE_RANGES_MAX = 1_024

Stage = Callable[[Accept], Landing]
"""Opens the staging for what the server is about to send."""


class GetReceiver(ReceivingExchange):
    """The client's half. `partial` is the staging of an interrupted download, recovered already."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        name: str,
        stage: Stage,
        partial: Staging | None,
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = name
        self._stage = stage
        self._partial = partial
        self.accepted: Accept | None = None
        self.resumed_bytes = 0
        self.started_over = False
        """Whether an interrupted download could not go on, because the file has changed."""
        self.sha256: bytes | None = None

    def on_start(self) -> None:
        """Ask."""
        have = tuple(self._partial.have)[:HAVE_RANGES_MAX] if self._partial else ()
        fingerprint = self._partial.fingerprint if self._partial else NO_FINGERPRINT
        self.say(Get(fingerprint, have, encode_name(self.name)))

    def on_message(self, message: Message) -> None:
        """The server's answer, the trailer, or repairs."""
        match message, self.receiver:
            case Accept(), None:
                self._accept(message)
            case Trailer(), FileReceiver() as receiver:
                receiver.on_trailer(message)
            case Repair(), FileReceiver() as receiver:
                receiver.on_repair(message)
            case Repaired(), FileReceiver() as receiver:
                receiver.on_repaired()
            case _:
                super().on_message(message)

    def _accept(self, accept: Accept) -> None:
        partial = self._partial
        goes_on = partial is not None and partial.fingerprint == accept.fingerprint and bool(accept.have)
        if goes_on and partial is not None:
            here = partial.have
            if not all(here.covers(start, stop) for start, stop in accept.have):
                raise PeerError("the server skips bytes that are not here", code=Code.SIZE_MISMATCH)
        elif partial is not None:
            self.started_over = True
            partial.discard()
        self._partial = None
        staging = partial if goes_on and partial is not None else self._stage(accept)
        if goes_on:
            self.resumed_bytes = sum(stop - start for start, stop in accept.have)
            self.connection.skip_incoming(self.request, accept.have)
        self.accepted = accept
        self.receive(FileReceiver(self, staging, size=accept.size, done=self._in_place))

    def _in_place(self, digest: bytes) -> None:
        assert self.receiver is not None and self.receiver.trailer is not None, "it is complete"
        self.sha256 = digest
        self.say(Result(Code.OK, self.receiver.trailer.size, digest, b""))
        self.finish()

    def on_end(self) -> None:
        """Keep what came of a download that was cut."""
        staging = self.receiver.staging if self.receiver else self._partial
        if staging is not None:
            staging.keep()


class GetSender(Exchange):
    """The server's half."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, get: Get
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = check_name(get.name)
        self._get = get
        self._store = store
        self.sender: FileSender | None = None
        self.is_opening = True

    def on_start(self) -> None:
        """Open the file, elsewhere: a disk that is slow to do so holds up this request alone."""
        self.elsewhere(
            lambda: self._store.open_source(self.name), self._begin, unwanted=lambda source: source.close()
        )

    def _begin(self, source: FileSource) -> None:
        """Answer, and begin to send."""
        self.is_opening = False
        self.sender = FileSender(self, source)
        same = self._get.fingerprint == source.fingerprint
        have = self._get.have if same else ()
        self.say(Accept(announced_size(source), source.mtime_ns, source.mode, source.fingerprint, have))
        self.sender.skip(have)
        self.wants_pump = True

    def on_message(self, message: Message) -> None:
        """The client's digests, or the end."""
        match message:
            case Digests() if self.sender is not None:
                self.sender.on_digests(message)
            case Result(sha256=digest):
                check_result(message)
                sender = self.sender
                if sender is None or not sender.is_sent or digest != sender.sha256.digest():
                    raise PeerError("the client reports an end that cannot be", code=Code.STATE_ILLEGAL)
                self.finish()
            case _:
                super().on_message(message)

    def pump(self, *, now_ns: int) -> None:
        """Send on."""
        if self.sender is not None:
            self.wants_pump = self.sender.pump()

    def on_farewell(self, error: MayhemError) -> None:
        """A client that is content with a file that was sent whole has it; only its saying so was lost."""
        if self.sender is not None and self.sender.is_sent:
            self.finish()
        else:
            super().on_farewell(error)

    def on_end(self) -> None:
        """Close the file."""
        if self.sender is not None:
            self.sender.source.close()
