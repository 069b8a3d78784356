"""The datagram size that the path takes: RFC 8899 (DPLPMTUD).

Owns the search: from the base that every path must carry upward, the ceiling first (it mostly fits),
then by halving a list of sizes that occur in practice. Losses of probes are no sign of congestion.
A path that stops carrying its size (a black hole) falls back to the base and searches anew.
Never sends: `outbound` asks for the size of the next probe.
"""

from typing import Final

from mayhem_udp.limits import DATAGRAM_MAX_BYTES, DATAGRAM_MIN_BYTES
from mayhem_udp.transport.loss import PERSISTENT_PROBES
from mayhem_udp.units import MINUTE, MS

PROBES_MAX: Final = 5
"""Losses of one size before it counts as too large; RFC 8899 section 5.1.2 says 3, but we work where a
third of everything is lost."""
RAISE_NS: Final = 10 * MINUTE
"""When to look for a larger size again (RFC 8899 section 5.1.1, PMTU_RAISE_TIMER)."""
BLACK_HOLE_PROBES: Final = PERSISTENT_PROBES
"""So many probes in a row with a size above the base, and the size is suspected, as the path itself is."""
SWALLOWED_MIN: Final = 8
"""So many datagrams above the base have to be lost, over `SWALLOWED_TIMEOUTS`, with none of them arriving, while
smaller ones do: at 50 % random loss that happens by chance once in 256 times, and costs a new search."""
SWALLOWED_TIMEOUTS: Final = 7
"""As long as the three timeouts of persistent congestion (RFC 9002 section 7.6.1)."""
CHEAP_BYTES: Final = 1_472
"""What Ethernet carries is tried on every path ..."""
DEAR_NS: Final = 25 * MS
"""... and more only where it takes no longer than this at the fastest that the path has delivered: 64 KB hold up a modem's
line for 15 seconds, and what waits behind them counts as lost."""
PLATEAUS: Final = (
    *(1_232, 1_252, 1_292, 1_332, 1_372, 1_392, 1_412, 1_432, 1_444, 1_452, 1_464, 1_472),
    *(1_972, 2_972, 4_322, 8_152, 8_952, 8_972, 16_332, 32_716, 65_487),
)
"""UDP payloads of common links: tunnels, PPPoE, Ethernet, FDDI, jumbo frames, loopback."""


class PathMtu:
    """The search for one path; sizes are UDP payloads."""

    __slots__ = (
        "_arrived_ns",
        "_candidates",
        "_losses",
        "_probe_bytes",
        "_raise_ns",
        "_swallowed",
        "_swallowed_ns",
        "current_bytes",
    )

    def __init__(self, *, ceiling_bytes: int) -> None:
        self.current_bytes = DATAGRAM_MIN_BYTES
        self._candidates: list[int] = []
        self._losses = 0
        self._probe_bytes = 0
        self._raise_ns = 0
        self._arrived_ns = -1  # when the last one above the base was sent that has arrived
        self._swallowed = 0  # those lost that were sent after it,
        self._swallowed_ns = 0  # the first of them at that time
        self.search(ceiling_bytes=ceiling_bytes)

    def search(self, *, ceiling_bytes: int) -> None:
        """Start looking, with the current size known to fit and nothing above `ceiling_bytes` to try."""
        inner = [size for size in PLATEAUS if self.current_bytes < size < ceiling_bytes]
        self._candidates = [*inner, ceiling_bytes] if ceiling_bytes > self.current_bytes else []
        self._losses = 0
        self._probe_bytes = self._candidates[-1] if self._candidates else 0

    def wanted_probe_bytes(self, *, limit_bytes: int = DATAGRAM_MAX_BYTES) -> int:
        """The size to try next; 0 when the search is over, or nothing within the limit is left to try."""
        if self._probe_bytes > limit_bytes:
            within = [size for size in self._candidates if size <= limit_bytes]
            if not within:
                return 0
            self._losses = 0
            self._probe_bytes = within[-1]
        return self._probe_bytes

    def on_acked(self, size: int) -> None:
        """A probe of `size` arrived."""
        if size > self.current_bytes:
            self.current_bytes = size
            self._candidates = [each for each in self._candidates if each > size]
            self._next_candidate()

    def on_lost(self, size: int) -> None:
        """A probe of `size` was lost."""
        if size != self._probe_bytes:
            return
        self._losses += 1
        if self._losses >= PROBES_MAX:
            self.on_too_large(size)

    def on_too_large(self, size: int) -> None:
        """`size` does not fit, for certain."""
        self._candidates = [each for each in self._candidates if each < size]
        self._next_candidate()

    def on_black_hole(self, *, ceiling_bytes: int) -> None:
        """Full-sized datagrams no longer arrive: back to the base."""
        self.current_bytes = DATAGRAM_MIN_BYTES
        self._swallowed = 0
        self.search(ceiling_bytes=ceiling_bytes)

    def on_arrived(self, size: int, *, sent_ns: int) -> None:
        """A datagram of this size has arrived."""
        if size > DATAGRAM_MIN_BYTES and sent_ns >= self._arrived_ns:
            self._arrived_ns = sent_ns
            self._swallowed = 0

    def on_swallowed(self, size: int, count: int, *, sent_ns: int, timeout_ns: int) -> bool:
        """So many of this size were lost, since later ones arrived; True where it looks as if none above the base came through.

        The probe timeout, `timeout_ns`, sees no such hole while smaller datagrams are answered (RFC 8899 section 4.3).
        """
        if size <= DATAGRAM_MIN_BYTES or sent_ns <= self._arrived_ns:
            return False
        if not self._swallowed:
            self._swallowed_ns = sent_ns
        self._swallowed += count
        is_long = sent_ns - self._swallowed_ns > SWALLOWED_TIMEOUTS * timeout_ns
        return is_long and self._swallowed >= SWALLOWED_MIN

    def raise_due(self, *, now_ns: int) -> bool:
        """Whether it is time to look for a larger size again."""
        if self._raise_ns == 0 or self._probe_bytes:
            self._raise_ns = now_ns + RAISE_NS
            return False
        return now_ns >= self._raise_ns

    def _next_candidate(self) -> None:
        self._losses = 0
        self._probe_bytes = self._candidates[len(self._candidates) // 2] if self._candidates else 0
