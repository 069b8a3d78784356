"""How large a burst may be at a rate.

Small ones keep queues short, large ones spare the processor; a millisecond's worth is both, as
draft-ietf-ccwg-bbr section 5.6.3 has it. Shared by all controllers; never paces (`pacing` does).
"""

from typing import Final

from mayhem_udp.units import BITS_PER_BYTE, KIB

BURSTS_PER_SECOND: Final = 1_000
LARGE_BYTES: Final = 64 * KIB
"""The most that segmentation offload takes in one call."""
FAST_BPS: Final = 2_000_000_000
HUGE_BYTES: Final = 512 * KIB
"""At more than `FAST_BPS` the cost of a burst counts, and no queue of a real link is this fast."""
SLOW_BPS: Final = 1_200_000
"""Slower than this one datagram at a time, else at least two (Linux tcp_bbr.c)."""


def quantum_bytes(rate_bps: int, *, datagram_bytes: int) -> int:
    """Bytes that may leave at once when pacing at `rate_bps`."""
    if rate_bps < SLOW_BPS:
        return datagram_bytes
    largest = HUGE_BYTES if rate_bps > FAST_BPS else LARGE_BYTES
    return max(min(rate_bps // (BITS_PER_BYTE * BURSTS_PER_SECOND), largest), 2 * datagram_bytes)
