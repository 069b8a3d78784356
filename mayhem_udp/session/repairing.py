"""The sending end of repair: the blocks that the receiver has otherwise, sent once more.

Owns how far it has got: a few blocks are compared elsewhere, those that differ are sent, then come the next.
So what is remembered is the receiver's digests and a place, however large the file and however much of it
is said to be wrong. Never decides whether a file is right: its SHA-256 does.
"""

from typing import Final

import xxhash

from mayhem_udp.errors import Code, IntegrityError, PeerError
from mayhem_udp.limits import BLOCK_BYTES, REPAIR_ROUNDS_MAX
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.store.source import Source
from mayhem_udp.units import KIB
from mayhem_udp.wire.messages import Digests, Repair, Repaired

REPAIR_PIECE_BYTES: Final = 16 * KIB
REPAIR_QUEUE_BYTES: Final = 96 * KIB
"""Repairs wait while more than this is unacknowledged."""
COMPARED_AT_ONCE: Final = 16
"""Blocks that one job compares: others want the thread, too."""
DIGEST_BYTES: Final = 16


class Repairer:
    """Mends what was sent of one source, so and so many bytes, whenever the receiver finds it damaged."""

    def __init__(self, exchange: Exchange, source: Source, *, size: int) -> None:
        self._exchange = exchange
        self._source = source
        self._size = size
        self._blocks = -(-size // BLOCK_BYTES)
        self._theirs = bytearray()
        self._rounds = 0
        self._is_mending = False
        self._is_waiting = False
        """Whether a job is under way."""
        self._compared = 0
        """Blocks that have been."""
        self._bad: list[int] = []
        """Those of the last comparison that are to be sent, the next one last."""
        self._offset = self._stop = 0
        """What is left of the block that is being sent."""
        self._repaired = 0

    def on_digests(self, message: Digests) -> None:
        """The receiver's digests, because what it has is not what was sent; an empty one ends the list."""
        if self._is_mending or message.first_block * DIGEST_BYTES != len(self._theirs):
            raise PeerError("block digests are not expected here", code=Code.STATE_ILLEGAL)
        if message.first_block + len(message.digests) > self._blocks:
            raise PeerError("more block digests than the file has blocks", code=Code.SIZE_MISMATCH)
        self._theirs += b"".join(message.digests)
        self._exchange.hold(len(message.digests) * DIGEST_BYTES)
        if len(self._theirs) == self._blocks * DIGEST_BYTES:
            self._begin()

    def _begin(self) -> None:
        self._rounds += 1
        if self._rounds > REPAIR_ROUNDS_MAX:
            raise IntegrityError("the file was damaged again and again")
        self._source.looks_unchanged(sent_bytes=self._size)  # in doubt, the SHA-256 that was told decides
        self._is_mending = True
        self._compared = self._repaired = 0
        self._exchange.wants_pump = True

    @property
    def has_work(self) -> bool:
        """Whether `pump` could go on at once."""
        exchange = self._exchange
        queued_bytes = exchange.connection.queued_message_bytes(exchange.request)
        return self._is_mending and not self._is_waiting and queued_bytes < REPAIR_QUEUE_BYTES

    def pump(self) -> None:
        """Go on until something has to be waited for."""
        while self.has_work:
            if self._offset < self._stop:
                self._send_piece()
            elif self._bad:
                self._offset = self._bad.pop() * BLOCK_BYTES
                self._stop = min(self._offset + BLOCK_BYTES, self._size)
            elif self._compared < self._blocks:
                self._compare()
            else:
                self._end()

    def _end(self) -> None:
        self._is_mending = False
        self._exchange.let_go(len(self._theirs))
        self._theirs.clear()
        self._exchange.say(Repaired(self._repaired))

    # --- Comparing -----------------------------------------------------------------------------------

    def _compare(self) -> None:
        self._exchange.elsewhere(self._find_bad, self._take_bad, holds_bytes=BLOCK_BYTES)
        self._is_waiting = True

    def _find_bad(self) -> list[int]:
        stop = min(self._compared + COMPARED_AT_ONCE, self._blocks)
        return [index for index in range(self._compared, stop) if self._differs(index)]

    def _differs(self, index: int) -> bool:
        start = index * BLOCK_BYTES
        block = self._source.read_blocking(start, min(BLOCK_BYTES, self._size - start))
        theirs = self._theirs[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]
        return xxhash.xxh3_128_digest(block) != theirs

    def _take_bad(self, bad: list[int]) -> None:
        self._is_waiting = False
        self._compared = min(self._compared + COMPARED_AT_ONCE, self._blocks)
        self._repaired += len(bad)
        self._bad = bad[::-1]
        self._exchange.wants_pump = True

    # --- Sending -------------------------------------------------------------------------------------

    def _send_piece(self) -> None:
        offset = self._offset
        want = min(self._stop - offset, REPAIR_PIECE_BYTES)
        block = self._source.read(offset, want)
        if block is not None:
            self._take_piece(block)
            return

        def back(block: bytes | memoryview) -> None:
            self._is_waiting = False
            self._take_piece(block)
            self._exchange.wants_pump = True

        self._exchange.elsewhere(lambda: self._source.read_blocking(offset, want), back, holds_bytes=want)
        self._is_waiting = True

    def _take_piece(self, block: bytes | memoryview) -> None:
        self._exchange.say(Repair(self._offset, bytes(block)))
        self._offset += len(block)
