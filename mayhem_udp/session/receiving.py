"""The receiving end of a file's way: put bytes in their place; check size and SHA-256; commit, or repair.

Nothing is in place under its name before the SHA-256 of all of it has been checked. Blocking work
(recovery of an interrupted transfer, the last of the hash, fsync, rename) runs elsewhere.
Never trusts a size, an offset or an order that the peer chose.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from numpy import uint8
from numpy.typing import NDArray

from mayhem_udp.errors import Code, IntegrityError, MayhemError, PeerError
from mayhem_udp.limits import BLOCK_BYTES, REPAIR_ROUNDS_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.session.exchange import PIECE_BYTES, Exchange, Workers
from mayhem_udp.store.disk import Buffer
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import Digests, Repair, Trailer

DIGESTS_PER_MESSAGE: Final = 1_024
HASH_ROUND_BYTES: Final = 4 * BLOCK_BYTES
"""The most that one pump hashes of what came out of order."""


class Landing(Protocol):
    """Where bytes go: a `Staging`, or an `Outflow` for those that go into a stream; they say what each does."""

    @property
    def fingerprint(self) -> bytes: ...
    @property
    def have(self) -> RangeSet: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def is_slow(self) -> bool: ...
    @property
    def hash_is_behind(self) -> bool: ...
    @property
    def checkpoint_is_due(self) -> bool: ...
    def write(self, offset: int, data: Buffer) -> int: ...
    def deferred(self, pieces: Sequence[tuple[int, Buffer]]) -> Callable[[], int]:
        """A job that writes bytes at their offsets; it gives how many bytes need no memory any more."""

    def is_complete(self, size: int) -> bool: ...
    def hash_pump(self, budget_bytes: int) -> bool: ...
    def checkpoint(self) -> None: ...
    def finish(self, sha256: bytes, size: int, /) -> None: ...
    def block_digests(self) -> list[bytes]: ...
    def rewrite(self, offset: int, data: Buffer) -> None: ...
    def set_aside(self) -> str: ...
    def keep(self) -> None: ...
    def discard(self) -> None: ...


class FileReceiver:
    """Receives one file as the body of a request.

    `size` is what was announced (None: unknown); more than that is a violation. `done(sha256)` is
    called when the file is in place.
    """

    def __init__(
        self, exchange: Exchange, staging: Landing, *, size: int | None, done: Callable[[bytes], None]
    ) -> None:
        self._exchange = exchange
        self.staging = staging
        self.size = size
        self._done = done
        self.trailer: Trailer | None = None
        self.received_bytes = 0
        self._rounds = 0
        self._is_checking = False
        self._is_repairing = False
        """Whether the digests have been said, and repairs may come."""
        self._is_checkpointing = False
        self._is_writing_elsewhere = False
        self._gathered: list[tuple[int, Buffer]] = []
        """What came while a worker was at the file, to be its next job."""
        self._now_ns = 0

    def on_body(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> None:
        """Bytes to their place."""
        stop = offset + len(data)
        bound = self.trailer.size if self.trailer else self.size
        if bound is not None and stop > bound:
            raise PeerError("more bytes came than were announced", code=Code.SIZE_MISMATCH)
        self._now_ns = now_ns
        self.received_bytes += len(data)
        if self._is_checking:  # all of it was here: sent again before the peer heard of that
            self._exchange.connection.consume_body(self._exchange.request, len(data), now_ns=now_ns)
            return
        if self.staging.is_slow or self._is_checkpointing or self._is_writing_elsewhere:
            self._gather(offset, data)
        else:
            self.staging.write(offset, data.data)
            self._on_written(len(data))
        if self.staging.checkpoint_is_due and not self._is_checkpointing:
            self._is_checkpointing = True
            self._exchange.elsewhere(self.staging.checkpoint, self._on_checkpoint)

    def _gather(self, offset: int, data: NDArray[uint8]) -> None:
        """A slow disk holds up this transfer, and nobody else's; the credit waits for it.

        What comes while a worker is at the file is its next job, all of it: one for each batch of datagrams
        cost a fifth of the time of an upload, in threads that wait for each other.
        """
        self._gathered.append((offset, data.data))
        self._exchange.hold(len(data) + PIECE_BYTES)
        if not self._is_writing_elsewhere:
            self._write_elsewhere()

    def _write_elsewhere(self) -> None:
        pieces, self._gathered = self._gathered, []
        holds_bytes = sum(len(data) + PIECE_BYTES for _, data in pieces)
        self._exchange.let_go(holds_bytes)
        job = self.staging.deferred(pieces)
        self._is_writing_elsewhere = True
        try:
            self._exchange.elsewhere(job, self._on_written_elsewhere, holds_bytes=holds_bytes)
        except MayhemError:
            job()  # it must be run, and nobody else does
            raise

    def _on_written_elsewhere(self, count: int) -> None:
        self._is_writing_elsewhere = False
        if self._gathered:
            self._write_elsewhere()
        self._on_written(count)

    def _on_written(self, count: int) -> None:
        exchange = self._exchange
        exchange.connection.consume_body(exchange.request, count, now_ns=self._now_ns)
        if self.trailer is not None:
            self._check_when_complete()

    def _on_checkpoint(self, _nothing: None) -> None:
        self._is_checkpointing = False

    def on_trailer(self, trailer: Trailer) -> None:
        """The sender has sent everything; that is how much, and its SHA-256."""
        if self.trailer is not None or (self.size is not None and trailer.size != self.size):
            raise PeerError("the trailer does not fit what was announced", code=Code.SIZE_MISMATCH)
        self.trailer = trailer
        self._check_when_complete()

    def pump(self) -> None:
        """Let the hash follow what came out of order."""
        self.staging.hash_pump(HASH_ROUND_BYTES)

    def _check_when_complete(self) -> None:
        trailer = self.trailer
        if trailer is None or self._is_checking or not self.staging.is_complete(trailer.size):
            return
        self._is_checking = True
        self._exchange.elsewhere(self._finish, self._on_finished)

    def _finish(self) -> IntegrityError | None:
        assert self.trailer is not None, "checked before"
        try:
            self.staging.finish(self.trailer.sha256, self.trailer.size)
        except IntegrityError as error:
            return error
        return None

    def _on_finished(self, error: IntegrityError | None) -> None:
        assert self.trailer is not None, "checked before"
        if error is None:
            self._done(self.trailer.sha256)
            return
        self._rounds += 1
        if self._rounds > REPAIR_ROUNDS_MAX:
            self.staging.set_aside()
            raise IntegrityError(
                f"the file is still damaged after {REPAIR_ROUNDS_MAX} rounds of repair",
                remedy="what arrived was set aside for inspection, nothing was put in place",
            )
        self._exchange.elsewhere(self.staging.block_digests, self._say_digests)

    def _say_digests(self, digests: list[bytes]) -> None:
        self._is_repairing = True
        for first in range(0, max(len(digests), 1), DIGESTS_PER_MESSAGE):  # an empty file has an empty list
            self._exchange.say(Digests(first, tuple(digests[first : first + DIGESTS_PER_MESSAGE])))

    def on_repair(self, repair: Repair) -> None:
        """Bytes of a block that was found to be damaged."""
        is_inside = self.trailer is not None and repair.offset + len(repair.data) <= self.trailer.size
        if not self._is_repairing or not is_inside:
            raise PeerError("a repair is not expected here", code=Code.STATE_ILLEGAL)
        self.staging.rewrite(repair.offset, repair.data)

    def on_repaired(self) -> None:
        """That was all of them: check again."""
        if not self._is_repairing:
            raise PeerError("the end of a repair is not expected here", code=Code.STATE_ILLEGAL)
        self._is_checking = self._is_repairing = False
        self._check_when_complete()


class ReceivingExchange(Exchange):
    """A request whose body becomes a file, once it is known where that is to be.

    `receiver` is None until then. What comes before is kept, within the first credit.
    """

    def __init__(self, connection: Connection, workers: Workers, request: int) -> None:
        super().__init__(connection, workers, request)
        self.receiver: FileReceiver | None = None
        self._early: list[tuple[int, NDArray[uint8], int]] = []

    def receive(self, receiver: FileReceiver) -> None:
        """That is where it goes, what was kept first."""
        self.receiver = receiver
        early, self._early = self._early, []
        for offset, data, came_ns in early:
            self.let_go(len(data) + PIECE_BYTES)
            receiver.on_body(offset, data, now_ns=came_ns)

    def on_body(self, offset: int, data: NDArray[uint8], *, now_ns: int) -> None:
        """Bytes to their place, or kept."""
        if self.receiver is None:
            self._early.append((offset, data, now_ns))
            self.hold(len(data) + PIECE_BYTES)
        else:
            self.receiver.on_body(offset, data, now_ns=now_ns)
            self.wants_pump = self.receiver.staging.hash_is_behind

    def pump(self, *, now_ns: int) -> None:
        """Let the hash follow."""
        if self.receiver is not None:
            self.receiver.pump()
            self.wants_pump = self.receiver.staging.hash_is_behind
