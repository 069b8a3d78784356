"""CUBIC (RFC 9438), with HyStart++ (RFC 9406) to end slow start and pacing to keep bursts off the path.

Every loss counts as congestion, once a round trip: it is what TCP does, so it shares with TCP as TCP
does, and like TCP it starves where packets are lost by chance.
"""

from typing import Final

from mayhem_udp.transport.congestion.base import AckSample, Rates
from mayhem_udp.transport.congestion.bursts import quantum_bytes
from mayhem_udp.transport.congestion.hystart import HyStart
from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

C: Final = 0.4
"""Datagrams per cubic second (RFC 9438 section 5)."""
BETA: Final = 0.7
"""What is left of the window after a loss (section 4.6)."""
ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)
"""The growth in datagrams per round trip at which Reno with `BETA` would be as fast (section 4.3)."""
INITIAL_WINDOW_DATAGRAMS: Final = 10
"""RFC 9002 section 7.2."""
WINDOW_MIN_DATAGRAMS: Final = 2
"""RFC 9002 section 7.2."""
PACING_GAIN: Final = 1.25
"""RFC 9002 section 7.7."""
SLOW_START_PACING_GAIN: Final = 2.0
"""Slow start doubles the window in a round trip: pacing must not be what holds it."""
INITIAL_RTT_NS: Final = 100 * MS
"""Assumed for pacing before there is a sample."""
WINDOW_MIN_QUANTA: Final = 2
"""A window under two bursts would leave the path idle while one is acknowledged."""


class Cubic:
    """The controller; windows in bytes, as floats within."""

    def __init__(self, *, max_datagram_bytes: int, rates: Rates, now_ns: int) -> None:
        self._size = max_datagram_bytes
        self._rates = rates
        self._window = float(INITIAL_WINDOW_DATAGRAMS * max_datagram_bytes)
        self._threshold = float("inf")
        self._hystart = HyStart()
        self._window_max = 0.0
        self._k_s = 0.0
        self._epoch_ns: int | None = None
        self._reno_window = 0.0
        self._recovery_until_bytes = 0
        self._recovering = False
        self._limited = True
        self._rtt_ns = INITIAL_RTT_NS
        self._pacing_bps = 0
        self._quantum = 0
        self._pace()

    @property
    def window_bytes(self) -> int:
        """The congestion window."""
        return int(self._window)

    @property
    def pacing_rate_bps(self) -> int:
        """The window in a round trip, and a little more."""
        return self._pacing_bps

    @property
    def send_quantum_bytes(self) -> int:
        """About a millisecond's worth."""
        return self._quantum

    def on_sent(self, *, now_ns: int, sent_bytes: int, in_flight_bytes: int) -> None:
        """Note whether the window is what limits us: only then may it grow (RFC 9002 section 7.8)."""
        self._limited = in_flight_bytes + 2 * sent_bytes + 3 * self._size >= self._window
        if in_flight_bytes == 0:
            self._epoch_ns = None  # idle time is no time to grow in (RFC 9438 section 5.8)

    def on_ack(self, sample: AckSample) -> None:
        """Grow, or give way."""
        if sample.rtt_smoothed_ns:
            self._rtt_ns = sample.rtt_smoothed_ns
        if sample.lost_bytes and not self._recovering:
            self._on_congestion(sample)
        elif sample.acked_bytes and not self._recovering:
            self._grow(sample)
        elif sample.rate_prior_delivered_bytes >= self._recovery_until_bytes:
            self._recovering = False  # what was in flight at the loss has all been heard of
        self._pace()

    def on_app_limited(self, *, now_ns: int) -> None:
        """The window was not what limited us."""
        self._limited = False

    def on_persistent_congestion(self, *, now_ns: int) -> None:
        """Start again from the smallest window (RFC 9002 section 7.6.2)."""
        self._threshold = max(self._window * BETA, float(WINDOW_MIN_DATAGRAMS * self._size))
        self._window = float(WINDOW_MIN_DATAGRAMS * self._size)
        self._epoch_ns = None
        self._pace()

    def on_rate_cap(self, cap_bps: int) -> None:
        """The rate follows; the window only grows while it is what limits us."""
        self._rates = self._rates.with_cap(cap_bps)
        self._pace()

    def on_datagram_bytes(self, size: int) -> None:
        """Bounds in datagrams follow."""
        self._size = size
        self._pace()

    def snapshot(self) -> dict[str, float]:
        """For plots and logs."""
        return {
            "window_bytes": self._window,
            "pacing_rate_bps": self._pacing_bps,
            "threshold": self._threshold,
        }

    # --- Within ------------------------------------------------------------------------------------

    def _on_congestion(self, sample: AckSample) -> None:
        """One reaction to all losses of what is in flight now."""
        self._recovery_until_bytes = sample.delivered_bytes
        self._recovering = True
        # Fast convergence: a window that shrinks leaves room for those that grow (section 4.7).
        shrinking = self._window < self._window_max
        self._window_max = self._window * (1 + BETA) / 2 if shrinking else self._window
        self._window = max(self._window * BETA, float(WINDOW_MIN_DATAGRAMS * self._size))
        self._threshold = self._window
        self._epoch_ns = None

    def _grow(self, sample: AckSample) -> None:
        if not self._limited:
            return
        if self._window < self._threshold:
            self._window += self._hystart.growth_bytes(sample)
            if self._hystart.is_over:
                self._threshold = self._window
            return
        self._grow_cubic(sample)

    def _grow_cubic(self, sample: AckSample) -> None:
        """RFC 9438 sections 4.2 to 4.5, the growth of each ACK in proportion to what it acknowledges."""
        size = self._size
        if self._epoch_ns is None:
            self._epoch_ns = sample.now_ns
            self._reno_window = self._window
            deficit = max(self._window_max - self._window, 0.0) / size
            self._window_max = max(self._window_max, self._window)
            self._k_s = (deficit / C) ** (1 / 3)
        elapsed_s = (sample.now_ns - self._epoch_ns + self._rtt_ns) / SECOND
        target = self._window_max + C * (elapsed_s - self._k_s) ** 3 * size
        target = min(max(target, self._window), 1.5 * self._window)
        alpha = ALPHA if self._reno_window < self._window_max else 1.0
        self._reno_window += alpha * size * sample.acked_bytes / self._window
        cubic = self._window + (target - self._window) * sample.acked_bytes / self._window
        self._window = max(cubic, self._reno_window)

    def _pace(self) -> None:
        gain = SLOW_START_PACING_GAIN if self._window < self._threshold else PACING_GAIN
        rate = int(gain * self._window * BITS_PER_BYTE * SECOND / self._rtt_ns)
        self._pacing_bps = self._rates.capped(rate)
        self._quantum = quantum_bytes(self._pacing_bps, datagram_bytes=self._size)
        self._window = max(self._window, float(WINDOW_MIN_DATAGRAMS * self._size))
