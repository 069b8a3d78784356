"""Every datagram, frame, message and handshake: from values to bytes and back, and to the same bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_values import (
    FRAMES,
    MESSAGES,
    bodies,
    digests,
    frames,
    handshakes,
    paddings,
    ranges,
    session_messages,
    tokens,
    u8,
    u64,
)

from mayhem_udp import limits
from mayhem_udp.errors import Code, PeerError
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.wire import codec, layout, messages
from mayhem_udp.wire import frames as frame_values
from mayhem_udp.wire.ack_ranges import pairs_of_ranges, ranges_of_ack
from mayhem_udp.wire.declarations import DATAGRAM, MAGIC, VERSION, DatagramType, FrameType
from mayhem_udp.wire.frames import Ack, Close, Handshake, Ping, ResetRequest, Stream, Token
from mayhem_udp.wire.messages import MessageType
from mayhem_udp.wire.seal import is_intact


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.name)
def test_a_frame_of_each_type_comes_back_as_it_was(kind):
    @given(FRAMES[kind])
    def comes_back(frame):
        data = codec.encode_frame(frame)
        assert data[0] == kind
        assert codec.decode_frames(data) == [frame]
        assert codec.encode_frame(codec.decode_frames(data)[0]) == data

    comes_back()


@given(st.lists(frames, max_size=6), paddings)
def test_frames_share_a_datagram_in_their_order(some, padding):
    body = b"".join(map(codec.encode_frame, some)) + padding
    assert codec.decode_frames(body) == some


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.name)
def test_a_message_of_each_type_comes_back_as_it_was(kind):
    @given(MESSAGES[kind])
    def comes_back(message):
        data = messages.encode(message)
        assert data[0] == kind
        assert messages.decode(data) == message
        assert messages.encode(messages.decode(data)) == data

    comes_back()


@given(handshakes)
def test_handshake_parameters_come_back_as_they_were(parameters):
    data = codec.encode_handshake(parameters)
    agent = parameters.agent.encode()[: codec.AGENT_MAX_BYTES].decode("utf-8", "ignore")
    back = codec.decode_handshake(data)
    assert back is not None
    assert (back.agent, back.reset_token) == (agent, parameters.reset_token)
    assert codec.encode_handshake(back) == data


@given(handshakes, st.binary(min_size=1, max_size=20))
def test_parameters_of_a_later_version_are_passed_over(parameters, more):
    data = codec.encode_handshake(parameters)
    longer = (int.from_bytes(data[:2]) + len(more)).to_bytes(2) + data[2:] + more
    assert codec.decode_handshake(longer) == codec.decode_handshake(data)


@given(bodies(), u64, u64, u8)
def test_a_datagram_of_each_type_comes_back_as_it_was(kind_and_body, connection_id, sequence, flags):
    kind, body = kind_and_body
    data = codec.encode_datagram(kind, body, connection_id=connection_id, sequence=sequence, flags=flags)
    assert is_intact(data)
    header = codec.decode_header(data)
    assert header == (MAGIC, VERSION, kind, flags, 0, len(body), connection_id, sequence)
    parsed = DATAGRAM.parse(data)
    assert (parsed.body, parsed.header.sequence) == (body, sequence)
    assert DATAGRAM.build(parsed) == data


@given(tokens, st.lists(frames, max_size=3))
def test_a_hello_is_a_token_and_frames(token, some):
    back, rest = codec.split_hello(codec.join_hello(token, b"".join(map(codec.encode_frame, some))))
    assert (back, codec.decode_frames(rest)) == (token, some)


@given(tokens.filter(bool))
def test_a_retry_is_a_token(token):
    assert codec.retry_token(codec.join_retry(token)) == token


@given(st.lists(u8, min_size=1, max_size=255).map(tuple))
def test_a_list_of_versions_comes_back(versions):
    assert codec.split_versions(codec.join_versions(versions)) == versions


@given(ranges())
def test_an_ack_says_exactly_the_ranges_that_it_was_made_of(newest_first):
    pairs = pairs_of_ranges(newest_first)
    assert max(pairs) <= 0xFFFF
    said = ranges_of_ack(Ack(newest_first[0][1] - 1, 0, 0, pairs))
    assert all(later[1] <= earlier[0] for earlier, later in pairwise(said)), "newest first"
    assert RangeSet(said) == RangeSet(newest_first)


# --- What is refused -----------------------------------------------------------------------------------


def refusal(call, *arguments):
    with pytest.raises(PeerError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("number", sorted(set(range(256)) - set(FrameType)))
def test_an_unknown_frame_is_refused(number):
    error = refusal(codec.decode_frames, codec.encode_frame(Ping()) + bytes([number]) + bytes(40))
    assert error.code is Code.FRAME_MALFORMED
    assert f"{number:#04x}" in error.message


@pytest.mark.parametrize("number", sorted(set(range(256)) - set(MessageType)))
def test_an_unknown_message_is_refused(number):
    assert refusal(messages.decode, bytes([number]) + bytes(60)).code is Code.VERB_UNKNOWN


@given(session_messages, st.binary(min_size=1, max_size=5))
def test_a_message_with_bytes_to_spare_is_refused(message, more):
    assert refusal(messages.decode, messages.encode(message) + more).code is Code.MESSAGE_MALFORMED


def test_a_message_of_no_bytes_is_refused():
    assert refusal(messages.decode, b"").code is Code.VERB_UNKNOWN


def test_padding_that_is_not_zeros_is_refused():
    assert codec.decode_frames(b"\1" + bytes(50)) == [Ping()]
    refusal(codec.decode_frames, b"\1" + bytes(50) + b"\1")


@pytest.mark.parametrize("number", sorted(set(range(256)) - set(DatagramType)))
def test_a_datagram_of_an_unknown_type_is_none_of_ours(number):
    assert codec.decode_header(codec.encode_datagram(number, b"", connection_id=1, sequence=1)) is None


def test_a_header_of_another_version_is_read_whatever_its_type():
    data = codec.encode_datagram(77, b"", connection_id=1, sequence=1, version=VERSION + 1)
    header = codec.decode_header(data)
    assert header is not None
    assert (header.version, header.type) == (VERSION + 1, 77)


def test_a_key_phase_that_this_version_does_not_have_is_refused():
    data = bytearray(codec.encode_datagram(DatagramType.FRAMES, b"", connection_id=1, sequence=1))
    data[layout.DATA_DTYPE.fields["key_phase"][1]] = 1
    assert codec.decode_header(data) is None


@given(bodies(), st.integers(1, 30), st.booleans())
def test_a_length_that_is_not_the_datagrams_own_is_refused(kind_and_body, by, longer):
    kind, body = kind_and_body
    data = codec.encode_datagram(kind, body, connection_id=1, sequence=1)
    assert codec.decode_header(data + bytes(by) if longer else data[:-by]) is None


def test_limits_of_frames_hold_at_their_edges():
    reason = bytes(limits.REASON_MAX_BYTES)
    token = bytes(limits.TOKEN_MAX_BYTES)
    last = limits.BODY_OFFSET_MAX - 1
    for good in (Close(1, reason), ResetRequest(1, 1, reason), Token(token), Stream(0, last, b"x")):
        assert codec.decode_frames(codec.encode_frame(good)) == [good]
    for bad in (
        Close(1, reason + b"x"),
        ResetRequest(1, 1, reason + b"x"),
        Token(token + b"x"),
        Token(b""),
        Stream(0, last, b"xy"),
    ):
        refusal(codec.decode_frames, codec.encode_frame(bad))


def test_limits_of_tokens_hold_at_their_edges():
    token = bytes(limits.TOKEN_MAX_BYTES)
    assert codec.split_hello(codec.join_hello(token, b""))[0] == token
    refusal(codec.split_hello, codec.join_hello(token + b"x", b""))
    refusal(codec.split_hello, b"")
    refusal(codec.retry_token, codec.join_retry(b""))
    refusal(codec.retry_token, codec.join_retry(token) + b"x")
    refusal(codec.split_versions, b"\0")
    refusal(codec.split_versions, b"\2\1")
    refusal(codec.split_versions, b"\1\1\1")


@pytest.mark.parametrize(
    "change",
    [
        {"datagram_max_bytes": limits.DATAGRAM_MIN_BYTES - 1},
        {"chunk_bytes": limits.CHUNK_MIN_BYTES - 1},
        {"ack_delay_max_us": limits.ACK_DELAY_MAX_NS // 1_000 + 1},
        {"rate_cap_bps": limits.RATE_CAP_MIN_BPS - 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_parameters_out_of_range_are_refused(change):
    legal = {
        "idle_timeout_ms": 0,
        "datagram_max_bytes": limits.DATAGRAM_MIN_BYTES,
        "chunk_bytes": limits.CHUNK_MIN_BYTES,
        "ack_delay_max_us": limits.ACK_DELAY_MAX_NS // 1_000,
        "body_window_bytes": 0,
        "requests_max": 0,
        "rate_cap_bps": limits.RATE_CAP_MIN_BPS,
        "reset_token": bytes(16),
        "agent": "",
    }
    assert codec.decode_handshake(codec.encode_handshake(codec.Parameters(**legal))) is not None
    refusal(codec.decode_handshake, codec.encode_handshake(codec.Parameters(**(legal | change))))


def test_an_agent_that_is_no_text_is_refused():
    legal = codec.Parameters(0, limits.DATAGRAM_MIN_BYTES, 0, 0, 0, 0, 0, bytes(16), "agent")
    data = codec.encode_handshake(legal)
    assert "UTF-8" in refusal(codec.decode_handshake, data[:-1] + b"\xff").message


def test_an_agent_is_cut_between_characters():
    parameters = codec.Parameters(0, limits.DATAGRAM_MIN_BYTES, 0, 0, 0, 0, 0, bytes(16), "a" + 200 * "é")
    back = codec.decode_handshake(codec.encode_handshake(parameters))
    assert back is not None
    assert back.agent == "a" + codec.AGENT_MAX_BYTES // 2 * "é"


def test_an_ack_of_numbers_below_zero_is_refused():
    assert ranges_of_ack(Ack(4, 0, 0, (0, 5))) == [(0, 5)]
    assert refusal(ranges_of_ack, Ack(4, 0, 0, (0, 6))).code is Code.BAD_ACK
    assert refusal(ranges_of_ack, Ack(4, 0, 0, (6, 0))).code is Code.BAD_ACK


@given(digests)
def test_a_view_decodes_as_bytes_do(data):
    """The hot path hands over views of the socket's buffer."""
    body = codec.encode_frame(Handshake(7, data)) + codec.encode_frame(Stream(3, 9, data))
    assert codec.decode_frames(memoryview(bytearray(body))) == codec.decode_frames(body)


def test_every_type_is_tried_here():
    assert set(FRAMES) == set(FrameType) - {FrameType.PADDING} == set(frame_values.VALUES)
    assert set(MESSAGES) == set(MessageType) == set(messages.VALUES) == set(messages.DECLARATIONS)
