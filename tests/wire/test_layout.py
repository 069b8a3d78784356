"""The hot path's layout against the declarations that it is derived from: the same bytes, always."""

import numpy as np
import pytest
from construct import Struct
from hypothesis import given
from hypothesis import strategies as st
from legal_values import FRAMES, frames, handshakes, u8, u16, u32, u64, unsigned

from mayhem_udp.transport.streams.numbers import Kind, Side, kind_of, request_of, sender_of, stream_id
from mayhem_udp.wire import codec, declarations, layout, messages
from mayhem_udp.wire.declarations import DatagramType, FrameType
from mayhem_udp.wire.frames import VALUES, Ack

HEADS = {
    "header": declarations.HEADER,
    "seal": declarations.SEAL,
    "HELLO": declarations.HELLO,
    "RETRY": declarations.RETRY,
    "VERSIONS": declarations.VERSIONS,
    "DATA": declarations.DATA,
    "ACK pair": declarations.ACK_PAIR,
    "MESSAGE": declarations.MESSAGE,
    "HANDSHAKE": declarations.HANDSHAKE,
    "PARAMETERS": declarations.PARAMETERS,
    "PACK_ENTRY": messages.PACK_ENTRY,
    **{kind.name: each for kind, each in declarations.FRAMES.items()},
    **{f"{kind.name} message": each for kind, each in messages.DECLARATIONS.items()},
}
CONSTANTS = {"magic": declarations.MAGIC, "key_phase": 0}
WIDTHS = {"B": u8, "H": u16, "L": u32, "Q": u64, "q": st.integers(-(1 << 63), (1 << 63) - 1)}


@pytest.mark.parametrize("name", HEADS)
def test_the_fixed_head_of_a_declaration_has_the_same_bytes(name):
    declaration = HEADS[name]
    head = layout.fixed_fields(declaration)
    if not head:
        assert name in {"REMOVE message", "GET message", "GET_PACK message"}, "begins with a varying field"
        return
    start = Struct(*declaration.subcons[: len(head)])
    packed = layout.head_struct(declaration)
    dtype = layout.head_dtype(declaration)

    @given(st.data())
    def same_bytes(data):
        values = {field: CONSTANTS.get(field, data.draw(WIDTHS[code[1]])) for field, code in head}
        built = start.build(values)
        assert packed.pack(*values.values()) == built
        assert np.array(tuple(values.values()), dtype).tobytes() == built
        assert dict(zip(values, packed.unpack(built), strict=True)) == values
        assert packed.size == dtype.itemsize == start.sizeof()

    same_bytes()


def declared(frame):
    """What construct is told to build for a frame: every field of its declaration."""
    kind = next(kind for kind, value in VALUES.items() if isinstance(frame, value))
    values = {name: getattr(frame, name) for name in frame.__struct_fields__} | {"frame_type": kind}
    if isinstance(frame, Ack):
        pairs = frame.pairs
        values["pairs"] = [
            {"gap": gap, "length": length} for gap, length in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        values["pair_count"] = len(values["pairs"])
    for key in ("data", "reason", "token"):
        if key in values:
            values["length"] = len(values[key])
    return kind, values


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.name)
def test_the_codec_writes_a_frame_as_construct_does(kind):
    @given(FRAMES[kind])
    def same_bytes(frame):
        number, values = declared(frame)
        assert number is kind
        assert codec.encode_frame(frame) == declarations.FRAMES[kind].build(values)

    same_bytes()


@given(frames)
def test_the_codec_reads_a_frame_as_construct_does(frame):
    data = codec.encode_frame(frame)
    kind, values = declared(frame)
    parsed = declarations.FRAMES[kind].parse(data)
    assert {key: parsed[key] for key in values} == values
    assert codec.decode_frames(data) == [frame]


@given(st.lists(st.tuples(u64, u32, u64), min_size=1, max_size=20), u64, u8, unsigned(8))
def test_a_batch_of_heads_has_the_bytes_of_each(rows, connection_id, flags, length):
    """What a batch's headers are written with: one array of all of them."""
    kind = DatagramType.DATA
    heads = np.zeros(len(rows), layout.DATA_DTYPE)
    heads[:] = np.array(
        (declarations.MAGIC, declarations.VERSION, kind, flags, 0, length, connection_id, 0, 0, 0),
        layout.DATA_DTYPE,
    )
    for name, column in zip(("sequence", "stream_id", "offset"), zip(*rows, strict=True), strict=True):
        heads[name] = np.array(column, np.uint64)
    for head, (sequence, stream, offset) in zip(heads, rows, strict=True):
        header = declarations.HEADER.build(
            {
                "version": declarations.VERSION,
                "type": kind,
                "flags": flags,
                "length": length,
                "connection_id": connection_id,
                "sequence": sequence,
            }
        )
        body = declarations.DATA.build({"stream_id": stream, "offset": offset, "data": b""})
        assert head.tobytes() == header + body


@given(handshakes)
def test_a_handshake_is_what_its_declaration_says(parameters):
    data = codec.encode_handshake(parameters)
    parsed = declarations.HANDSHAKE.parse(data)
    assert declarations.HANDSHAKE.build(parsed) == data
    assert parsed.length == len(data) - layout.HANDSHAKE_HEAD.size
    assert parsed.parameters.agent_length == len(parsed.parameters.agent)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_hello_retry_and_versions_are_what_their_declarations_say(token, rest):
    hello = declarations.HELLO.build({"token_length": len(token), "token": token, "frames": rest})
    assert codec.join_hello(token, rest) == hello
    assert codec.join_retry(token) == declarations.RETRY.build({"token_length": len(token), "token": token})


@given(st.integers(0, (1 << 30) - 1), st.sampled_from(Kind), st.sampled_from(Side))
def test_the_bits_of_a_streams_number_are_what_their_declaration_says(request_number, kind, sender):
    number = stream_id(request_number, kind, sender)
    parts = {"request": request_number, "kind": kind, "sender": sender}
    assert declarations.STREAM_ID.build(parts) == number.to_bytes(4)
    assert (request_of(number), kind_of(number), sender_of(number)) == (request_number, kind, sender)


def test_the_sizes_that_the_transport_counts_with_are_those_of_the_declarations():
    assert layout.HEADER_BYTES == declarations.HEADER.sizeof() == 24
    assert layout.SEAL_BYTES == declarations.SEAL.sizeof() == 4
    assert layout.DATA_OVERHEAD_BYTES == 40
    assert layout.FRAMES_OVERHEAD_BYTES == 28
    assert layout.SAME_BYTES == 16
    assert (
        len(
            declarations.FRAMES[FrameType.STREAM].build(
                {"frame_type": 3, "stream_id": 0, "offset": 0, "length": 0, "data": b""}
            )
        )
        == codec.STREAM_FRAME_OVERHEAD_BYTES
    )
