"""Peers that send what they may not: past their credit, on the wrong stream, again after the end, for ever."""

import pytest
from by_hand import PARAMETERS, PEER, STRANGER, ByHand, frames_of
from test_hostile_acks import assert_cut_off

from mayhem_udp.errors import Code
from mayhem_udp.limits import (
    BODY_OFFSET_MAX,
    BODY_RANGES_MAX,
    FLIGHT_RUNS_REFUSED,
    HANDSHAKE_MAX_BYTES,
    MESSAGE_MAX_BYTES,
    MESSAGE_WINDOW_BYTES,
    NUMBER_JUMP_MAX,
    PATH_ANSWERS_MAX,
)
from mayhem_udp.transport.events import BodyReceived, MessageReceived, RequestReset
from mayhem_udp.transport.state import State
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id
from mayhem_udp.units import MS, SECOND
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.frames import (
    Ack,
    Handshake,
    MaxRequests,
    MaxStream,
    PathChallenge,
    PathResponse,
    Ping,
    ResetRequest,
    Stream,
    Token,
)

BODY = stream_id(0, Kind.BODY, Side.CLIENT)
MESSAGES = stream_id(0, Kind.MESSAGES, Side.CLIENT)


@pytest.fixture
def server():
    """A server's engine, and a client played by hand."""
    return ByHand(Side.SERVER)


def message(payload):
    return len(payload).to_bytes(4) + payload


# --- Credit --------------------------------------------------------------------------------------------


def test_a_body_past_its_credit_is_cut_off(server):
    window = server.engine._core.settings.body_promise_bytes
    server.say_data(BODY, window - 5, b"12345")
    assert server.closed is None, "up to the last byte of credit is right"
    server.say_data(BODY, window - 4, b"12345")
    assert_cut_off(server, Code.FLOW_CONTROL)


def test_messages_past_their_credit_are_cut_off(server):
    server.say(Stream(MESSAGES, MESSAGE_WINDOW_BYTES - 1, b"12"))
    assert_cut_off(server, Code.FLOW_CONTROL)


def test_a_message_longer_than_any_may_be_is_cut_off_at_its_length(server):
    server.say(Stream(MESSAGES, 0, (MESSAGE_MAX_BYTES + 1).to_bytes(4)))
    assert_cut_off(server, Code.LIMIT_EXCEEDED)


def test_a_window_that_shrinks_takes_nothing_back():
    client = ByHand(Side.CLIENT)
    request = client.engine.open_request()
    client.engine.supply_body(request, 0, bytes(1 << 20))
    for limit in (3 << 20, 1, 0):
        client.say(MaxStream(stream_id(request, Kind.BODY, Side.CLIENT), limit))
    assert client.engine._core.requests.open[request].body_sent.limit == 3 << 20
    for limit in (900, 3, 0):
        client.say(MaxRequests(limit))
    assert client.engine._core.requests.peer_limit == 900
    assert client.closed is None


def test_credit_for_the_peers_own_stream_is_cut_off(server):
    server.say(MaxStream(BODY, 1 << 20))
    assert_cut_off(server, Code.STATE_ILLEGAL)


def test_more_requests_than_granted_are_cut_off(server):
    limit = server.engine._core.settings.requests_max
    server.say(Stream(stream_id(limit - 1, Kind.MESSAGES, Side.CLIENT), 0, message(b"last")))
    assert server.closed is None
    server.say(Stream(stream_id(limit, Kind.MESSAGES, Side.CLIENT), 0, message(b"one more")))
    assert_cut_off(server, Code.TOO_MANY_REQUESTS)


# --- The wrong thing in the wrong place ------------------------------------------------------------------


def test_data_on_a_stream_of_ours_is_cut_off(server):
    server.say_data(stream_id(0, Kind.BODY, Side.SERVER), 0, b"yours")
    assert_cut_off(server, Code.STATE_ILLEGAL)


def test_data_on_a_message_stream_is_cut_off(server):
    server.say_data(MESSAGES, 0, b"not a message")
    assert_cut_off(server, Code.STATE_ILLEGAL)


def test_a_message_on_a_body_is_cut_off(server):
    server.say(Stream(BODY, 0, message(b"not a body")))
    assert_cut_off(server, Code.STATE_ILLEGAL)


