"""Many small files in one request: PUT_PACK and GET_PACK.

The body is the files one after the other, each with a short head, so that ten thousand small files cost
what one large one costs on the wire. Every file has its own SHA-256 and its own outcome.
Owns both halves of both verbs; `pack_shape` knows how a file stands in a pack.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, MayhemError, PeerError
from mayhem_udp.session.exchange import Exchange, Workers, check_result
from mayhem_udp.session.pack_shape import PackReader, SmallFile, encode_file, size_in_pack
from mayhem_udp.transport.connection import Connection
from mayhem_udp.units import KIB, MIB
from mayhem_udp.wire.messages import NO_DIGEST, GetPack, Message, PackResult, PutPack, Result

BLOCK_BYTES: Final = 256 * KIB
"""A pack is supplied to the connection in blocks of about this size."""
FILES_PER_JOB: Final = 128
"""Files stored by one job elsewhere: enough to make the hand-over cheap."""
WINDOW_BYTES: Final = 8 * MIB
"""Several jobs' worth: while one is stored, the next ones come."""
PACK_FILES_MAX: Final = 4_096
"""Files in one request."""


class Gathered(NamedTuple):
    """A block of a pack."""

    block: bytes
    is_last: bool


Gather = Callable[[Callable[[], Gathered], Callable[[Gathered], None], int], None]
"""Runs the first, and gives what it returned to the second; the third is how many bytes that is, about."""


def gather_here(job: Callable[[], Gathered], done: Callable[[Gathered], None], _size: int) -> None:
    """At once: for files that are in memory."""
    done(job())


class PackSender:
    """Supplies a pack as the body of a request; files are read as there is room for them.

    Where reading may wait for a disk, `gather` runs it elsewhere.
    """

    def __init__(
        self, exchange: Exchange, files: Iterator[SmallFile], *, count: int, gather: Gather = gather_here
    ) -> None:
        self._exchange = exchange
        self._files = files
        self._count = count
        self._gather = gather
        self._is_gathering = False
        self._offset = 0
        self._sizes_bytes: list[int] = []
        self.is_sent = False

    def pump(self) -> None:
        """Supply one block, if there is room."""
        if not self.has_work:
            return
        connection = self._exchange.connection
        room = connection.body_room_bytes(self._exchange.request)
        most = min(BLOCK_BYTES, max(room, connection.memory.share_bytes))
        self._is_gathering = True
        self._gather(lambda: self._next_block(most), self._supply, most)

    def _next_block(self, most: int) -> Gathered:
        parts: list[bytes] = []
        size = 0
        for file in self._files:
            parts.append(encode_file(file))
            self._sizes_bytes.append(len(file.data))
            size += len(parts[-1])
            if size >= most and len(self._sizes_bytes) < self._count:
                return Gathered(b"".join(parts), is_last=False)
        return Gathered(b"".join(parts), is_last=True)

    def _supply(self, gathered: Gathered) -> None:
        self._is_gathering = False
        self.is_sent = gathered.is_last
        exchange = self._exchange
        if gathered.block:
            exchange.connection.supply_body(exchange.request, self._offset, gathered.block)
            self._offset += len(gathered.block)
        exchange.wants_pump = True

    def size_of_first(self, count: int) -> int:
        """Bytes of that many files, without their heads."""
        return sum(self._sizes_bytes[:count])

    @property
    def bytes_sent(self) -> int:
        """What the other side has of the pack."""
        return self._exchange.connection.body_acked_bytes(self._exchange.request)

    @property
    def has_work(self) -> bool:
        """Whether `pump` could go on at once."""
        if self.is_sent or self._is_gathering:
            return False
        exchange = self._exchange
        return exchange.connection.body_room_bytes(exchange.request) >= BLOCK_BYTES // 4


Store = Callable[[list[SmallFile]], Sequence[int]]
"""Puts files in place, durably, and returns a code for each; blocks."""


