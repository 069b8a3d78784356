"""The sending end of a file's way: read, hash, supply; then say size and SHA-256.

Reads a file as it is sent, once, so that the SHA-256 is of the very bytes that were sent. What the
receiver has already is read for the hash and not sent. Never decides when a datagram goes out.
"""

from hashlib import sha256
from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import BLOCK_BYTES
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.session.repairing import Repairer
from mayhem_udp.store.source import Source, feed
from mayhem_udp.transport.streams.bodies import BodySend
from mayhem_udp.units import KIB
from mayhem_udp.wire.messages import SIZE_UNKNOWN, Digests, Trailer

READ_MIN_BYTES: Final = 64 * KIB
"""With less room than this in the send buffer, reading waits."""
READ_ROUND_BYTES: Final = BLOCK_BYTES
"""The most that one pump reads: the loop has others to serve."""
SKIP_ROUND_BYTES: Final = 8 * BLOCK_BYTES
"""The most that one job hashes of what is not sent: the workers have others to serve."""


class FileSender:
    """Sends one file as the body of a request."""

    def __init__(self, exchange: Exchange, source: Source) -> None:
        self._exchange = exchange
        self.source = source
        self.sha256 = sha256()
        self.offset = 0
        """How far the file has been read and hashed."""
        self.is_sent = False
        """Whether the trailer has been sent."""
        self._skip = RangeSet()
        self._is_reading = False
        self._repairer: Repairer | None = None
        self._body: BodySend | None = None

    @property
    def acked_bytes(self) -> int:
        """How much of it the peer has; of a request that was cut, how much it had."""
        return self._body.acked_bytes if self._body is not None else 0

    @property
    def size(self) -> int | None:
        """The size of the file; None while it is not known."""
        return self.source.size

    def skip(self, have: tuple[tuple[int, int], ...]) -> None:
        """The receiver has these ranges already."""
        for start, stop in have:
            if self.size is None or not 0 <= start < stop <= self.size:
                raise PeerError(
                    "the receiver claims bytes that the file does not have", code=Code.SIZE_MISMATCH
                )
            self._skip.add(start, stop)
            self._exchange.connection.skip_body(self._exchange.request, start, stop)
        if have:
            self._look_at_body()

    def pump(self) -> bool:
        """Read on while the send buffer has room, a bounded piece at a time; True where it could go on at once."""
        if self._repairer is not None:
            self._repairer.pump()
        budget = READ_ROUND_BYTES
        while not self.is_sent and not self._is_reading:
            if self.offset == self.size:
                self._complete()
                break
            skipped = self._skip.stop_of(self.offset)
            if skipped > self.offset:
                self._hash_elsewhere(min(skipped, self.offset + SKIP_ROUND_BYTES))
                break
            want = self._want()
            if want <= 0:
                break
            if want > budget:
                return True
            block = self.source.read(self.offset, want)
            if block is None:
                self._read_elsewhere(want)
                break
            self._take(block)
            budget -= len(block)
        return False

    def _room(self) -> int:
        room = self._exchange.connection.body_room_bytes(self._exchange.request)
        left = READ_MIN_BYTES if self.size is None else min(self.size - self.offset, READ_MIN_BYTES)
        return room if room >= left else 0

    def _want(self) -> int:
        room = self._room()
        # Half of it a time: a block is let go when all of it has arrived, and others go on meanwhile.
        want = min(max(room // 2, READ_MIN_BYTES), room, BLOCK_BYTES)
        chunk = self._exchange.connection.chunk_bytes
        want -= want % chunk if want > chunk else 0  # so that no datagram is short but the last of all
        for start, _stop in self._skip.overlap(self.offset, self.offset + want):
            if start > self.offset:
                want = start - self.offset
            break
        return want if self.size is None else min(want, self.size - self.offset)

    def _hash_elsewhere(self, stop: int) -> None:
        """Hash what is not sent, by a worker: neither window nor credit bounds it.

        In the loop a peer that has all already could make it hash any amount of bytes with a few of its own.
        """
        self._is_reading = True
        start = self.offset

        def back(_nothing: object) -> None:
            self._is_reading = False
            self.offset = stop
            self._exchange.wants_pump = True

        self._exchange.elsewhere(lambda: feed(self.source, self.sha256.update, start, stop), back)

    def _read_elsewhere(self, want: int) -> None:
        self._is_reading = True
        offset = self.offset

        def back(block: bytes) -> None:
            self._is_reading = False
            self._take(block)
            self._exchange.wants_pump = True

        self._exchange.elsewhere(lambda: self.source.read_blocking(offset, want), back, holds_bytes=want)

    def _take(self, block: bytes | memoryview) -> None:
        if len(block) == 0:
            self._complete()
            return
        self.sha256.update(block)
        if not self._skip.covers(self.offset, self.offset + len(block)):
            self._exchange.connection.supply_body(self._exchange.request, self.offset, block)
            if self._body is None:
                self._look_at_body()
        self.offset += len(block)

    def _look_at_body(self) -> None:
        """Note it while the connection knows it: it forgets a request that has ended."""
        self._body = self._exchange.connection.body_sent(self._exchange.request)

    def _complete(self) -> None:
        if self.source.looks_unchanged(sent_bytes=self.offset):
            self._say_trailer()
            return
        self._is_reading = True
        digest = self.sha256.digest()
        self._exchange.elsewhere(
            lambda: self.source.check_unchanged(sent_bytes=self.offset, digest=digest),
            lambda _nothing: self._say_trailer(),
        )

    def _say_trailer(self) -> None:
        self._is_reading = False
        self.is_sent = True
        self._repairer = Repairer(self._exchange, self.source, size=self.offset)
        self._exchange.say(Trailer(self.offset, self.sha256.digest()))

    def on_digests(self, message: Digests) -> None:
        """The receiver's digests, because what it has is not what was sent."""
        if self._repairer is None:
            raise PeerError("block digests are not expected here", code=Code.STATE_ILLEGAL)
        self._repairer.on_digests(message)


def announced_size(source: Source) -> int:
    """The size to put into a request."""
    return SIZE_UNKNOWN if source.size is None else source.size
