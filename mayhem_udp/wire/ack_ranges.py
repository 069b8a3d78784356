"""What an ACK says, as ranges: from its pairs of gap and length, and back.

The pairs are 16 bits wide each, so a longer distance takes several. Never keeps state.
"""

from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.wire.frames import Ack

_PAIR_MAX: Final = 0xFFFF


def pairs_of_ranges(ranges: list[tuple[int, int]]) -> tuple[int, ...]:
    """Half-open ranges, highest first, as alternating gap and length of at most 65,535 each."""
    pairs: list[int] = []
    position = ranges[0][1]
    for start, stop in ranges:
        gap, length = position - stop, stop - start
        while gap > _PAIR_MAX:
            pairs += (_PAIR_MAX, 0)
            gap -= _PAIR_MAX
        while length > _PAIR_MAX:
            pairs += (gap, _PAIR_MAX)
            gap, length = 0, length - _PAIR_MAX
        pairs += (gap, length)
        position = start
    return tuple(pairs)


def ranges_of_ack(ack: Ack) -> list[tuple[int, int]]:
    """The half-open ranges that an ACK names, highest first; raises `PeerError` below zero."""
    ranges: list[tuple[int, int]] = []
    position = ack.largest + 1
    pairs = ack.pairs
    for index in range(0, len(pairs), 2):
        stop = position - pairs[index]
        position = stop - pairs[index + 1]
        if position < 0:
            raise PeerError("an ACK names numbers below zero", code=Code.BAD_ACK)
        if stop > position:
            ranges.append((position, stop))
    return ranges
