"""A message stream's two halves: whole messages, in order, once, whatever happens to the pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import MESSAGE_MAX_BYTES, MESSAGE_WINDOW_BYTES
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.streams.messages import LENGTH_BYTES, MessageReceive, MessageSend
from mayhem_udp.units import MIB

MESSAGES = st.lists(st.binary(max_size=60), max_size=12)


def pieces_of(send, max_bytes):
    pieces = []
    while (piece := send.take(max_bytes)) is not None:
        pieces.append(piece)
    return pieces


@given(MESSAGES, st.integers(1, 50), st.randoms(use_true_random=False))
def test_messages_arrive_in_order_whatever_the_order_of_their_pieces(messages, max_bytes, random):
    send, receive = MessageSend(Memory(MIB)), MessageReceive(Memory(MIB))
    for message in messages:
        send.append(message)
    pieces = pieces_of(send, max_bytes)
    random.shuffle(pieces)
    got = []
    for offset, data in pieces + random.sample(pieces, len(pieces) // 2):
        got += receive.put(offset, data)
    assert got == messages
    assert len(receive._bytes) == 0, "what was handed over is not kept"


@given(MESSAGES, st.integers(1, 50), st.randoms(use_true_random=False))
def test_what_is_lost_is_sent_again_until_it_is_acknowledged(messages, max_bytes, random):
    send, receive, got = MessageSend(Memory(MIB)), MessageReceive(Memory(MIB)), []
    for message in messages:
        send.append(message)
    losses = 20
    while (piece := send.take(max_bytes)) is not None:
        offset, data = piece
        if losses and random.random() < 0.4:
            losses -= 1
            send.on_lost(offset, offset + len(data))
        else:
            got += receive.put(offset, data)
            send.on_acked(offset, offset + len(data))
    assert got == messages
    assert send.queued_bytes == 0
    assert not send.wants_to_send


def test_no_more_is_sent_than_the_credit():
    send = MessageSend(Memory(MIB))
    for _ in range(MESSAGE_WINDOW_BYTES // MESSAGE_MAX_BYTES + 1):
        send.append(bytes(MESSAGE_MAX_BYTES))
    sent = sum(len(data) for _, data in pieces_of(send, 1_000))
    assert sent == MESSAGE_WINDOW_BYTES
    assert not send.wants_to_send
    send.limit += 10
    assert len(send.take(1_000)[1]) == 10


def test_credit_comes_when_half_of_the_window_is_used_up():
    receive = MessageReceive(Memory(MIB))
    size = MESSAGE_MAX_BYTES
    offset = 0
    while receive.new_credit() is None:
        receive.put(offset, size.to_bytes(LENGTH_BYTES) + bytes(size))
        offset += LENGTH_BYTES + size
    assert offset >= MESSAGE_WINDOW_BYTES // 2
    assert receive.limit == offset + MESSAGE_WINDOW_BYTES


def test_a_part_of_a_message_that_is_lost_twice_is_sent_once_more():
    send = MessageSend(Memory(MIB))
    send.append(b"0123456789")
    offset, data = send.take(100)
    send.on_lost(offset, offset + len(data))
    send.on_lost(offset, offset + len(data))
    assert send.take(100) == (offset, data)
    assert send.take(100) is None


def test_what_arrived_after_all_is_not_sent_again():
    send = MessageSend(Memory(MIB))
    send.append(b"0123456789")
    offset, data = send.take(100)
    send.on_lost(offset, offset + len(data))
    send.on_acked(offset, offset + len(data))
    assert not send.wants_to_send


def test_the_receivers_memory_is_its_window():
    receive = MessageReceive(Memory(MIB))
    receive.put(MESSAGE_WINDOW_BYTES - 1, b"x")
    assert len(receive._bytes) == MESSAGE_WINDOW_BYTES
    with pytest.raises(PeerError) as caught:
        receive.put(MESSAGE_WINDOW_BYTES, b"x")
    assert caught.value.code == Code.FLOW_CONTROL


def test_a_length_over_the_limit_is_refused_before_the_message_comes():
    with pytest.raises(PeerError) as caught:
        MessageReceive(Memory(MIB)).put(0, (MESSAGE_MAX_BYTES + 1).to_bytes(LENGTH_BYTES))
    assert caught.value.code == Code.LIMIT_EXCEEDED


def test_the_longest_message_gets_through():
    send, receive = MessageSend(Memory(MIB)), MessageReceive(Memory(MIB))
    send.append(bytes(MESSAGE_MAX_BYTES))
    got = []
    for offset, data in pieces_of(send, 1_400):
        got += receive.put(offset, data)
    assert got == [bytes(MESSAGE_MAX_BYTES)]


def test_a_longer_one_is_our_own_mistake():
    with pytest.raises(AssertionError):
        MessageSend(Memory(MIB)).append(bytes(MESSAGE_MAX_BYTES + 1))
