"""The others on the link: TCP as it is out there, in the form that matters to whoever shares with it."""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.cubic import Cubic
from mayhem_udp.units import MS, SECOND


class TcpCubic(Cubic):
    """CUBIC as kernels have it: clocked by its ACKs, not paced."""

    @property
    def pacing_rate_bps(self) -> int:
        """No pacing."""
        return 10**12

    @property
    def send_quantum_bytes(self) -> int:
        """What an ACK lets go, the rest following it at once."""
        return 2 * self._size


class TcpBbr:
    """The first BBR, as Linux has it (tcp_bbr.c): deaf to loss, two bandwidth-delay products in flight."""

    GAINS = (1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)

    def __init__(self, *, max_datagram_bytes: int, now_ns: int) -> None:
        self._size = max_datagram_bytes
        self.window_bytes = 10 * max_datagram_bytes
        self.pacing_rate_bps = 10 * max_datagram_bytes * 8 * 1000 // 50
        self.send_quantum_bytes = 2 * max_datagram_bytes
        self.mode = "startup"
        self._samples: list[tuple[int, float]] = []
        self._rounds = self._round_ends_at = 0
        self._rtt_min_ns = self._rtt_min_seen_ns = 0
        self._full, self._full_count = 0.0, 0
        self._phase, self._phase_ns = 2, now_ns
        self._probe_rtt_until_ns = 0
        self._saved_bytes = 0

    def on_sent(self, *, now_ns: int, sent_bytes: int, in_flight_bytes: int) -> None:
        """Nothing to note."""

    def on_app_limited(self, *, now_ns: int) -> None:
        """Nothing to note."""

    def on_persistent_congestion(self, *, now_ns: int) -> None:
        """The window comes back with the ACKs."""
        self.window_bytes = 4 * self._size

    def on_datagram_bytes(self, size: int) -> None:
        """Sizes do not change here."""

    @property
    def _bandwidth(self) -> float:
        return max((rate for _, rate in self._samples), default=0.0)

    def on_ack(self, sample: AckSample) -> None:
        """bbr_main()."""
        round_start = sample.acked_bytes > 0 and sample.rate_prior_delivered_bytes >= self._round_ends_at
        if round_start:
            self._round_ends_at = sample.delivered_bytes
            self._rounds += 1
        if sample.rate_interval_ns:
            rate = sample.rate_delivered_bytes * SECOND / sample.rate_interval_ns
            self._samples = [(at, old) for at, old in self._samples if at > self._rounds - 10 and old > rate]
            self._samples.append((self._rounds, rate))
        expired = sample.now_ns - self._rtt_min_seen_ns > 10 * SECOND
        if sample.rtt_ns is not None and (
            not self._rtt_min_ns or sample.rtt_ns <= self._rtt_min_ns or expired
        ):
            self._rtt_min_ns, self._rtt_min_seen_ns = sample.rtt_ns, sample.now_ns
        if not self._bandwidth:
            return
        self._advance(sample, round_start=round_start, expired=expired)
        self._control(sample)

    def _advance(self, sample: AckSample, *, round_start: bool, expired: bool) -> None:
        now_ns = sample.now_ns
        bdp = self._bandwidth * self._rtt_min_ns / SECOND
        if self.mode == "startup" and round_start:
            if self._bandwidth >= self._full * 1.25:
                self._full, self._full_count = self._bandwidth, 0
            else:
                self._full_count += 1
            if self._full_count >= 3:
                self.mode = "drain"
        if self.mode == "drain" and sample.in_flight_bytes <= bdp:
            self.mode, self._phase, self._phase_ns = "probe", 2, now_ns
        if self.mode == "probe":
            gain, elapsed = self.GAINS[self._phase], now_ns - self._phase_ns > self._rtt_min_ns
            if gain > 1:
                elapsed = elapsed and (sample.lost_bytes > 0 or sample.prior_in_flight_bytes >= 1.25 * bdp)
            if gain < 1:
                elapsed = elapsed or sample.prior_in_flight_bytes <= bdp
            if elapsed:
                self._phase, self._phase_ns = (self._phase + 1) % 8, now_ns
        if expired and self.mode == "probe":
            self.mode, self._probe_rtt_until_ns = "probe_rtt", 0
            self._saved_bytes = self.window_bytes
        if self.mode == "probe_rtt":
            if not self._probe_rtt_until_ns and sample.in_flight_bytes <= 5 * self._size:
                self._probe_rtt_until_ns = now_ns + 200 * MS + self._rtt_min_ns
            elif self._probe_rtt_until_ns and now_ns > self._probe_rtt_until_ns:
                self._rtt_min_seen_ns = now_ns
                self.window_bytes = max(self.window_bytes, self._saved_bytes)  # bbr_restore_cwnd()
                self.mode, self._phase, self._phase_ns = "probe", 2, now_ns

    def _control(self, sample: AckSample) -> None:
        pacing, window = {"startup": (2.89, 2.89), "drain": (1 / 2.89, 2.89), "probe_rtt": (1.0, 0.0)}.get(
            self.mode, (self.GAINS[self._phase], 2.0)
        )
        rate = int(pacing * self._bandwidth * 8 * 0.99)
        if self.mode != "startup" or rate > self.pacing_rate_bps:
            self.pacing_rate_bps = max(rate, 1)
        target = int(window * self._bandwidth * self._rtt_min_ns / SECOND) + 3 * self.send_quantum_bytes
        self.window_bytes = min(self.window_bytes + sample.acked_bytes, max(target, 4 * self._size))
        if self.mode == "probe_rtt":
            self.window_bytes = 4 * self._size
        self.send_quantum_bytes = max(self.pacing_rate_bps // 8000, 2 * self._size)
