"""Packing, opening and taking apart whole batches, held to the simple code that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.packing import Load, pack_data
from mayhem_udp.transport.streams.bodies import BodySend, Piece
from mayhem_udp.transport.unpacking import data_runs, new_parts, part, payload
from mayhem_udp.units import MIB
from mayhem_udp.wire.codec import decode_header, encode_datagram
from mayhem_udp.wire.declarations import DatagramFlag, DatagramType
from mayhem_udp.wire.layout import DATA_HEAD, DATA_OVERHEAD_BYTES, HEADER_BYTES, SEAL_BYTES
from mayhem_udp.wire.seal import is_intact, seal

HERE = Address("192.0.2.1", 1)
ID = 0xABCDEF0123456789

LOADS = st.tuples(
    st.integers(16, 60),
    st.lists(
        st.tuples(st.integers(0, (1 << 30) - 1), st.integers(0, 1 << 40), st.integers(1, 6)),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 59),
)


def body_of(stream):
    return BodySend(stream << 2 | 2, limit=0, memory=Memory(MIB))


def loads_of(chunk, shapes, tail):
    """Pieces of whole datagrams; the last one may end in a shorter one."""
    loads = []
    for index, (stream, offset, datagrams) in enumerate(shapes):
        size = datagrams * chunk
        if index == len(shapes) - 1 and tail % chunk:
            size = size - chunk + tail % chunk
        data = np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)
        loads.append(Load(body_of(stream), Piece(offset, size, data, False), datagrams))
    return loads


def simply(loads, chunk, first, flags, last_flags):
    """For each chunk of each piece: the header, the payload, the seal."""
    datagrams = []
    for body, piece, count in loads:
        for index in range(count):
            data = piece.data[index * chunk : (index + 1) * chunk].tobytes()
            head = DATA_HEAD.pack(body.stream_id, piece.offset + index * chunk)
            datagrams.append((head + data, first + len(datagrams)))
    last = len(datagrams) - 1
    return [
        encode_datagram(
            DatagramType.DATA,
            body,
            connection_id=ID,
            sequence=number,
            flags=last_flags if index == last else flags,
        )
        for index, (body, number) in enumerate(datagrams)
    ]


def packed(loads, chunk, first=7, flags=DatagramFlag.NONE, last_flags=DatagramFlag.ACK_NOW):
    batch = pack_data(
        loads, chunk_bytes=chunk, connection_id=ID, first=first, flags=flags, last_flags=last_flags
    )
    return np.asarray(batch).tobytes()


@given(LOADS, st.integers(0, 1 << 48))
def test_a_batch_has_the_bytes_of_its_datagrams_made_one_by_one(shape, first):
    chunk, shapes, tail = shape
    loads = loads_of(chunk, shapes, tail)
    flags, last_flags = DatagramFlag.EARLY, DatagramFlag.EARLY | DatagramFlag.ACK_NOW
    expected = simply(loads, chunk, first, flags, last_flags)
    assert packed(loads, chunk, first, flags, last_flags) == b"".join(expected)


@given(LOADS)
def test_what_was_packed_is_opened_whole_and_taken_apart_into_the_same_pieces(shape):
    chunk, shapes, tail = shape
    loads = loads_of(chunk, shapes, tail)
    data = packed(loads, chunk)
    (opened,), broken = open_batch(ReceivedBatch(data, chunk + DATA_OVERHEAD_BYTES, len(data), HERE))
    assert broken == []
    assert opened.flags == DatagramFlag.ACK_NOW
    runs = data_runs(opened)
    assert sum(run.datagrams for run in runs) == opened.count
    assert b"".join(payload(opened, run).tobytes() for run in runs) == b"".join(
        load.piece.data.tobytes() for load in loads
    )
    for run in runs:
        assert run.first == 7 + run.row


@given(LOADS, st.data())
def test_damage_takes_out_what_it_hits_and_nothing_else(shape, data):
    chunk, shapes, tail = shape
    batch = bytearray(packed(loads_of(chunk, shapes, tail), chunk))
    segment = chunk + DATA_OVERHEAD_BYTES
    datagrams = [bytes(batch[at : at + segment]) for at in range(0, len(batch), segment)]
    hit = data.draw(st.sets(st.integers(0, len(datagrams) - 1)))
    for index in hit:
        batch[index * segment + data.draw(st.integers(HEADER_BYTES, len(datagrams[index]) - 1))] ^= 0x40
    stretches, broken = open_batch(ReceivedBatch(bytes(batch), segment, len(batch), HERE))
    assert broken == [ID] * len(hit), "who it claims to be is still legible"
    whole = b"".join(opened.rows.tobytes() for opened in stretches)
    assert whole == b"".join(each for index, each in enumerate(datagrams) if index not in hit)
    for opened in stretches:
        assert opened.header == decode_header(opened.rows[: min(segment, opened.total_bytes)].tobytes())


@given(
    st.lists(
        st.tuples(st.sampled_from([4, 5]), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=12
    )
)
def test_neighbours_alike_in_type_and_connection_make_a_stretch(kinds):
    """Other types and connections between them cut a batch into stretches, in order."""
    datagrams = [
        encode_datagram(DatagramType(kind), b"\1" * 40, connection_id=number, sequence=sequence)
        for kind, number, sequence in kinds
    ]
    data = b"".join(datagrams)
    stretches, _ = open_batch(ReceivedBatch(data, len(datagrams[0]), len(data), HERE))
    assert b"".join(opened.rows.tobytes() for opened in stretches) == data
    cuts = [(kind, number) for kind, number, _ in kinds]
    expected = [each for index, each in enumerate(cuts) if index == 0 or cuts[index - 1] != each]
    assert [(opened.header.type, opened.header.connection_id) for opened in stretches] == expected


@given(st.binary(max_size=400), st.integers(1, 100))
def test_noise_opens_to_nothing(noise, segment):
    if noise:
        stretches, broken = open_batch(ReceivedBatch(noise, segment, len(noise), HERE))
        assert stretches == []
        assert len(broken) == -(-len(noise) // segment)


def opened_of(*datagrams):
    data = b"".join(datagrams)
    (opened,), _ = open_batch(ReceivedBatch(data, len(datagrams[0]), len(data), HERE))
    return opened


def data_datagram(stream, offset, payload_bytes, number):
    body = DATA_HEAD.pack(stream, offset) + payload_bytes
    return encode_datagram(DatagramType.DATA, body, connection_id=ID, sequence=number)


def test_runs_break_where_numbers_offsets_or_streams_do():
    shapes = [(2, 0, 1), (2, 10, 2), (2, 20, 4), (2, 40, 5), (6, 50, 6), (6, 60, 7)]
    opened = opened_of(
        *(data_datagram(stream, offset, b"x" * 10, number) for stream, offset, number in shapes)
    )
    runs = [(run.row, run.datagrams, run.first, run.stream_id, run.offset) for run in data_runs(opened)]
    assert runs == [(0, 2, 1, 2, 0), (2, 1, 4, 2, 20), (3, 1, 5, 2, 40), (4, 2, 6, 6, 50)]


@pytest.mark.parametrize("count", [1, 3])
def test_a_datagram_without_data_is_the_peers_error(count):
    opened = opened_of(*(data_datagram(2, 0, b"", number) for number in range(count)))
    with pytest.raises(PeerError) as caught:
        data_runs(opened)
    assert caught.value.code == Code.FRAME_MALFORMED


@pytest.mark.parametrize("offset", [(1 << 62) + 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("count", [1, 2])
def test_an_offset_past_any_file_is_the_peers_error(offset, count):
    opened = opened_of(*(data_datagram(2, offset, b"x", number) for number in range(count)))
    with pytest.raises(PeerError):
        data_runs(opened)


@given(st.integers(1, 12), st.data())
def test_the_parts_of_a_run_that_are_new(count, data):
    first = 20
    opened = opened_of(
        *(data_datagram(2, 100 + 10 * index, bytes([index]) * 10, first + index) for index in range(count))
    )
    (run,) = data_runs(opened)
    start = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(start + 1, count))
    (fresh,) = new_parts(run, [(first + start, first + stop)], chunk_bytes=10)
    assert (fresh.offset, fresh.datagrams) == (100 + 10 * start, stop - start)
    assert payload(opened, fresh).tobytes() == b"".join(bytes([index]) * 10 for index in range(start, stop))
    assert part(run, first, first + count, chunk_bytes=10) == run


def test_a_payload_outlives_its_buffer():
    data = bytearray(data_datagram(2, 0, b"keep me", 0))
    (opened,), _ = open_batch(ReceivedBatch(data, len(data), len(data), HERE))
    kept = payload(opened, data_runs(opened)[0])
    data[:] = bytes(len(data))
    assert kept.tobytes() == b"keep me"
    assert not is_intact(bytes(data[:-SEAL_BYTES]))


@pytest.mark.parametrize("segment", range(1, HEADER_BYTES + SEAL_BYTES + 1))
def test_a_batch_of_datagrams_too_small_for_a_header_is_nothing(segment):
    """Four zeros carry the right CRC32 of nothing at all, and a kernel hands over many of one size at once."""
    data = seal(bytes(segment - 4)) * 5 if segment >= 4 else bytes(5 * segment)
    for count in (2, 3, 5):
        stretches, _ = open_batch(ReceivedBatch(data[: count * segment], segment, count * segment, HERE))
        assert stretches == []
