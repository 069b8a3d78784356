"""shim"""


class Fixed:
    window_bytes = 400_000
    send_quantum_bytes = 60_000

    def __init__(self, *, max_datagram_bytes, rate_cap_bps, now_ns):
        self.pacing_rate_bps = rate_cap_bps or 10**10

    def on_sent(self, **k):
        pass

    def on_ack(self, s):
        pass

    def on_app_limited(self, **k):
        pass

    def on_persistent_congestion(self, **k):
        pass

    def on_datagram_bytes(self, s):
        pass


CONTROLLERS = {"bbr": Fixed, "fixed": Fixed, "cubic": Fixed}