def test_a_server_that_opens_a_request_is_cut_off():
    client = ByHand(Side.CLIENT)
    client.say(Stream(stream_id(3, Kind.MESSAGES, Side.SERVER), 0, message(b"unasked")))
    assert_cut_off(client, Code.STATE_ILLEGAL)


@pytest.mark.parametrize("frame", [MaxRequests(9), Token(b"a visit")])
def test_a_client_that_speaks_as_a_server_is_cut_off(server, frame):
    server.say(frame)
    assert_cut_off(server, Code.STATE_ILLEGAL)


def test_a_datagram_of_an_unknown_type_is_not_even_opened(server):
    server.give(server.datagram(77, b"\1"))
    assert server.listen() == []
    assert server.engine.stats.datagrams_received == 1, "the greeting"


def test_an_unknown_frame_is_cut_off(server):
    server.give(server.datagram(DatagramType.FRAMES, b"\xee"))
    assert_cut_off(server, Code.FRAME_MALFORMED)


def test_data_without_a_byte_is_cut_off(server):
    server.say_data(BODY, 0, b"")
    assert_cut_off(server, Code.FRAME_MALFORMED)


@pytest.mark.parametrize("offset", [BODY_OFFSET_MAX + 1, (1 << 64) - 1])
def test_an_offset_past_any_file_is_cut_off(server, offset):
    server.say_data(BODY, offset, b"x")
    assert_cut_off(server, Code.FRAME_MALFORMED)


@pytest.mark.parametrize("number", [NUMBER_JUMP_MAX + 2, 1 << 63, (1 << 64) - 1])
def test_a_number_far_ahead_is_cut_off(server, number):
    server.say(Ping(), number=number)
    assert_cut_off(server, Code.PROTOCOL_VIOLATION)


def test_a_handshake_without_end_is_cut_off():
    server = ByHand(Side.SERVER, peer=None)
    server.say(Handshake(HANDSHAKE_MAX_BYTES - 1, b"xy"))
    assert_cut_off(server, Code.LIMIT_EXCEEDED)


# --- After the end ------------------------------------------------------------------------------------


def test_a_request_that_was_reset_does_not_open_again(server):
    server.say(Stream(MESSAGES, 0, message(b"first")))
    server.say(ResetRequest(0, int(Code.CANCELLED), b"enough"))
    server.events.clear()
    server.say(Stream(MESSAGES, 9, message(b"again")))
    server.say_data(BODY, 0, b"again")
    server.say(MaxStream(stream_id(0, Kind.BODY, Side.SERVER), 1 << 30))
    server.say(ResetRequest(0, 1, b"and again"))
    assert server.events == []
    assert server.engine._core.requests.open == {}
    assert server.closed is None


def test_resetting_every_request_costs_one_range(server):
    limit = server.engine._core.settings.requests_max
    for number in range(3 * limit):
        server.say(ResetRequest(number, 1, b"never mind"))
        heard = server.listen()
        if heard:
            server.acknowledge((server.first, heard[-1].header.sequence + 1))
    table = server.engine._core.requests
    assert table.open == {}
    assert len(table._ended) == 1
    assert server.closed is None


# --- For ever -----------------------------------------------------------------------------------------


def test_a_body_in_crumbs_is_cut_off_before_its_ranges_fill_the_memory():
    server = ByHand(Side.SERVER, requests_max=32)
    for at in range(0, 2 * BODY_RANGES_MAX + 4, 2):
        server.say_data(BODY, at, b"x")
        server.events.clear() if server.closed is None else None
        if server.closed is not None:
            break
    assert_cut_off(server, Code.LIMIT_EXCEEDED)
    assert len(server.engine._core.requests.open) == 0


def test_one_byte_datagrams_for_hours_grow_nothing(server):
    """Every second number is left out as well, so that each is a range of its own."""
    core = server.engine._core
    body_bytes = 0
    server.events.clear()
    for count in range(4_000):
        server.now_ns += 500 * MS
        server.engine.handle_timeout(now_ns=server.now_ns)
        server.number += 1
        server.say_data(BODY, count, b"x")
        for event in server.events:
            assert isinstance(event, BodyReceived), event
            body_bytes += len(event.data)
            server.engine.consume_body(0, len(event.data), now_ns=server.now_ns)
        server.events.clear()
        heard = server.listen()
        server.said.clear()
        if heard and count % 5 == 0:
            server.acknowledge((heard[-1].header.sequence, heard[-1].header.sequence + 1))
    assert body_bytes == 4_000
    assert len(core.acks.received) <= 4_096
    assert len(core.requests.open[0].body_received.received) == 1
    assert len(core.recovery.ledger.flight) + len(core.recovery.ledger.lost) < 200
    assert len(core.control) + len(core.events) < 10


