"""ECHO: a file goes to the server and comes back, through whatever the network does to it.

The server keeps it only for the time of the request. The client compares by SHA-256 what came back
with what it sent.
"""

from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, IntegrityError, MayhemError, PeerError
from mayhem_udp.session.exchange import Exchange, Workers, check_result
from mayhem_udp.session.receiving import FileReceiver, Landing, ReceivingExchange
from mayhem_udp.session.sending import FileSender, announced_size
from mayhem_udp.store.names import check_name, encode_name
from mayhem_udp.store.source import Source
from mayhem_udp.store.staging import Staging
from mayhem_udp.store.store import Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import (
    SIZE_UNKNOWN,
    Digests,
    Echo,
    Message,
    Repair,
    Repaired,
    Result,
    Trailer,
)


class EchoClient(Exchange):
    """The client's half; `sha256` is set when the copy is in place and the same."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        source: Source,
        name: str,
        staging: Landing,
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = name
        self.sender = FileSender(self, source)
        self.receiver = FileReceiver(self, staging, size=source.size, done=self._in_place)
        self.sha256: bytes | None = None

    def on_start(self) -> None:
        """Ask, and begin to send."""
        self.say(Echo(announced_size(self.sender.source), encode_name(self.name)))
        self.wants_pump = True

    def on_message(self, message: Message) -> None:
        """Either direction's."""
        match message:
            case Digests():
                self.sender.on_digests(message)
            case Trailer():
                if not self.sender.is_sent or message.sha256 != self.sender.sha256.digest():
                    raise IntegrityError("the server sends back something else than was sent to it")
                self.receiver.on_trailer(message)
            case Repair():
                self.receiver.on_repair(message)
            case Repaired():
                self.receiver.on_repaired()
            case _:
                super().on_message(message)

    def on_body(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> None:
        """What comes back."""
        self.receiver.on_body(offset, data, now_ns=now_ns)

    def pump(self, *, now_ns: int) -> None:
        """Send on, hash on."""
        has_more = self.sender.pump()
        self.receiver.pump()
        self.wants_pump = has_more or self.receiver.staging.hash_is_behind

    def _in_place(self, digest: bytes) -> None:
        self.sha256 = digest
        self.say(Result(Code.OK, self.sender.offset, digest, b""))
        self.finish()

    def on_end(self) -> None:
        """Close the file; a copy that is not whole is of no use."""
        self.sender.source.close()
        self.receiver.staging.discard()


class EchoServer(ReceivingExchange):
    """The server's half."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, echo: Echo
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = check_name(echo.name)
        self.size = None if echo.size == SIZE_UNKNOWN else echo.size
        self._store = store
        self._early_trailer: Trailer | None = None
        self._staging: Staging | None = None
        self.sender: FileSender | None = None
        self.is_opening = True

    def on_start(self) -> None:
        """Open the staging, elsewhere: a disk that is slow to do so holds up this request alone."""
        self.elsewhere(
            lambda: self._store.scratch(size=self.size),
            self._begin,
            unwanted=lambda staging: staging.discard(),
        )

    def _begin(self, staging: Staging) -> None:
        self.is_opening = False
        self._staging = staging
        receiver = FileReceiver(self, staging, size=self.size, done=self._send_back)
        self.receive(receiver)
        if self._early_trailer is not None:
            receiver.on_trailer(self._early_trailer)

    def on_message(self, message: Message) -> None:
        """Either direction's."""
        match message:
            case Trailer() if self.receiver is not None:
                self.receiver.on_trailer(message)
            case Trailer() if self._early_trailer is None:
                self._early_trailer = message
            case Repair() if self.receiver is not None:
                self.receiver.on_repair(message)
            case Repaired() if self.receiver is not None:
                self.receiver.on_repaired()
            case Digests() if self.sender is not None:
                self.sender.on_digests(message)
            case Result() if self.sender is not None and self.sender.is_sent:
                check_result(message)
                self.finish()
            case _:
                raise PeerError(f"{type(message).__name__} is not expected here", code=Code.STATE_ILLEGAL)

    def _send_back(self, _digest: bytes) -> None:
        assert self._staging is not None, "all of it is there"
        self.sender = FileSender(self, self._staging.as_source())
        self.wants_pump = True

    def pump(self, *, now_ns: int) -> None:
        """Send on, hash on."""
        if self.sender is not None:
            self.wants_pump = self.sender.pump()
        else:
            super().pump(now_ns=now_ns)

    def on_farewell(self, error: MayhemError) -> None:
        """A client that is content with a file that was sent whole has it; only its saying so was lost."""
        if self.sender is not None and self.sender.is_sent:
            self.finish()
        else:
            super().on_farewell(error)

    def on_end(self) -> None:
        """Keep nothing."""
        if self.sender is not None:
            self.sender.source.close()
        if self._staging is not None:
            self._staging.discard()
