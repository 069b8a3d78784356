"""prototype of all phases"""

from mayhem_udp.transport.congestion.bbr.constants import *
from mayhem_udp.transport.congestion.bbr.model import INFINITE


class Phase:
    name = "?"
    pacing_gain = 1.0
    window_gain = WINDOW_GAIN
    probing = False

    def __init__(self, m, s, bbr):
        self.start_ns = m.now_ns
        self.start_round = m.rounds
        self.bbr = bbr

    def rounds_in(self, m):
        return m.rounds - self.start_round

    def next(self, m, s):
        return None


class Startup(Phase):
    name = "startup"
    pacing_gain = STARTUP_PACING_GAIN
    probing = True

    def __init__(self, m, s, bbr):
        super().__init__(m, s, bbr)
        self.best = 0.0
        self.base = 0.0
        self.flat = 0

    def next(self, m, s):
        if s.rate_interval_ns and s.rate_interval_ns >= m.queue.rtt_min_ns:
            self.best = max(self.best, s.rate_delivered_bytes * 1e9 / s.rate_interval_ns)
        if m.round_start and not m.app_limited:
            if self.best >= self.base * FULL_GROWTH:
                self.base = self.best
                self.flat = 0
            else:
                self.flat += 1
            if self.flat >= FULL_ROUNDS or (self.flat >= 1 and m.queue.stands):
                m.full_reached = True
                return Drain
        if (
            m.queue.recent_ns > m.queue.rtt_min_ns / 4 + m.queue.spread_ns + m.queue.allowed_ns
            and m.rounds > 1
        ):
            m.full_reached = True
            return Drain


class Drain(Phase):
    name = "drain"
    pacing_gain = DRAIN_PACING_GAIN

    def next(self, m, s):
        if (
            s.in_flight_bytes <= m.bdp_bytes
            or m.rounds - self.start_round > 3
            or (s.rtt_ns and m.queue.latest_ns <= m.queue.allowed_ns // 2 and self.rounds_in(m) >= 1)
        ):
            m.probed_ns = m.now_ns
            return Cruise


class Down(Phase):
    name = "down"
    pacing_gain = DOWN_PACING_GAIN

    def next(self, m, s):
        n = self.rounds_in(m)
        if m.round_start and n == 1 and not m.app_limited:
            m.bandwidth.advance()
        if m.epoch_end and m.has_congestive_loss:
            m.lower_short_term(self.bbr.window_bytes)
        if n >= 1 and (
            m.queue.latest_ns <= m.queue.allowed_ns // 2 or s.in_flight_bytes <= m.bdp_bytes or n >= 4
        ):
            return Cruise


class Cruise(Phase):
    name = "cruise"

    def next(self, m, s):
        wait = PROBE_WAIT_NS + (m.probed_ns >> 10) % (PROBE_WAIT_NS // 4)
        if (
            m.now_ns - m.probed_ns > wait
            and self.rounds_in(m) >= 1
            and m.rounds - self.bbr.probe_round >= PROBE_WAIT_ROUNDS
        ):
            return Refill
        if m.epoch_end and not m.app_limited:
            if m.has_congestive_loss:
                m.lower_short_term(self.bbr.window_bytes)
            crowded = m.queue.stands and m.now_ns - m.queue.stands_since_ns > max(
                750 * MS, 10 * m.queue.rtt_min_ns
            )
            self.bbr.crowded = crowded
            if m.queue.stands and self.rounds_in(m) >= 1 and not crowded:
                m.bandwidth.lower(m.fair_rate())
                return Trim


class Trim(Down):
    name = "trim"

    def next(self, m, s):
        n = self.rounds_in(m)
        if m.epoch_end and m.has_congestive_loss:
            m.lower_short_term(self.bbr.window_bytes)
        if m.queue.latest_ns <= m.queue.allowed_ns // 2 or s.in_flight_bytes <= m.bdp_bytes or n >= 4:
            return Cruise


class Refill(Phase):
    name = "refill"
    probing = True

    def __init__(self, m, s, bbr):
        super().__init__(m, s, bbr)
        m.reset_short_term()

    def next(self, m, s):
        if m.round_start and self.rounds_in(m) >= 1:
            return Up


class Up(Phase):
    name = "up"
    pacing_gain = UP_PACING_GAIN
    window_gain = UP_WINDOW_GAIN
    probing = True

    def __init__(self, m, s, bbr):
        super().__init__(m, s, bbr)
        self.base = m.rate
        self.pacing_gain = UP_PACING_GAIN
        self.base_q = m.queue.latest_ns
        self.best_round = 0
        self.acked = 0.0
        self.step = 0
        self.fast = False

    def next(self, m, s):
        n = self.rounds_in(m)
        self.raise_high(m, s)
        if m.epoch_end and m.excess_loss and n >= 1:
            if m.queue.stands or m.queue.latest_ns > m.queue.allowed_ns:
                m.in_flight_high = max(s.rate_tx_in_flight_bytes, BETA * WINDOW_GAIN * m.bdp_bytes)
            return self.leave(m)
        grown = m.rate > self.base * 1.1
        queued = m.queue.latest_ns - self.base_q > m.queue.allowed_ns
        if grown and not queued and n >= 1:
            self.pacing_gain = 2.0
            self.base = m.rate
            self.start_round = m.rounds - 1
            self.best_round = m.rounds
        if n >= 1 and queued:
            return self.leave(m)
        if n >= 2 and m.rounds - self.best_round >= 2 and not grown:
            return self.leave(m)

    def raise_high(self, m, s):
        if m.in_flight_high == INFINITE:
            return
        m.in_flight_high = max(m.in_flight_high, s.rate_tx_in_flight_bytes)
        if s.prior_in_flight_bytes + 2 * m.quantum_bytes >= m.in_flight_high:
            self.acked += s.acked_bytes
            per = max(self.bbr.window_bytes / (1 << min(self.step, 30)), m.datagram_bytes)
            k = int(self.acked / per)
            self.acked -= k * per
            m.in_flight_high += k * m.datagram_bytes
        if m.round_start:
            self.step += 1

    def leave(self, m):
        m.probed_ns = m.now_ns
        self.bbr.probe_round = m.rounds
        return Down


class ProbeRtt(Phase):
    name = "probe_rtt"
    window_gain = PROBE_RTT_WINDOW_GAIN

    def __init__(self, m, s, bbr):
        super().__init__(m, s, bbr)
        self.low_ns = 0
        self.low_round = 0

    def next(self, m, s):
        if not self.low_ns:
            if s.in_flight_bytes <= max(m.bdp_bytes * PROBE_RTT_WINDOW_GAIN, m.quantum_bytes * 4):
                self.low_ns = m.now_ns
                self.low_round = m.rounds
        elif m.now_ns - self.low_ns > PROBE_RTT_NS and m.rounds > self.low_round:
            m.queue.on_looked(now_ns=m.now_ns)
            m.reset_short_term()
            m.queue.stands_since_ns = m.now_ns
            m.probed_ns = m.now_ns
            return Cruise if m.full_reached else Startup


class Outage(Phase):
    name = "outage"

    def next(self, m, s):
        if s.acked_bytes:
            m.blind_rounds = 3
            return Resume


class Resume(Phase):
    name = "resume"
    pacing_gain = 0.5
    window_gain = 1.0

    def next(self, m, s):
        if m.round_start and self.rounds_in(m) >= 2:
            m.probed_ns = 0
            return Cruise if m.full_reached else Startup
