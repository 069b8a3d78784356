"""A body's two halves: every byte sent at least once, handed over exactly once, within its credit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.transport.flow import CreditPool, ReceiveWindow
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.streams.bodies import BodyReceive, BodySend, as_block
from mayhem_udp.units import MIB


def receiver(window=1_000):
    memory = Memory(MIB)
    pool = CreditPool(memory, promised_bytes=window)
    flow = ReceiveWindow(initial_bytes=window, max_bytes=window, promise_bytes=window, pool=pool)
    return BodyReceive(flow, memory=memory)


def block_of(start, size):
    return np.arange(start, start + size, dtype=np.int64).astype(np.uint8)


class ABodyOnItsWay(RuleBasedStateMachine):
    """A sender whose pieces are delivered, lost, or lost and delivered after all."""

    def __init__(self):
        super().__init__()
        self.body = BodySend(2, limit=200, memory=Memory(MIB))
        self.supplied = 0
        self.skipped = set()
        self.under_way = []
        self.acked = set()
        self.sent = set()

    @rule(size=st.integers(1, 90))
    def supply(self, size):
        self.body.supply(self.supplied, block_of(self.supplied, size))
        self.supplied += size

    @rule(size=st.integers(1, 40))
    def skip(self, size):
        self.body.skip(self.supplied, self.supplied + size)
        self.skipped |= set(range(self.supplied, self.supplied + size))
        self.supplied += size

    @rule(more=st.integers(0, 120))
    def credit(self, more):
        self.body.limit += more

    @rule(max_bytes=st.integers(1, 60))
    def send(self, max_bytes):
        wants = self.body.wants_to_send()
        piece = self.body.take(max_bytes)
        assert (piece is not None) == wants
        if piece is None:
            return
        span = set(range(piece.offset, piece.offset + piece.length))
        assert 0 < piece.length <= max_bytes
        assert piece.data.tolist() == [each % 256 for each in sorted(span)]
        assert max(span) < self.body.limit
        assert not span & (self.acked | self.skipped), "what the peer has is not sent again"
        assert piece.is_repeat == bool(span & self.sent)
        self.sent |= span
        self.under_way.append((piece.offset, piece.length))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def arrive(self, data):
        offset, length = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.body.on_acked(offset, length)
        self.acked |= set(range(offset, offset + length))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), after_all=st.booleans())
    def lose(self, data, after_all):
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        offset, length = self.under_way[index] if after_all else self.under_way.pop(index)
        self.body.on_lost(offset, length)

    @invariant()
    def blocks_are_kept_as_long_as_needed(self):
        assert self.body.acked_bytes == len(self.acked | self.skipped)
        needed = set(range(self.supplied)) - self.acked - self.skipped
        assert self.body.buffered_bytes >= len(needed)
        assert self.body.is_settled == (not needed)
        if not needed:
            assert self.body.buffered_bytes == 0

    def teardown(self):
        """In the end all of it gets there."""
        self.body.limit = self.supplied
        for offset, length in self.under_way:
            self.body.on_lost(offset, length)
        while (piece := self.body.take(1_000)) is not None:
            self.body.on_acked(piece.offset, piece.length)
        assert self.body.is_settled
        assert not self.body.wants_to_send()


TestABodyOnItsWay = ABodyOnItsWay.TestCase
TestABodyOnItsWay.settings = settings(max_examples=40)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 100)), max_size=40))
def test_every_byte_is_handed_over_once(arrivals):
    body, here = receiver(), {}
    for offset, size in arrivals:
        for at, part in body.put(offset, block_of(offset, size)):
            for index, value in enumerate(part.tolist(), at):
                assert index not in here
                here[index] = value
    assert here == {i: i % 256 for offset, size in arrivals for i in range(offset, offset + size)}
    assert body.received.covered == len(here)


def test_past_the_credit_is_an_error_of_the_peers():
    body = receiver(100)
    body.put(90, block_of(90, 10))
    with pytest.raises(PeerError) as caught:
        body.put(91, block_of(91, 10))
    assert caught.value.code == Code.FLOW_CONTROL


def test_blocks_that_do_not_come_in_order_are_our_own_mistake():
    body = BodySend(2, limit=100, memory=Memory(MIB))
    body.supply(50, block_of(50, 10))
    with pytest.raises(AssertionError):
        body.supply(0, block_of(0, 10))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_blocks_of_any_kind_are_not_copied(kind):
    data = kind(b"some bytes")
    assert as_block(data).tobytes() == b"some bytes"
    assert np.shares_memory(
        as_block(data), np.asarray(data) if isinstance(data, np.ndarray) else as_block(data)
    )
