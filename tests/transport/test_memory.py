"""Memory held for peers: counted, bounded for each and for all, shared out fairly, and given back."""

from random import Random

import pytest
from by_hand import PEER, ByHand, frames_of
from hypothesis import given
from hypothesis import strategies as st
from test_hostile_acks import assert_cut_off
from test_listener import body_of, give, hello, listening, proof
from virtual_pair import transport_settings

from mayhem_udp.errors import Code
from mayhem_udp.limits import BODY_RANGES_MAX, EARLY_BODY_BYTES, MEMORY_FLOOR_BYTES, MESSAGE_WINDOW_BYTES
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.events import BodyReceived
from mayhem_udp.transport.listener import AdmissionLimits
from mayhem_udp.transport.memory import CONNECTION_BYTES, Memory
from mayhem_udp.transport.streams.bodies import RANGE_BYTES
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id
from mayhem_udp.units import KIB, MIB, MS
from mayhem_udp.wire.codec import decode_frames
from mayhem_udp.wire.frames import Ack, MaxStream, Ping, ResetRequest, Stream


def body_from_client(request):
    return stream_id(request, Kind.BODY, Side.CLIENT)


def message_to_server(request):
    return stream_id(request, Kind.MESSAGES, Side.CLIENT)


def server_with(all_bytes, **settings):
    """A server's engine whose account is one of several, the client played by hand, and the account of all."""
    everybody = Memory(all_bytes)
    made = ByHand(Side.SERVER, memory=everybody, **settings)
    return made, everybody


def ask(end, count):
    """The client opens so many requests, with a message each."""
    for number in range(count):
        end.say(Stream(message_to_server(number), 0, b"\0\0\0\1g"))


def supply_all(end, count):
    """The server supplies the bodies of all requests, in turn, as long as one of them has room."""
    offsets, engine = dict.fromkeys(range(count), 0), end.engine
    more = True
    while more:
        more = False
        for number in offsets:
            size = min(engine.body_room_bytes(number), 256 * KIB)
            if size > 0:
                engine.supply_body(number, offsets[number], bytes(size))
                offsets[number] += size
                more = True
    return offsets


# --- The account -----------------------------------------------------------------------------------------


def test_what_one_takes_is_taken_from_all():
    everybody = Memory(MIB)
    one, other = Memory(MIB, parent=everybody), Memory(MIB, parent=everybody)
    one.take(600 * KIB)
    assert (one.left_bytes, other.left_bytes, everybody.left_bytes) == (424 * KIB, 424 * KIB, 424 * KIB)
    one.give(600 * KIB)
    assert everybody.used_bytes == 0


def test_one_connection_never_has_more_than_its_own():
    one = Memory(MIB, parent=Memory(100 * MIB))
    one.take(MIB - 1)
    assert (one.left_bytes, one.share_bytes, one.is_used_up) == (1, 1, False)


def test_nobody_stands_still_because_of_others():
    everybody = Memory(MIB)
    greedy, modest = Memory(MIB, parent=everybody), Memory(MIB, parent=everybody)
    greedy.take(MIB)
    assert greedy.left_bytes == 0
    assert modest.left_bytes == modest.share_bytes == MEMORY_FLOOR_BYTES
    modest.take(MEMORY_FLOOR_BYTES)
    assert modest.left_bytes == 0
    assert modest.is_used_up


def test_the_last_byte_is_still_to_be_had_and_then_it_is_used_up():
    everybody = Memory(MIB)
    one = Memory(MIB, parent=everybody)
    one.take(MIB - 1)
    assert not one.is_used_up
    one.take(1)
    assert one.is_used_up


@pytest.mark.parametrize("greedy", [1, 2, 9])
def test_the_greedy_leave_as_much_as_each_of_them_has(greedy):
    everybody = Memory(64 * MIB)
    all_of_them = [Memory(64 * MIB, parent=everybody) for _ in range(greedy)]
    for _ in range(200):
        for each in all_of_them:
            each.take(max(each.share_bytes, 0) // 2)
            each.give(-min(each.share_bytes, 0))
    fair = 64 * MIB // (greedy + 1)
    assert all(abs(each.used_bytes - fair) < fair // 10 for each in all_of_them)
    assert abs(everybody.left_bytes - fair) < fair // 10


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 400 * KIB)), max_size=80))
def test_at_will_no_more_is_taken_than_there_is_and_everybodys_floor(moves):
    everybody = Memory(MIB)
    accounts = [Memory(512 * KIB, parent=everybody) for _ in range(5)]
    for number, wanted in moves:
        each = accounts[number]
        each.take(max(min(wanted, each.share_bytes), 0))
        assert each.used_bytes <= each.max_bytes
        assert everybody.used_bytes <= MIB + len(accounts) * MEMORY_FLOOR_BYTES
    for each in accounts:
        each.give(each.used_bytes)
    assert everybody.used_bytes == 0


