"""shim"""
class Pacer:
    def __init__(self, *, now_ns): self._t=now_ns; self._r=10**10; self._q=60000; 
    def set_rate(self, *, rate_bps, quantum_bytes, now_ns): self._r=rate_bps; self._q=quantum_bytes
    def next_send_ns(self, size): return self._t
    def budget_bytes(self, *, now_ns): return self._q
    def on_sent(self, size, *, now_ns): self._t=max(self._t,now_ns-1000000)+size*8*10**9//self._r