def test_a_peer_that_sends_and_never_acknowledges_is_given_up(server):
    """It is heard all the time, so it is not idle; but what it is asked stays without an answer."""
    ledger = server.ledger
    longest = 0
    for count in range(20_000):
        server.now_ns += 5 * MS
        server.engine.handle_timeout(now_ns=server.now_ns)
        server.say_data(BODY, count, b"x")
        server.listen()
        server.said.clear()
        longest = max(longest, len(ledger.flight) + len(ledger.lost))
        if server.engine.state is not State.OPEN:
            break
    assert server.closed is not None, "for ever"
    assert server.closed.code == Code.IDLE_TIMEOUT
    assert server.now_ns < 60 * SECOND
    assert longest < 100, "a few probes, and one question about ACKs"


def test_a_flood_of_challenges_is_answered_in_part_and_kept_nowhere(server):
    """Each datagram asks for as many answers as fit; none of the answers is acknowledged."""
    challenges = [PathChallenge(nonce) for nonce in range(100)]
    server.say(*challenges)
    assert len(frames_of(server.listen(), PathResponse)) == PATH_ANSWERS_MAX
    before = len(server.ledger.flight)
    for _ in range(2_000):
        server.say(*challenges)
        server.listen()
    assert len(server.ledger.flight) <= before + 1


def test_a_flight_that_only_grows_ends_the_connection_before_it_fills_the_memory(server):
    for _ in range(FLIGHT_RUNS_REFUSED + 1):
        server.engine.ping()
        server.engine.poll_transmit(now_ns=server.now_ns)
    assert server.closed is None
    server.say(Ping())
    assert_cut_off(server, Code.LIMIT_EXCEEDED)


def test_a_peer_that_never_reads_gets_no_more_than_its_first_credit():
    client = ByHand(Side.CLIENT, controller="fixed", rate_fixed_bps=10**9)
    request = client.engine.open_request()
    client.engine.supply_body(request, 0, bytes(8 << 20))
    for _ in range(200):
        client.pass_time(5 * MS)
        skipped = [start for start, _ in client.ledger.skipped]
        top = client.ledger.next_number
        client.acknowledge(*around(skipped, top))
    sent = {(each.offset, each.offset + len(each.payload)) for each in client.said if each.payload}
    assert max(stop for _, stop in sent) == PARAMETERS.body_window_bytes
    assert client.ledger.in_flight_bytes == 0
    assert client.closed is None


def around(skipped, top):
    """All numbers below `top` but the skipped ones, as ranges from the top down."""
    ranges, stop = [], top
    for number in reversed(skipped):
        if number + 1 < stop:
            ranges.append((number + 1, stop))
        stop = number
    return [*ranges, (0, stop)]


def test_duplicates_are_dropped_and_counted(server):
    for _ in range(3):
        server.say(Stream(MESSAGES, 0, message(b"once")), number=40)
        server.say_data(BODY, 0, b"once", number=41)
    assert [type(each) for each in server.events[1:]] == [MessageReceived, BodyReceived]
    assert server.engine.stats.duplicate_dropped == 4


def test_a_request_that_is_reset_before_it_was_opened_is_told_once(server):
    server.say(ResetRequest(7, int(Code.CANCELLED), b"\xff not text"))
    resets = [each for each in server.events if isinstance(each, RequestReset)]
    assert [(each.request, each.code) for each in resets] == [(7, Code.CANCELLED)]


def test_datagrams_from_a_stranger_are_not_answered_there(server):
    """Somebody replays what was heard: the numbers are old, so no address is checked."""
    server.say(Ping(), number=30)
    server.listen()
    server.say(Ping(), number=30, address=STRANGER)
    server.say(Ping(), number=29, address=STRANGER)
    assert {each.address for each in server.listen()} <= {PEER}
    assert server.engine.path.address == PEER


def test_acks_are_no_reason_for_acks(server):
    server.listen()
    for _ in range(100):
        server.say(Ack(0, 0, 0, (0, 1)))
    assert frames_of(server.listen(), Ack) == []
    assert server.engine._core.acks.deadline_ns > server.now_ns
