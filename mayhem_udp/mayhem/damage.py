"""What corruption does to a datagram's bytes.

Owns bit flips, truncation and garbage. What comes out is never what went in.
Never decides which datagram is hit: that is `verdicts`.
"""

from typing import Final

from mayhem_udp.mayhem.faults import Damage
from mayhem_udp.mayhem.schedule import Purpose, Schedule, mix

FLIPS_MAX: Final = 8
"""CRC32 is certain to notice three flipped bits at these lengths, beyond that it is a matter of chance."""
WORD_BYTES: Final = 8


def damaged(
    datagram: bytes, *, schedule: Schedule, number: int, weights: tuple[float, float, float]
) -> bytes:
    """The bytes of datagram `number` after corruption, different from the original in any case."""
    if not datagram:
        return b"\xff"  # nothing to flip or cut: noise where nothing was
    place = schedule.word(Purpose.DAMAGE_PLACE, number)
    match _kind(schedule.word(Purpose.DAMAGE_KIND, number), weights):
        case Damage.FLIP:
            return _flipped(datagram, place)
        case Damage.TRUNCATE:
            return datagram[: (place * len(datagram)) >> 64]
        case Damage.GARBAGE:
            return _overwritten(datagram, place, noise=schedule.word(Purpose.DAMAGE_NOISE, number))


def _kind(word: int, weights: tuple[float, float, float]) -> Damage:
    level = word / 2**64 * sum(weights)
    if level < weights[Damage.FLIP.value]:
        return Damage.FLIP
    if (
        level < weights[Damage.FLIP.value] + weights[Damage.TRUNCATE.value]
        or not weights[Damage.GARBAGE.value]
    ):
        return Damage.TRUNCATE
    return Damage.GARBAGE


def _flipped(datagram: bytes, place: int) -> bytes:
    """One to `FLIPS_MAX` bits flipped, all different, fewer more often."""
    bits = len(datagram) * 8
    count = min(1 + (place & (FLIPS_MAX - 1) & (place >> 3)), bits)
    chosen: set[int] = set()
    while len(chosen) < count:
        place = mix(place)
        chosen.add((place * bits) >> 64)
    result = bytearray(datagram)
    for bit in chosen:
        result[bit >> 3] ^= 1 << (bit & 7)
    return bytes(result)


def _overwritten(datagram: bytes, place: int, *, noise: int) -> bytes:
    """A stretch of one byte up to all of them, replaced by noise."""
    start = (place * len(datagram)) >> 64
    length = 1 + ((mix(place) * (len(datagram) - start)) >> 64)
    words = bytearray()
    while len(words) < length:
        noise = mix(noise + 1)
        words += noise.to_bytes(WORD_BYTES, "little")
    garbage = bytes(words[:length])
    if garbage == datagram[start : start + length]:
        garbage = bytes((garbage[0] ^ 1,)) + garbage[1:]
    return datagram[:start] + garbage + datagram[start + length :]