class PackStorer:
    """Puts the files of a pack in place, a job of many at a time, in order.

    Files hold up their credit until they are stored, so that a slow disk slows down the sender, and memory
    is bounded by the window. What there is of a file that is not whole does not: it must be able to end.
    """

    def __init__(
        self, exchange: Exchange, store: Store, *, stored: Callable[[int, Sequence[int]], None]
    ) -> None:
        self._exchange = exchange
        self._store = store
        self._stored = stored
        self._reader = PackReader()
        self._queue: list[SmallFile] = []
        self._queued_bytes = 0
        self._storing_bytes = 0
        self._kept_bytes = 0
        self._consumed = 0
        self._now_ns = 0
        self._first = 0
        self.stored_bytes = 0
        """Of the files that were put in place, without their heads."""
        self._is_storing = False

    def put(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> list[SmallFile]:
        """Take bytes of the pack; returns the files that are whole now, for `store`."""
        self._now_ns = now_ns
        files = self._reader.put(offset, data)
        self._queued_bytes += sum(map(size_in_pack, files))
        self._settle()
        return files

    def store(self, files: list[SmallFile]) -> None:
        """These are to be put in place."""
        self._queue += files
        self._go_on()

    def _settle(self) -> None:
        """Say what is held here, and what more may come."""
        exchange = self._exchange
        before, self._kept_bytes = self._kept_bytes, self._reader.held_bytes + self._queued_bytes
        exchange.hold(self._kept_bytes - before)
        done = self._reader.edge - self._queued_bytes - self._storing_bytes
        if done > self._consumed:
            count, self._consumed = done - self._consumed, done
            exchange.connection.consume_body(
                exchange.request, count, now_ns=self._now_ns, window_bytes=WINDOW_BYTES
            )

    def _go_on(self) -> None:
        if self._is_storing or not self._queue:
            return
        batch, self._queue = self._queue[:FILES_PER_JOB], self._queue[FILES_PER_JOB:]
        self._is_storing = True
        size = self._storing_bytes = sum(map(size_in_pack, batch))
        self._queued_bytes -= size
        self._settle()  # the job holds them, whatever becomes of the request
        # Several packs of one peer at once would wait for the interpreter's lock, not for the disk: with four,
        # each file took four times as long.
        self._exchange.elsewhere(
            lambda: self._store(batch),
            lambda codes: self._on_stored(codes, sum(len(file.data) for file in batch)),
            holds_bytes=size,
            lane=self._exchange.connection,
        )

    def _on_stored(self, codes: Sequence[int], size_bytes: int) -> None:
        self._is_storing = False
        self.stored_bytes += size_bytes
        self._storing_bytes = 0
        self._settle()
        first, self._first = self._first, self._first + len(codes)
        self._stored(first, codes)
        self._go_on()


def checked(file: SmallFile) -> bool:
    """Whether a file's bytes are those that were sent."""
    return sha256(file.data).digest() == file.sha256


class PutPackSender(Exchange):
    """The client's half of PUT_PACK. `codes` fills as the server reports."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        files: Iterator[SmallFile],
        count: int,
        on_codes: Callable[[int, tuple[int, ...]], None],
    ) -> None:
        super().__init__(connection, workers, request)
        self._sender = PackSender(self, files, count=count)
        self.count = count
        self._known = 0
        self._on_codes = on_codes

    @property
    def bytes_done(self) -> int:
        """What the server has of the pack."""
        return self._sender.bytes_sent

    @property
    def files_done(self) -> int:
        """Files that the server has stored, or refused."""
        return self._known

    @property
    def file_bytes_done(self) -> int:
        """Bytes of these files."""
        return self._sender.size_of_first(self._known)

    def on_start(self) -> None:
        """Ask, and begin to send."""
        self.say(PutPack(self.count))
        self.wants_pump = True

    def on_message(self, message: Message) -> None:
        """Outcomes, or the end."""
        match message:
            case PackResult(first, codes) if first == self._known and first + len(codes) <= self.count:
                self._known += len(codes)
                self._on_codes(first, codes)
            case Result() if message.code != Code.OK or self._known == self.count:
                check_result(message)
                self.finish()
            case _:
                super().on_message(message)

    def pump(self, *, now_ns: int) -> None:
        """Send on."""
        self._sender.pump()
        self.wants_pump = self._sender.has_work


class PutPackReceiver(Exchange):
    """The server's half of PUT_PACK."""

    def __init__(
        self, connection: Connection, workers: Workers, request: int, *, store: Store, ask: PutPack
    ) -> None:
        super().__init__(connection, workers, request)
        if not 0 < ask.count <= PACK_FILES_MAX:
            raise PeerError("a pack has too many files, or none", code=Code.LIMIT_EXCEEDED)
        self.count = self._left = ask.count
        self.bytes_done = 0
        self._storer = PackStorer(self, store, stored=self._report)
        self._unstored = ask.count

    def on_body(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> None:
        """Bytes of the pack."""
        files = self._storer.put(offset, data, now_ns=now_ns)
        if len(files) > self._left:
            raise PeerError("a pack has more files than it said", code=Code.SIZE_MISMATCH)
        self._left -= len(files)
        self._storer.store(files)
        self.bytes_done += len(data)

    def _report(self, first: int, codes: Sequence[int]) -> None:
        self._unstored -= len(codes)
        self.say(PackResult(first, tuple(codes)))
        if self._unstored == 0:
            self.say(Result(Code.OK, 0, NO_DIGEST, b""))
            self.finish()


class GetPackReceiver(Exchange):
    """The client's half of GET_PACK; `on_codes` hears of every file in the order asked for."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        names: tuple[bytes, ...],
        store: Store,
        on_codes: Callable[[int, Sequence[int]], None],
    ) -> None:
        super().__init__(connection, workers, request)
        self._names = names
        self.count = self._left = len(names)
        self.bytes_done = 0
        self._seen = 0
        self._storer = PackStorer(self, store, stored=self._report)
        self._on_codes = on_codes

    @property
    def files_done(self) -> int:
        """Files that are in place here, or cannot be had."""
        return self.count - self._left

    @property
    def file_bytes_done(self) -> int:
        """Bytes of these files."""
        return self._storer.stored_bytes

    def on_start(self) -> None:
        """Ask."""
        self.say(GetPack(self._names))

    def on_body(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> None:
        """Bytes of the pack: the files that were asked for, in that order, and no others."""
        files = self._storer.put(offset, data, now_ns=now_ns)
        names = self._names[self._seen : self._seen + len(files)]
        if tuple(file.name for file in files) != names:
            raise PeerError("a pack has a file that was not asked for", code=Code.SIZE_MISMATCH)
        self._seen += len(files)
        self._storer.store(files)
        self.bytes_done += len(data)

    def _report(self, first: int, codes: Sequence[int]) -> None:
        self._left -= len(codes)
        self._on_codes(first, codes)
        if self._left == 0:
            self.say(Result(Code.OK, 0, NO_DIGEST, b""))
            self.finish()


class GetPackSender(Exchange):
    """The server's half of GET_PACK."""

    def __init__(
        self,
        connection: Connection,
        workers: Workers,
        request: int,
        *,
        read: Callable[[bytes], SmallFile],
        ask: GetPack,
    ) -> None:
        super().__init__(connection, workers, request)
        if not 0 < len(ask.names) <= PACK_FILES_MAX:
            raise PeerError("a pack has too many files, or none", code=Code.LIMIT_EXCEEDED)
        self.count = len(ask.names)
        files = (_read_or_code(read, name) for name in ask.names)
        self._sender = PackSender(self, files, count=self.count, gather=self._gather)

    @property
    def bytes_done(self) -> int:
        """What the client has of the pack."""
        return self._sender.bytes_sent

    def _gather(self, job: Callable[[], Gathered], done: Callable[[Gathered], None], size: int) -> None:
        """A slow disk holds up this request, and nobody else's."""
        self.elsewhere(job, done, holds_bytes=size, lane=self.connection)

    def on_start(self) -> None:
        """Begin to send."""
        self.wants_pump = True

    def on_message(self, message: Message) -> None:
        """The end."""
        if isinstance(message, Result) and self._sender.is_sent:
            check_result(message)
            self.finish()
        else:
            super().on_message(message)

    def pump(self, *, now_ns: int) -> None:
        """Send on."""
        self._sender.pump()
        self.wants_pump = self._sender.has_work


def _read_or_code(read: Callable[[bytes], SmallFile], name: bytes) -> SmallFile:
    try:
        return read(name)
    except MayhemError as error:
        return SmallFile(name, b"", 0, 0, error.code, NO_DIGEST)
