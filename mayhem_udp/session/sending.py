"""The sending end of a file's way: read, hash, supply; then say size and SHA-256; then repair.

Reads a file as it is sent, once, so that the SHA-256 is of the very bytes that were sent. What the
receiver has already is read for the hash and not sent. Never decides when a datagram goes out.
"""

from hashlib import sha256
from typing import Final

import xxhash

from mayhem_udp.errors import Code, IntegrityError, PeerError
from mayhem_udp.limits import BLOCK_BYTES, REPAIR_ROUNDS_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.store.source import Source
from mayhem_udp.units import KIB
from mayhem_udp.wire.messages import SIZE_UNKNOWN, Digests, Repair, Repaired, Trailer

READ_MIN_BYTES: Final = 64 * KIB
"""With less room than this in the send buffer, reading waits."""
READ_ROUND_BYTES: Final = 4 * BLOCK_BYTES
"""The most that one pump reads: the loop has others to serve."""
REPAIR_PIECE_BYTES: Final = 16 * KIB
REPAIR_QUEUE_BYTES: Final = 96 * KIB
"""Repairs wait while more than this is unacknowledged."""


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
        self._rounds = 0
        self._theirs: list[bytes] = []
        self._repairs: list[int] = []
        self._repaired = 0

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

    @property
    def has_work(self) -> bool:
        """Whether `pump` could go on at once."""
        if self._repairs:
            return self._may_repair
        return not self._is_reading and not self.is_sent and self._room() > 0

    def pump(self) -> None:
        """Read on while the send buffer has room, a bounded piece at a time."""
        if self._repairs:
            self._send_repairs()
        budget = READ_ROUND_BYTES
        while not self.is_sent and not self._is_reading and budget > 0:
            if self.offset == self.size:
                self._complete()
                return
            want = self._want()
            if want <= 0:
                return
            block = self.source.read(self.offset, want)
            if block is None:
                self._read_elsewhere(want)
                return
            self._take(block)
            budget -= len(block)

    def _room(self) -> int:
        skipped = self._skip.stop_of(self.offset)
        if skipped > self.offset:
            return skipped - self.offset
        room = self._exchange.connection.body_room_bytes(self._exchange.request)
        left = READ_MIN_BYTES if self.size is None else min(self.size - self.offset, READ_MIN_BYTES)
        return room if room >= left else 0

    def _want(self) -> int:
        to_boundary = BLOCK_BYTES - self.offset % BLOCK_BYTES
        room = self._room()
        # Half of it a time: a block is let go when all of it has arrived, and others go on meanwhile.
        want = min(max(room // 2, READ_MIN_BYTES), room, to_boundary)
        for start, _stop in self._skip.overlap(self.offset, self.offset + want):
            if start > self.offset:
                want = start - self.offset
            break
        return want if self.size is None else min(want, self.size - self.offset)

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
        if self._skip.stop_of(self.offset) <= self.offset:
            self._exchange.connection.supply_body(self._exchange.request, self.offset, block)
        self.offset += len(block)

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
        self._exchange.say(Trailer(self.offset, self.sha256.digest()))

    # --- Repair --------------------------------------------------------------------------------------

    def on_digests(self, message: Digests) -> None:
        """The receiver's digests, because what it has is not what was sent; an empty one ends the list."""
        if not self.is_sent or message.first_block != len(self._theirs):
            raise PeerError("block digests are not expected here", code=Code.STATE_ILLEGAL)
        blocks = -(-self.offset // BLOCK_BYTES)
        if len(self._theirs) + len(message.digests) > blocks:
            raise PeerError("more block digests than the file has blocks", code=Code.SIZE_MISMATCH)
        self._theirs += message.digests
        if len(self._theirs) == blocks:
            self._rounds += 1
            if self._rounds > REPAIR_ROUNDS_MAX:
                raise IntegrityError("the file was damaged again and again")
            theirs, self._theirs = self._theirs, []
            self._exchange.elsewhere(lambda: self._find_bad(theirs), self._start_repair)

    def _find_bad(self, theirs: list[bytes]) -> list[int]:
        bad = []
        for index, digest in enumerate(theirs):
            start = index * BLOCK_BYTES
            block = self.source.read_blocking(start, min(BLOCK_BYTES, self.offset - start))
            if xxhash.xxh3_128_digest(block) != digest:
                bad.append(index)
        return bad

    def _start_repair(self, bad: list[int]) -> None:
        self.source.looks_unchanged(sent_bytes=self.offset)  # in doubt, the SHA-256 that was told decides
        self._repaired = len(bad)
        self._repairs = [
            offset
            for index in bad
            for offset in range(
                index * BLOCK_BYTES, min((index + 1) * BLOCK_BYTES, self.offset), REPAIR_PIECE_BYTES
            )
        ]
        self._exchange.wants_pump = True
        if not bad:
            self._exchange.say(Repaired(0))

    @property
    def _may_repair(self) -> bool:
        exchange = self._exchange
        return exchange.connection.queued_message_bytes(exchange.request) < REPAIR_QUEUE_BYTES

    def _send_repairs(self) -> None:
        exchange = self._exchange
        while self._repairs and self._may_repair:
            offset = self._repairs.pop(0)
            stop = min(offset + REPAIR_PIECE_BYTES, self.offset, (offset // BLOCK_BYTES + 1) * BLOCK_BYTES)
            block = self.source.read_blocking(offset, stop - offset)
            exchange.say(Repair(offset, bytes(block)))
        if not self._repairs:
            exchange.say(Repaired(self._repaired))


def announced_size(source: Source) -> int:
    """The size to put into a request."""
    return SIZE_UNKNOWN if source.size is None else source.size
