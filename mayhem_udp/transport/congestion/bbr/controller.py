"""proto"""

from mayhem_udp.transport.congestion.bbr.constants import *
from mayhem_udp.transport.congestion.bbr.model import INFINITE, PathModel
from mayhem_udp.transport.congestion.bbr.phases import *


class Bbr:
    def __init__(self, *, max_datagram_bytes, rates, now_ns):
        self.model = m = PathModel(datagram_bytes=max_datagram_bytes, now_ns=now_ns)
        self.rates = rates
        self.crowded = False
        self.probe_round = 0
        self.window = float(INITIAL_WINDOW_DATAGRAMS * max_datagram_bytes)
        self.initial = self.window
        self.pacing = STARTUP_PACING_GAIN * self.window * SECOND / INITIAL_RTT_NS
        self.send_quantum_bytes = INITIAL_BURST_DATAGRAMS * max_datagram_bytes
        self.phase = Startup(m, None, self)
        self.log = None

    @property
    def window_bytes(self):
        return int(self.window)

    @property
    def pacing_rate_bps(self):
        return self.rates.capped(int(self.pacing * 8))

    def on_sent(self, *, now_ns, sent_bytes, in_flight_bytes):
        pass

    def on_app_limited(self, *, now_ns):
        pass

    def on_persistent_congestion(self, *, now_ns):
        if self.phase.name != "outage":
            self.phase = Outage(self.model, None, self)
            self.window = WINDOW_MIN_DATAGRAMS * self.model.datagram_bytes

    def on_datagram_bytes(self, size):
        self.model.datagram_bytes = size

    def on_ack(self, s):
        m = self.model
        m.update(s)
        if (
            m.queue.is_stale(now_ns=m.now_ns)
            and self.phase.name not in ("probe_rtt", "outage", "resume")
            and m.full_reached
        ):
            self.phase = ProbeRtt(m, s, self)
        k = self.phase.next(m, s)
        if k:
            self.phase = k(m, s, self)
            if self.log is not None:
                self.log.append(
                    (
                        m.now_ns / 1e9,
                        self.phase.name,
                        m.rate * 8 / 1e6,
                        m.queue.delay_ns / 1e6,
                        m.random_loss.share,
                    )
                )
        self.controls(s)

    def controls(self, s):
        m = self.model
        p = self.phase
        if not m.bandwidth.rate:
            return
        rate = p.pacing_gain * m.rate * PACING_MARGIN
        if m.full_reached or rate > self.pacing:
            self.pacing = rate
        r = self.pacing * 8
        if r < SLOW_BPS:
            q = m.datagram_bytes
        else:
            q = max(
                min(
                    self.pacing * QUANTUM_NS / SECOND,
                    FAST_QUANTUM_MAX_BYTES if r > FAST_BPS else QUANTUM_MAX_BYTES,
                ),
                2 * m.datagram_bytes,
            )
        self.send_quantum_bytes = m.quantum_bytes = int(q)
        target = max(
            p.window_gain * m.bdp_bytes + m.aggregation.extra_bytes,
            WINDOW_MIN_QUANTA * q,
            WINDOW_MIN_DATAGRAMS * m.datagram_bytes,
        )
        acked = s.acked_bytes / (1 - m.random_loss.share)
        if m.full_reached:
            self.window = min(self.window + acked, target)
        elif self.window < target or s.delivered_bytes < self.initial:
            self.window += acked
        cap = INFINITE
        if p.name in ("cruise", "probe_rtt"):
            cap = m.in_flight_with_headroom()
        elif p.name not in ("startup", "drain"):
            cap = m.in_flight_high
        cap = min(cap, m.in_flight_low)
        if p.name == "probe_rtt":
            cap = min(cap, max(m.bdp_bytes * PROBE_RTT_WINDOW_GAIN, WINDOW_MIN_QUANTA * q))
        self.window = max(min(self.window, cap), WINDOW_MIN_DATAGRAMS * m.datagram_bytes)

    def snapshot(self):
        m = self.model
        return dict(phase=self.phase.name, rate=m.rate, loss=m.random_loss.share, queue=m.queue.delay_ns)
