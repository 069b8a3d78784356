"""Everything cut short at every byte: refused exactly where construct's interpreted parser refuses it.

A compiled parser gives short bytes for some of these, and a struct some other error: the codec must not.
"""

import pytest
from construct import ConstructError
from hypothesis import given, settings
from legal_values import FRAMES, MESSAGES, datagrams, handshakes, tokens

from mayhem_udp.errors import PeerError
from mayhem_udp.wire import codec, declarations, layout, messages
from mayhem_udp.wire.declarations import DatagramType

few = settings(max_examples=25)


def takes(parse, data, refusals):
    """Whether `parse` takes the bytes; anything but a declared refusal is a failure of the test."""
    try:
        parse(data)
    except refusals:
        return False
    return True


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.name)
def test_a_frame_cut_short_is_refused_where_construct_refuses_it(kind):
    @few
    @given(FRAMES[kind])
    def agree(frame):
        data = codec.encode_frame(frame)
        for cut in range(1, len(data)):
            by_construct = takes(declarations.FRAMES[kind].parse, data[:cut], ConstructError)
            assert takes(codec.decode_frames, data[:cut], PeerError) is by_construct is False

    agree()


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.name)
def test_a_message_cut_short_is_refused_where_construct_refuses_it(kind):
    @few
    @given(MESSAGES[kind])
    def agree(message):
        data = messages.encode(message)
        for cut in range(1, len(data)):
            by_construct = takes(messages.DECLARATIONS[kind].parse, data[1:cut], ConstructError)
            assert takes(messages.decode, data[:cut], PeerError) is by_construct is False

    agree()


@few
@given(datagrams())
def test_a_datagram_cut_short_is_none_of_ours(data):
    for cut in range(len(data)):
        assert codec.decode_header(data[:cut]) is None
        assert not takes(declarations.DATAGRAM.parse, data[:cut], ConstructError)


@few
@given(tokens.filter(bool))
def test_a_token_cut_short_is_refused_where_construct_refuses_it(token):
    bodies = {
        DatagramType.HELLO: (codec.join_hello(token, b""), codec.split_hello),
        DatagramType.RETRY: (codec.join_retry(token), codec.retry_token),
        DatagramType.VERSIONS: (codec.join_versions(tuple(token)[:255]), codec.split_versions),
    }
    for kind, (data, split) in bodies.items():
        for cut in range(len(data)):
            by_construct = takes(declarations.BODIES[kind].parse, data[:cut], ConstructError)
            assert takes(split, data[:cut], PeerError) is by_construct is False


@few
@given(handshakes)
def test_a_handshake_cut_short_is_waited_for(parameters):
    data = codec.encode_handshake(parameters)
    for cut in range(len(data)):
        assert codec.decode_handshake(data[:cut]) is None


@few
@given(handshakes)
def test_parameters_cut_short_are_refused_where_construct_refuses_them(parameters):
    data = codec.encode_handshake(parameters)[layout.HANDSHAKE_HEAD.size :]
    for cut in range(len(data)):
        message = layout.HANDSHAKE_HEAD.pack(cut) + data[:cut]
        by_construct = takes(declarations.PARAMETERS.parse, data[:cut], ConstructError)
        assert takes(codec.decode_handshake, message, PeerError) is by_construct is False
