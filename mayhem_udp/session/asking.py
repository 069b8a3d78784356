"""LIST, STAT, REMOVE and PING: a question, and a short answer.

The client's half collects entries until the result; the server's halves answer from the store,
elsewhere where that may take time.
"""

from collections.abc import Callable
from typing import Any, Final

from mayhem_udp.errors import Code, MayhemError, RefusedError
from mayhem_udp.limits import BLOCK_BYTES, LISTING_MAX_BYTES, MESSAGE_WINDOW_BYTES, REASON_MAX_BYTES
from mayhem_udp.session.exchange import Exchange, Workers, error_of_result
from mayhem_udp.store.listing import ROUND_BYTES
from mayhem_udp.store.names import check_name
from mayhem_udp.store.store import Entry, Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import (
    NO_DIGEST,
    EntryKind,
    EntryMessage,
    List,
    Message,
    PingRequest,
    Remove,
    Result,
    Stat,
)

LISTING_ENTRY_BYTES: Final = 256
"""What an entry is counted as where a listing is kept, beside its name."""
LANES: Final = 2
"""Threads that the questions of all connections ever occupy together, so that transfers find one."""


class Question(Exchange):
    """The client's half of all four."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        question: List | Stat | Remove | PingRequest,
        listing_max_bytes: int = LISTING_MAX_BYTES,
    ) -> None:
        super().__init__(connection, workers, request)
        self._question = question
        self._room_bytes = listing_max_bytes
        self.entries: list[EntryMessage] = []
        self.result: Result | None = None
        self.is_answered = False
        """Whether the server has said all that it has to say, also where that is not that all went well."""

    def on_start(self) -> None:
        """Ask."""
        self.say(self._question)

    def on_message(self, message: Message) -> None:
        """An entry, or the end."""
        match message:
            case EntryMessage() if self._may_come:
                self._take(message)
            case Result():
                error = error_of_result(message)
                self.result = message if error is None else None
                self.is_answered = True
                self.finish(error)
            case _:
                super().on_message(message)

    @property
    def _may_come(self) -> bool:
        """Whether an entry belongs here: only a listing has several."""
        return isinstance(self._question, List) or (isinstance(self._question, Stat) and not self.entries)

    def _take(self, entry: EntryMessage) -> None:
        self._room_bytes -= LISTING_ENTRY_BYTES + len(entry.name)
        if self._room_bytes < 0:
            self.entries.clear()
            raise RefusedError(
                "the listing is longer than this side can keep",
                code=Code.LIMIT_EXCEEDED,
                remedy="list less at a time: one folder, or names with something in common",
            )
        self.entries.append(entry)


class Answer(Exchange):
    """What the server's halves share: where they look, a result, and the end."""

    def look(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        *,
        holds_bytes: int = 0,
        unwanted: Callable[[Any], None] | None = None,
    ) -> None:
        """As `elsewhere`, after what others have asked: a job is to be short."""
        lane = ("questions", self.connection.connection_id % LANES)
        self.elsewhere(job, done, holds_bytes=holds_bytes, unwanted=unwanted, lane=lane)

    def conclude(self, error: MayhemError | None = None) -> None:
        """Everything is said that could be; `error` is why that is not all."""
        code, text = (error.code, str(error)) if error is not None else (Code.OK, "")
        self.say(Result(code, 0, NO_DIGEST, text.encode()[:REASON_MAX_BYTES]))
        self.finish(error)


class ListAnswer(Answer):
    """LIST: entries, read elsewhere a round at a time, said as fast as the client takes them.

    What could not be read is told at the end, in the result: the rest is of use without it.
    """

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, ask: List
    ) -> None:
        super().__init__(connection, workers, request)
        self._listing = store.listing(ask.pattern, recursive=bool(ask.recursive))
        self._is_reading = False

    def on_start(self) -> None:
        """Begin."""
        self.wants_pump = True

    def pump(self, *, now_ns: int) -> None:
        """Read a round when the last one is on its way."""
        room = self.connection.queued_message_bytes(self.request) < MESSAGE_WINDOW_BYTES
        if not self._is_reading and room and self.connection.memory.share_bytes > 0:
            self.look(self._listing.read, self._say_round, holds_bytes=ROUND_BYTES, unwanted=self._let_go)
            self._is_reading = True
        self.wants_pump = False

    def _say_round(self, entries: list[Entry] | None) -> None:
        self._is_reading = False
        if entries is None:
            self.conclude(self._listing.shortfall)
            return
        for entry in entries:
            self.say(entry_message(entry, digest=None))
        self.wants_pump = True

    def on_end(self) -> None:
        """Let go of the folder that is being read; not before the round that may be under way."""
        if not self._is_reading:
            self._listing.close()

    def _let_go(self, _entries: list[Entry] | None) -> None:
        self._listing.close()


class StatAnswer(Answer):
    """STAT: one entry, with its SHA-256 (computed elsewhere) where it is wanted."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, ask: Stat
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = check_name(ask.name)
        self._store = store
        self._wants_digest = bool(ask.digest)
        self._digesting = store.digesting(self.name)
        self._is_reading = False

    def on_start(self) -> None:
        """Look."""
        self.look(lambda: self._store.stat(self.name), self._read_on)

    def _read_on(self, entry: Entry) -> None:
        """A round of the digest, where it is wanted."""
        if not self._wants_digest or entry.is_directory:
            self._say_entry(entry, None)
            return

        def back(digest: bytes | None) -> None:
            self._is_reading = False
            if digest is None:
                self._read_on(entry)
            else:
                self._say_entry(entry, digest)

        digesting = self._digesting
        self.look(digesting.read, back, holds_bytes=BLOCK_BYTES, unwanted=lambda _digest: digesting.close())
        self._is_reading = True

    def _say_entry(self, entry: Entry, digest: bytes | None) -> None:
        self.say(entry_message(entry, digest=digest))
        self.conclude()

    def on_end(self) -> None:
        """Let go of the file that is being read; not before the round that may be under way."""
        if not self._is_reading:
            self._digesting.close()


class RemoveAnswer(Answer):
    """REMOVE: one file."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, ask: Remove
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = check_name(ask.name)
        self._store = store

    def on_start(self) -> None:
        """Remove it."""
        self.look(lambda: self._store.remove(self.name), lambda _nothing: self.conclude())


class PingAnswer(Answer):
    """PING: at once."""

    def on_start(self) -> None:
        """Answer."""
        self.conclude()


def entry_message(entry: Entry, *, digest: bytes | None) -> EntryMessage:
    """A line of a listing, as it goes over the wire."""
    kind = EntryKind.DIRECTORY if entry.is_directory else EntryKind.FILE
    return EntryMessage(
        kind, entry.size, entry.mtime_ns, entry.mode, digest or NO_DIGEST, entry.name.encode()
    )
