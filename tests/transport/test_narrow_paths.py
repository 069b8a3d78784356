"""Paths narrower than the local interface: what is small goes on, what is large finds its size, nothing hangs."""

import pytest
from test_pmtud import Narrow, narrow
from test_recovering import arrives, sent_body, settle
from virtual_pair import CLIENT, KIB, MIB, MS, SERVER, Pair

BETWEEN_MESSAGES_S = 0.2


class LosesOne(Narrow):
    """A narrow link that loses the first short datagram as well, once it is told to."""

    def __init__(self, inner, size):
        super().__init__(inner, size)
        self.loses = False

    def push_batch(self, datagrams, **how):
        if self.loses and datagrams and len(datagrams[0]) < 1_000:
            self.loses = False
            datagrams = datagrams[1:]
        super().push_batch(datagrams, **how)


@pytest.mark.parametrize("delay_ms", [25, 75, 150, 300])
def test_a_lost_message_is_said_again_while_the_size_is_still_sought(delay_ms):
    """Probes for the size come every other round trip: they must not put off the probe timeout."""
    pair = Pair(f"delay={delay_ms}ms")
    link = LosesOne(pair.links.outward, 1_464)
    pair.simulator.route(CLIENT, SERVER, (link,))
    pair.open()
    pair.run(seconds=4 * delay_ms / 1_000)
    link.loses = True
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"is anybody there?" * 8)
    began_ns = pair.now_ns
    pair.run_until(lambda: pair.far.messages.get(request))
    assert not link.loses, "it was lost"
    assert pair.connection.path.mtu.wanted_probe_bytes(), "the search goes on"
    assert pair.now_ns - began_ns < 8 * delay_ms * MS


def test_a_chunk_size_that_the_path_does_not_take_is_cut_to_what_it_takes():
    pair = Pair("delay=10ms", client={"chunk_bytes": 1_432})
    narrow(pair, 1_300)
    pair.open()
    arrives(pair, *sent_body(pair, 200 * KIB))


def with_messages(pair, request, data, *, seconds):
    """Let time pass while short messages go beside the body, as they do beside a real transfer."""
    beside = pair.connection.open_request()
    for _ in range(round(seconds / BETWEEN_MESSAGES_S)):
        if pair.connection.body_acked_bytes(request) == len(data):
            return
        pair.connection.send_message(beside, b"hello")
        pair.run(seconds=BETWEEN_MESSAGES_S)


@pytest.mark.parametrize("delay_ms", [10, 100])
def test_a_path_that_becomes_narrow_is_noticed_though_short_messages_get_through(delay_ms):
    """Every answered message says that the path is there: the probe timeout alone would never find the hole."""
    pair = Pair(f"delay={delay_ms}ms,rate=50M")
    settle(pair)
    request, data = sent_body(pair, 3 * MIB)
    pair.run(seconds=0.1)
    narrow(pair, 1_300)
    with_messages(pair, request, data, seconds=20)
    assert pair.connection.body_acked_bytes(request) == len(data)
    assert pair.connection.path.mtu.current_bytes <= 1_300


def test_chance_is_not_taken_for_a_hole():
    """At 30 % loss every size is lost now and then, and arrives now and then."""
    pair = Pair("delay=10ms,rate=20M,drop=30%", seed=3)
    settle(pair)
    request, data = sent_body(pair, 4 * MIB)
    for _ in range(100):
        pair.run(seconds=0.1)
        assert pair.connection.path.mtu.current_bytes == 1_472
        if pair.connection.body_acked_bytes(request) == len(data):
            break
    assert pair.connection.body_acked_bytes(request) == len(data)
