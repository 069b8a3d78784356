"""HyStart++ (RFC 9406): slow start ends when the round trip grows, before anything is lost.

Owns the rounds of slow start and of conservative slow start. Never holds the window.
"""

from typing import Final

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.units import MS

RTT_THRESHOLD_MIN_NS: Final = 4 * MS
RTT_THRESHOLD_MAX_NS: Final = 16 * MS
RTT_DIVISOR: Final = 8
SAMPLES: Final = 8
CONSERVATIVE_DIVISOR: Final = 4
CONSERVATIVE_ROUNDS: Final = 5
"""All: RFC 9406 section 4.3."""


class HyStart:
    """Whether the window may double, and when that is over."""

    __slots__ = (
        "_baseline_ns",
        "_conservative_rounds",
        "_last_ns",
        "_now_ns",
        "_round_ends_at",
        "_samples",
        "is_over",
    )

    def __init__(self) -> None:
        self.is_over = False
        """Slow start has found its end."""
        self._round_ends_at = 0
        self._samples = 0
        self._last_ns = 0
        self._now_ns = 0
        self._baseline_ns = 0
        self._conservative_rounds = 0

    def growth_bytes(self, sample: AckSample) -> float:
        """By how much the window grows with this ACK."""
        if sample.rate_prior_delivered_bytes >= self._round_ends_at:
            self._start_round(sample.delivered_bytes)
        if sample.rtt_ns is not None:
            self._now_ns = min(self._now_ns or sample.rtt_ns, sample.rtt_ns)
            self._samples += 1
        if self._samples >= SAMPLES and self._last_ns:
            self._judge()
        return sample.acked_bytes / CONSERVATIVE_DIVISOR if self._baseline_ns else sample.acked_bytes

    def _start_round(self, delivered_bytes: int) -> None:
        self._round_ends_at = delivered_bytes
        self._last_ns, self._now_ns, self._samples = self._now_ns, 0, 0
        if self._baseline_ns:
            self._conservative_rounds += 1
            self.is_over = self._conservative_rounds > CONSERVATIVE_ROUNDS

    def _judge(self) -> None:
        if self._baseline_ns:
            if self._now_ns < self._baseline_ns:  # it was no queue: go on doubling
                self._baseline_ns = 0
                self._conservative_rounds = 0
            return
        threshold_ns = min(max(self._last_ns // RTT_DIVISOR, RTT_THRESHOLD_MIN_NS), RTT_THRESHOLD_MAX_NS)
        if self._now_ns >= self._last_ns + threshold_ns:
            self._baseline_ns = self._now_ns
