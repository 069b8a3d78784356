"""LIST, STAT, REMOVE and PING: a question, and a short answer.

The client's half collects entries until the result; the server's halves answer from the store,
elsewhere where that may take time.
"""

from contextlib import suppress
from itertools import islice

from mayhem_udp.errors import Code, MayhemError
from mayhem_udp.limits import MESSAGE_WINDOW_BYTES
from mayhem_udp.session.exchange import Exchange, Workers, check_result
from mayhem_udp.store.names import check_name
from mayhem_udp.store.patterns import check_pattern
from mayhem_udp.store.store import Entry, Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.units import KIB
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

ENTRIES_PER_ROUND = 256
ROUND_BYTES = 64 * KIB
"""A round is over, too, when its entries are about this large."""
ENTRY_BYTES = 64
"""What an entry is made of beside its name."""


class Question(Exchange):
    """The client's half of all four."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        question: List | Stat | Remove | PingRequest,
    ) -> None:
        super().__init__(connection, workers, request)
        self._question = question
        self.entries: list[EntryMessage] = []
        self.result: Result | None = None

    def on_start(self) -> None:
        """Ask."""
        self.say(self._question)

    def on_message(self, message: Message) -> None:
        """An entry, or the end."""
        match message:
            case EntryMessage():
                self.entries.append(message)
            case Result():
                check_result(message)
                self.result = message
                self.finish()
            case _:
                super().on_message(message)


class Answer(Exchange):
    """What the server's halves share: a result, and the end."""

    def conclude(self, *, text: str = "") -> None:
        """Everything is said."""
        self.say(Result(Code.OK, 0, NO_DIGEST, text.encode()))
        self.finish()


class ListAnswer(Answer):
    """LIST: entries, read elsewhere a round at a time, said as fast as the client takes them."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, ask: List
    ) -> None:
        super().__init__(connection, workers, request)
        pattern = check_pattern(ask.pattern)
        self._entries = store.entries(pattern, recursive=bool(ask.recursive))
        self._is_reading = False

    def on_start(self) -> None:
        """Begin."""
        self.wants_pump = True

    def pump(self, *, now_ns: int) -> None:
        """Read a round when the last one is on its way."""
        room = self.connection.queued_message_bytes(self.request) < MESSAGE_WINDOW_BYTES
        if not self._is_reading and room and self.connection.memory.share_bytes > 0:
            self._is_reading = True
            self.elsewhere(self._read_round, self._say_round, holds_bytes=ROUND_BYTES)
        self.wants_pump = False

    def _read_round(self) -> list[Entry]:
        entries, left = [], ROUND_BYTES
        for entry in islice(self._entries, ENTRIES_PER_ROUND):
            entries.append(entry)
            left -= ENTRY_BYTES + len(entry.name)
            if left <= 0:
                break
        return entries

    def _say_round(self, entries: list[Entry]) -> None:
        self._is_reading = False
        for entry in entries:
            self.say(entry_message(entry, digest=None))
        if not entries:
            self.conclude()
        self.wants_pump = True

    def on_end(self) -> None:
        """Let go of the folder that is being read, after the round that may be under way."""
        with suppress(MayhemError):  # of workers that take no more; the collector closes it in its time
            self.workers.submit(self, self._entries.close, _nothing)


class StatAnswer(Answer):
    """STAT: one entry, with its SHA-256 (computed elsewhere) where it is wanted."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, ask: Stat
    ) -> None:
        super().__init__(connection, workers, request)
        self.name = check_name(ask.name)
        self._store = store
        self._wants_digest = bool(ask.digest)

    def on_start(self) -> None:
        """Look."""
        self.elsewhere(self._look, self._say_entry)

    def _look(self) -> tuple[Entry, bytes | None]:
        entry = self._store.stat(self.name)
        wants_digest = self._wants_digest and not entry.is_directory
        return entry, self._store.digest(self.name) if wants_digest else None

    def _say_entry(self, found: tuple[Entry, bytes | None]) -> None:
        self.say(entry_message(found[0], digest=found[1]))
        self.conclude()


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
        self.elsewhere(lambda: self._store.remove(self.name), lambda _nothing: self.conclude())


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


def _nothing(_result: object, _error: BaseException | None) -> None:
    """Nobody waits for it."""
