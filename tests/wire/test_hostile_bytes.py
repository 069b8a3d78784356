"""Bytes that nobody meant: random ones, flipped ones, those of others. Nothing but the declared errors."""

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from legal_values import datagrams, frame_bodies, handshakes, session_messages

from mayhem_udp.errors import PeerError
from mayhem_udp.wire import codec, messages
from mayhem_udp.wire.ack_ranges import ranges_of_ack
from mayhem_udp.wire.describe import describe, describe_frames, describe_message
from mayhem_udp.wire.frames import Ack
from mayhem_udp.wire.seal import is_intact


def frames_and_ranges(data):
    for frame in codec.decode_frames(data):
        codec.encode_frame(frame)
        if isinstance(frame, Ack):
            ranges_of_ack(frame)


DOORS = {
    "frames": frames_and_ranges,
    "message": lambda data: messages.encode(messages.decode(data)),
    "hello": codec.split_hello,
    "retry": codec.retry_token,
    "versions": codec.split_versions,
    "handshake": codec.decode_handshake,
}
NEVER_REFUSE = (codec.decode_header, is_intact, describe, describe_frames, describe_message)


def try_all(data):
    for door in DOORS.values():
        with suppress(PeerError):
            door(data)
    for taker in NEVER_REFUSE:
        taker(data)


@settings(max_examples=500)
@given(st.binary(max_size=300))
@example(b"")
@example(bytes(24))
@example(b"\xff" * 300)
@example(b"\2" + b"\xff" * 18 + b"\0" * 40)
def test_random_bytes_raise_nothing_undeclared(data):
    try_all(data)


@settings(max_examples=500)
@given(st.sampled_from(range(256)), st.binary(max_size=120))
def test_random_bytes_after_any_first_byte_raise_nothing_undeclared(first, data):
    try_all(bytes([first]) + data)


@settings(max_examples=300)
@given(
    st.one_of(
        datagrams(),
        frame_bodies,
        session_messages.map(messages.encode),
        handshakes.map(codec.encode_handshake),
    ),
    st.lists(st.integers(0, 1 << 16), min_size=1, max_size=6),
)
def test_flipped_bits_raise_nothing_undeclared(data, places):
    changed = bytearray(data)
    for place in places if data else ():
        changed[place // 8 % len(changed)] ^= 1 << place % 8
    try_all(bytes(changed))


@settings(max_examples=200)
@given(
    st.sampled_from(range(256)),
    st.sampled_from([0, 1, 4, 9, 255]),
    st.binary(max_size=120),
)
def test_whole_datagrams_of_nonsense_raise_nothing_undeclared(kind, version, body):
    data = codec.encode_datagram(kind, body, connection_id=1, sequence=2, version=version)
    try_all(data)


FOREIGN = {
    "DNS query": "abcd01000001000000000000076578616d706c6503636f6d0000010001",
    "QUIC initial": "c300000001088394c8f03e5157080000449e" + "00" * 40,
    "STUN binding": "000100002112a442" + "b7e7a701bc34d686fa87dfae",
    "NTP": "1b" + "00" * 47,
    "TFTP read": "000166696c65006f6374657400",
    "ours, nearly": "4d5a" + "00" * 30,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_datagram_of_another_protocol_is_none_of_ours(name):
    data = bytes.fromhex(FOREIGN[name])
    assert codec.decode_header(data) is None
    try_all(data)
