"""Random lives of a pair on random networks: what was supplied arrives exactly, nothing grows, all of it ends."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from test_recovering import reroute
from virtual_pair import SECOND, Pair, some_bytes

from mayhem_udp.limits import ACK_RANGES_KEPT_MAX
from mayhem_udp.transport.ledger import LOST_KEPT_MAX

NETWORKS = st.sampled_from(
    [
        "delay=5ms",
        "delay=5ms,drop=0.3",
        "delay=5ms,corrupt=0.2",
        "delay=5ms,duplicate=0.5,reorder=0.5",
        "delay=20ms,drop=0.1,corrupt=0.05,duplicate=0.1,reorder=0.2",
        "delay=5ms,jitter=10ms,order=free,drop=0.05",
        "delay=5ms,rate=2M,queue=8K",
    ]
)


class ALife(RuleBasedStateMachine):
    """Bodies, messages and resets on both sides while the network changes under them."""

    @initialize(seed=st.integers(0, 1 << 30), network=NETWORKS, window=st.sampled_from([65_536, 1 << 20]))
    def begin(self, seed, network, window):
        self.pair = Pair(network, seed=seed, server={"body_window_initial_bytes": window})
        self.pair.open()
        self.bodies = {}
        self.messages = {}
        self.gone = set()

    @rule(size=st.integers(1, 60_000), seed=st.integers(0, 99))
    def put(self, size, seed):
        request = self.pair.connection.open_request()
        if request is not None:
            data = some_bytes(size, seed=seed)
            self.bodies[request], self.messages[request] = data, [data[:100]]
            self.pair.connection.send_message(request, data[:100])
            self.pair.connection.supply_body(request, 0, data)

    @rule(pick=st.integers(0, 1 << 20), text=st.binary(max_size=3_000))
    def say(self, pick, text):
        open_ones = sorted(set(self.messages) - self.gone)
        if open_ones:
            request = open_ones[pick % len(open_ones)]
            self.messages[request].append(text)
            self.pair.connection.send_message(request, text)

    @rule(pick=st.integers(0, 1 << 20))
    def reset(self, pick):
        open_ones = sorted(set(self.bodies) - self.gone)
        if open_ones:
            request = open_ones[pick % len(open_ones)]
            self.gone.add(request)
            self.pair.connection.reset_request(request, 10, "enough")

    @rule(network=NETWORKS)
    def change_the_network(self, network):
        reroute(self.pair, network)

    @rule(length_ms=st.integers(1, 400))
    def let_time_pass(self, length_ms):
        self.pair.run(seconds=length_ms / 1_000)

    @invariant()
    def nothing_is_made_up(self):
        far = self.pair.far
        assert self.pair.client.closed is None
        for request, data in self.bodies.items():
            landed = far.bodies[request]
            for start, stop in landed.here:
                assert bytes(landed.bytes[start:stop]) == data[start:stop]
            assert far.messages[request] == self.messages[request][: len(far.messages[request])]

    @invariant()
    def nothing_grows(self):
        for side in (self.pair.connection, self.pair.far.connection):
            core = side._core
            assert len(core.recovery.ledger.lost) <= LOST_KEPT_MAX
            assert len(core.acks.received) <= ACK_RANGES_KEPT_MAX
            assert len(core.control) < 100
            assert core.recovery.ledger.in_flight_bytes == sum(
                run.wire_bytes for run in core.recovery.ledger.flight.runs
            )

    def teardown(self):
        if not hasattr(self, "pair"):
            return
        reroute(self.pair, "delay=5ms")
        self.pair.run(seconds=15)
        self.nothing_is_made_up()
        far = self.pair.far
        for request in set(self.bodies) - self.gone:
            assert bytes(far.bodies[request].bytes) == self.bodies[request]
            assert far.messages[request] == self.messages[request]
        for side in (self.pair.connection, far.connection):
            assert side.in_flight_bytes == 0
        self.pair.connection.close(0, "done", now_ns=self.pair.now_ns)
        self.pair.run(seconds=3)
        assert self.pair.is_over()
        assert self.pair.now_ns < 300 * SECOND


TestALife = ALife.TestCase
TestALife.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