# --- What is sent ----------------------------------------------------------------------------------------


def test_a_client_that_asks_for_everything_and_acknowledges_nothing_gets_no_more_than_its_memory():
    end, everybody = server_with(256 * MIB, memory_max_bytes=16 * MIB, requests_max=200)
    ask(end, 200)
    supply_all(end, 200)
    assert 0 < end.engine.memory.used_bytes <= 16 * MIB
    assert everybody.used_bytes >= end.engine.memory.used_bytes
    for number in range(200):
        end.say(ResetRequest(number, Code.CANCELLED, b""))
    assert end.engine.memory.used_bytes == 0


def test_many_such_clients_leave_room_for_one_that_is_honest():
    everybody = Memory(8 * MIB)
    hostile = [ByHand(Side.SERVER, memory=everybody) for _ in range(20)]
    for end in hostile:
        ask(end, 4)
        supply_all(end, 4)
    assert everybody.used_bytes <= 8 * MIB + 20 * MEMORY_FLOOR_BYTES
    honest = ByHand(Side.SERVER, memory=everybody)
    ask(honest, 1)
    assert honest.engine.body_room_bytes(0) >= MEMORY_FLOOR_BYTES


def test_what_is_acknowledged_is_given_back():
    end, everybody = server_with(MIB)
    ask(end, 1)
    end.engine.supply_body(0, 0, bytes(10_000))
    end.engine.send_message(0, b"x" * 1_000)
    assert end.engine.memory.used_bytes == 10_000 + 1_004
    end.pass_time(100 * MS)
    end.acknowledge((min(end.numbers), max(end.numbers) + 1))
    assert end.engine.memory.used_bytes == 0
    end.engine.finish_request(0)
    end.say(Ping())
    end.pass_time(100 * MS)
    end.acknowledge((min(end.numbers), max(end.numbers) + 1))
    assert everybody.used_bytes == CONNECTION_BYTES, "the request itself was counted, and is gone"


def test_a_connection_that_ends_gives_back_all():
    end, everybody = server_with(MIB)
    ask(end, 3)
    supply_all(end, 3)
    end.say(Stream(message_to_server(3), 500, b"early"))
    end.say_data(body_from_client(3), 5_000, b"ahead")
    end.engine.close(Code.CANCELLED, "enough", now_ns=end.now_ns)
    assert end.engine.memory.used_bytes == 0
    assert everybody.used_bytes >= CONNECTION_BYTES


# --- What comes in ---------------------------------------------------------------------------------------


def test_data_that_there_is_no_memory_for_is_dropped_and_not_acknowledged():
    end, everybody = server_with(MIB)
    everybody.take(MIB)
    end.engine.memory.take(MEMORY_FLOOR_BYTES - 1)
    end.say_data(body_from_client(0), 0, b"the last that fits")
    end.engine.memory.take(1)
    number = end.number
    end.say_data(body_from_client(0), 18, b"one too many")
    end.pass_time(100 * MS)
    bodies = [bytes(each.data) for each in end.events if isinstance(each, BodyReceived)]
    assert bodies == [b"the last that fits"]
    assert max(ack.largest for ack in frames_of(end.said, Ack)) == number - 1
    assert end.engine.stats.no_room_dropped == 1
    end.engine.memory.give(1)
    end.say_data(body_from_client(0), 18, b"once more")
    assert len([each for each in end.events if isinstance(each, BodyReceived)]) == 2
    assert end.closed is None


def test_messages_that_never_end_cost_the_connection_once_memory_is_used_up():
    end, everybody = server_with(MIB)
    everybody.take(MIB)
    for number in range(2):
        end.say(Stream(message_to_server(number), 40 * KIB - 1, b"x"))
        assert end.closed is None
    assert end.engine.memory.used_bytes == MEMORY_FLOOR_BYTES
    end.say(Stream(message_to_server(2), 0, b"\0"))
    assert_cut_off(end, Code.OUT_OF_MEMORY_BUDGET)
    assert end.engine.memory.used_bytes == 0


def test_messages_that_never_end_are_bounded_where_there_is_memory_for_all():
    end, _ = server_with(256 * MIB, memory_max_bytes=16 * MIB)
    for number in range(200):
        end.say(Stream(message_to_server(number), MESSAGE_WINDOW_BYTES - 1, b"x"))
    assert_cut_off(end, Code.OUT_OF_MEMORY_BUDGET)


