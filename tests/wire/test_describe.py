"""The explanation of a datagram: every byte once, what is wrong exactly where it is, and nothing unescaped."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legal_values import FRAMES, MESSAGES, datagrams, handshakes, session_messages

from mayhem_udp.cli.render.explained import Found, as_text, as_value
from mayhem_udp.cli.surroundings import Surroundings
from mayhem_udp.errors import PeerError
from mayhem_udp.limits import TOKEN_MAX_BYTES
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.streams.messages import LENGTH_BYTES, MessageReceive
from mayhem_udp.units import MIB
from mayhem_udp.wire import codec, declarations, layout, messages
from mayhem_udp.wire.ack_ranges import ranges_of_ack
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.describe import describe, describe_frames, describe_message
from mayhem_udp.wire.frames import Ack, Close, Handshake, PathChallenge, Ping, Stream
from mayhem_udp.wire.seal import is_intact, seal


def datagram(kind, body, **changes):
    return codec.encode_datagram(kind, body, **({"connection_id": 0xC0FFEE, "sequence": 9} | changes))


def of_frames(*frames):
    return datagram(DatagramType.FRAMES, b"".join(map(codec.encode_frame, frames)))


def enveloped(*payloads):
    return b"".join(len(payload).to_bytes(LENGTH_BYTES) + payload for payload in payloads)


def named(fields, name):
    return next(field for field in fields if field.name == name)


def faults(fields):
    return [field for field in fields if field.meaning.startswith("wrong")]


def is_right(data):
    """Whether a datagram would be taken: said without `describe`, by the codec's own doors."""
    if not is_intact(data) or (header := codec.decode_header(data)) is None:
        return False
    if header.version not in declarations.VERSIONS_SPOKEN and header.type != DatagramType.VERSIONS:
        return True  # nobody here knows
    body = data[layout.HEADER_BYTES : -layout.SEAL_BYTES]
    try:
        match header.type:
            case DatagramType.RETRY:
                codec.retry_token(body)
            case DatagramType.VERSIONS:
                codec.split_versions(body)
            case DatagramType.RESET:
                return len(body) == 16
            case DatagramType.DATA:
                return len(body) > layout.DATA_HEAD.size
            case DatagramType.HELLO:
                _check_frames(codec.split_hello(body)[1])
            case DatagramType.FRAMES:
                _check_frames(body)
    except PeerError:
        return False
    return True


def _check_frames(body):
    for frame in codec.decode_frames(body):
        match frame:
            case Ack():
                ranges_of_ack(frame)
            case Handshake(offset=0, data=data):
                codec.decode_handshake(data)
            case Stream(offset=0, data=data):
                for payload in MessageReceive(Memory(MIB)).put(0, data):
                    messages.decode(payload)


any_datagrams = st.one_of(
    datagrams(),
    st.builds(
        datagram,
        st.integers(0, 9),
        st.binary(max_size=80),
        version=st.sampled_from([1, 1, 1, 2]),
        flags=st.just(0),
    ),
    st.lists(session_messages, max_size=3).map(
        lambda some: of_frames(Stream(0, 0, enveloped(*map(messages.encode, some))))
    ),
    handshakes.map(lambda parameters: of_frames(Handshake(0, codec.encode_handshake(parameters)))),
)


@st.composite
def mangled(draw):
    """Datagrams, many with something done to them; some of those sealed again, so that the inside shows."""
    data = bytearray(draw(any_datagrams))
    for place in draw(st.lists(st.integers(0, 1 << 16), max_size=3)):
        data[place // 8 % len(data)] ^= 1 << place % 8
    cut = draw(st.integers(0, 40)) if draw(st.booleans()) else 0
    kept = bytes(data[: max(len(data) - cut, 0)])
    return seal(kept[: -layout.SEAL_BYTES]) if draw(st.booleans()) else kept


@settings(max_examples=400)
@given(mangled() | st.binary(max_size=200))
def test_every_byte_is_in_exactly_one_field_in_order(data):
    position = 0
    for field in describe(data):
        assert (field.offset, field.length >= 0) == (position, True)
        position += field.length
    assert position == len(data)


@settings(max_examples=600)
@given(mangled())
def test_a_fault_is_named_exactly_where_the_codec_would_refuse(data):
    assert bool(faults(describe(data))) is not is_right(data)


@settings(max_examples=300)
@given(mangled() | st.binary(max_size=200))
def test_an_explanation_is_safe_to_show_and_to_write_down(data):
    found = Found(data)
    fields = describe(data)
    for line in as_text(found, fields, number=1).splitlines():
        assert line.isprintable()
    for field in fields:
        assert not isinstance(field.value, str) or field.value.isprintable()
        assert field.meaning.isprintable()
        assert field.name.isprintable()
    json.dumps(as_value(found, fields))


@settings(max_examples=50)
@given(datagrams())
def test_a_datagram_cut_at_any_byte_is_said_to_be(data):
    for cut in range(len(data)):
        assert faults(describe(data[:cut]))
    assert describe(data)[-1].meaning == "right"


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.name)
def test_every_field_of_a_frame_is_told_with_its_place(kind):
    declaration = declarations.FRAMES[kind]

    @settings(max_examples=20)
    @given(FRAMES[kind])
    def all_told(frame):
        data = codec.encode_frame(frame)
        parsed = declaration.parse(data)
        told = {field.name: field for field in describe_frames(data)}
        position = 0
        for field, _ in layout.fixed_fields(declaration):
            size = declaration._subcons[field].sizeof()
            assert told[f"{kind.name}.{field}"][:2] == (position, size)
            assert int.from_bytes(data[position : position + size]) == parsed[field]
            position += size

    all_told()


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.name)
def test_every_field_of_a_message_is_told(kind):
    @settings(max_examples=20)
    @given(MESSAGES[kind])
    def all_told(message):
        data = messages.encode(message)
        fields = describe_message(data)
        assert not faults(fields)
        assert fields[0][:4] == (0, 1, f"{kind.name}.type", kind)
        told = {field.name.removeprefix(f"{kind.name}.").split("[")[0].split(".")[0] for field in fields}
        for each in messages.DECLARATIONS[kind].subcons:
            assert each.name in told

    all_told()