def test_holes_are_not_free():
    end, _ = server_with(64 * MIB)
    for at in range(0, 200, 2):
        end.say_data(body_from_client(0), at, b"x")
    assert end.engine.memory.used_bytes == 99 * RANGE_BYTES
    for at in range(1, 200, 2):
        end.say_data(body_from_client(0), at, b"x")
    assert end.engine.memory.used_bytes == 0
    assert BODY_RANGES_MAX * RANGE_BYTES < 16 * MIB


@pytest.mark.parametrize("requests", [1, 16, 256])
def test_the_credit_of_all_bodies_together_stays_within_the_memory(requests):
    end, _ = server_with(1_024 * MIB, memory_max_bytes=32 * MIB, body_window_max_bytes=32 * MIB)
    dice, offsets = Random(1), dict.fromkeys(range(requests), 0)
    limits = dict.fromkeys(offsets, end.engine._core.settings.body_promise_bytes)
    unopened = (256 - requests) * end.engine._core.settings.body_promise_bytes
    for _ in range(40 * requests):
        number = dice.randrange(requests)
        size = min(1_400, limits[number] - offsets[number])
        if size > 0:
            offsets[number] = limits[number]
            end.say_data(body_from_client(number), limits[number] - size, bytes(size))
            end.engine.consume_body(number, size, now_ns=end.now_ns)
        for frame in frames_of(end.listen(), MaxStream):
            if frame.stream_id & 2:
                limits[frame.stream_id >> 2] = frame.limit
        credit = sum(limits[each] - offsets[each] for each in offsets)
        assert credit + unopened <= 32 * MIB
    windows = [each.body_received.window.window_bytes for each in end.engine._core.requests.open.values()]
    assert sum(windows) + unopened <= 32 * MIB
    assert end.closed is None


def test_a_body_that_ends_leaves_its_credit_to_others():
    end, _ = server_with(64 * MIB, memory_max_bytes=32 * MIB)
    pool = end.engine._core.requests._credit
    for number in range(3):
        end.say_data(body_from_client(number), 60_000, bytes(1_000))
        end.engine.consume_body(number, 1_000, now_ns=end.now_ns)
    assert pool.granted_bytes > 0
    for number in range(3):
        end.say(ResetRequest(number, Code.CANCELLED, b""))
    assert (pool.granted_bytes, pool._windows) == (0, 0)


@pytest.mark.parametrize(("requests", "promise"), [(8, MIB), (256, 128 * KIB), (1_024, EARLY_BODY_BYTES)])
def test_the_first_credit_is_what_all_requests_could_have_in_half_of_the_memory(requests, promise):
    settings = transport_settings(requests_max=requests)
    assert settings.body_promise_bytes == promise
    engine = Connection.server(
        PEER,
        connection_id=1,
        settings=settings,
        entropy=Random(1).randbytes,
        reset_token=bytes(16),
        visit_token=b"",
        now_ns=0,
    )
    assert engine.memory.max_bytes == 64 * MIB


# --- Who is let in ---------------------------------------------------------------------------------------


def test_no_more_come_in_than_there_is_memory_for():
    listener = listening(AdmissionLimits(10, 10, 100, 2 * CONNECTION_BYTES))
    assert len(give(listener, hello(1, token=proof()))[0]) == 1
    ((second,), _) = give(listener, hello(2, token=proof()))
    _, answers = give(listener, hello(3, token=proof()))
    (close,) = decode_frames(body_of(answers[0]))
    assert close.code == Code.OUT_OF_MEMORY_BUDGET
    assert close.reason == b"the server has no memory to spare for another connection"
    assert set(listener.connections) == {1, 2}, "the others go on"
    listener.remove(second)
    assert len(give(listener, hello(3, token=proof()))[0]) == 1


def test_other_limits_hold_from_when_they_are_set():
    listener = listening(AdmissionLimits(10, 10, 1, MIB))
    give(listener, hello(1, token=proof()), now_ns=10**9)
    assert give(listener, hello(2, token=proof()), now_ns=10**9)[0] == []
    listener.limits = AdmissionLimits(10, 10, 100, MIB)
    assert len(give(listener, hello(2, token=proof()), now_ns=10**9)[0]) == 1
    listener.limits = AdmissionLimits(10, 10, 100, CONNECTION_BYTES)
    assert give(listener, hello(3, token=proof()), now_ns=10**9)[0] == []