def test_a_put_in_a_stream_is_told_down_to_its_name():
    put = messages.Put(5, 1_700_000_000 * 10**9, 0o644, bytes(16), "küche/\x1b[2J\u202e.txt".encode())
    fields = describe(of_frames(Ping(), Stream(4, 0, enveloped(messages.encode(put)))))
    assert named(fields, "PING.frame_type").meaning == "PING: asks for an acknowledgement, says nothing"
    assert named(fields, "STREAM.stream_id").meaning == "request 1, messages, client to server"
    assert named(fields, "PUT.type").meaning == "PUT: store the body under name"
    assert named(fields, "PUT.name").value == r"küche/\x1b[2J\u202e.txt"
    assert named(fields, "PUT.mode").meaning == "0o644"
    assert named(fields, "seal.crc32").meaning == "right"


def test_messages_are_told_as_far_as_they_are_whole():
    first, second = (messages.encode(messages.PingRequest(number)) for number in (7, 8))
    data = enveloped(first, second)
    fields = describe(of_frames(Stream(0, 0, data[:-1])))
    assert named(fields, "PING.number").value == 7
    left = named(fields, "STREAM.data")
    assert (left.length, left.meaning) == (12, "the beginning of a message")
    later = describe(of_frames(Stream(0, len(first) + LENGTH_BYTES, enveloped(second))))
    assert named(later, "PING.number").value == 8
    amidst = describe(of_frames(Stream(0, 3, data[3:])))
    assert named(amidst, "STREAM.data").meaning == "of messages that other frames have the rest of"
    by_chance = describe(of_frames(Stream(0, 3, enveloped(second, b"\x7f"))))
    assert named(by_chance, "PING.number").value == 8
    assert named(by_chance, "STREAM.data").length == LENGTH_BYTES + 1
    assert not faults([*fields, *later, *amidst, *by_chance])


def test_a_seal_that_is_wrong_is_told_with_the_right_one():
    data = bytearray(of_frames(Ping()))
    right = named(describe(bytes(data)), "seal.crc32").value
    data[-1] ^= 1
    wrong = named(describe(bytes(data)), "seal.crc32")
    assert (wrong.offset, wrong.length) == (len(data) - 4, 4)
    assert wrong.meaning == f"wrong, should be {right}"


@pytest.mark.parametrize(
    ("data", "offset", "words"),
    [
        (b"\x4d", 0, "cut short, 2 bytes should be here and 1 are"),
        (b"\x4d\x5a" + bytes(40), 0, "should be 4d59"),
        (datagram(9, b""), 3, "no type of this version"),
        (of_frames(Ping())[:-2], 6, "the datagram has 27 bytes, and 28 are the least"),
        (of_frames(Ping()) + b"?!", 29, "the datagram ends before these bytes"),
        (datagram(DatagramType.FRAMES, b"\1\x7f"), 25, "frame type 0x7f is unknown"),
        (datagram(DatagramType.FRAMES, codec.encode_frame(PathChallenge(1))[:5]), 25, "cut short"),
        (datagram(DatagramType.FRAMES, b"\0\0\1"), 24, "padding is zeros"),
        (of_frames(Ack(1, 0, 0, (0, 3))), 24 + 23, "numbers below zero"),
        (of_frames(Close(1, bytes(201))), 24 + 5 + 201, "a reason is longer than allowed"),
        (datagram(DatagramType.HELLO, codec.join_hello(bytes(TOKEN_MAX_BYTES + 1), b"")), 283, "impossible"),
        (datagram(DatagramType.RETRY, b"\0\1xy"), 27, "RETRY ends before these bytes"),
        (datagram(DatagramType.VERSIONS, b"\0"), 25, "a list of versions"),
        (datagram(DatagramType.DATA, bytes(12)), 36, "carries no data"),
        (datagram(DatagramType.RESET, bytes(15)), 24, "cut short, 16 bytes should be here and 15 are"),
        (of_frames(Stream(0, 0, enveloped(b"\x7fx"))), 24 + 15 + 4, "message type 0x7f is unknown"),
        (
            of_frames(Stream(0, 0, enveloped(b"\x07abc"))),
            24 + 15 + 5,
            "cut short, 8 bytes should be here and 3",
        ),
        (of_frames(Stream(0, 0, enveloped(b""))), 24 + 15 + 4, "a message has a type at least"),
        (of_frames(Stream(0, 0, b"\0\0\x80\1ab")), 24 + 15, "32768 bytes at most, this one 32769"),
        (of_frames(Handshake(0, b"\0\2ab")), 24 + 7 + 2, "cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_with_its_offset(data, offset, words):
    told = [(field.offset, field.meaning) for field in faults(describe(data))]
    assert any(where == offset and words in meaning for where, meaning in told), told


def test_a_version_that_is_not_spoken_is_told_and_its_body_left_alone():
    fields = describe(datagram(1, b"who knows", version=9))
    assert "not spoken here" in named(fields, "header.version").meaning
    assert named(fields, "body").value == "9 bytes"
    assert not faults(fields)
    answer = describe(datagram(DatagramType.VERSIONS, codec.join_versions((8, 9)), version=9))
    assert named(answer, "VERSIONS.versions[1]").value == 9


def test_the_command_explains_with_this():
    assert Surroundings().describe(of_frames(Ping())) == describe(of_frames(Ping()))
