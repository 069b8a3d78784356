"""Numbers across every boundary of their width: a file of 10 TB in chunks of 1,000 bytes, and far beyond.

Whatever is counted here crosses the wire once on each side of the boundary: by the codec, by the layout
that batches are written with, and through the engine's packing and unpacking.
"""

import numpy as np
import pytest

from mayhem_udp import limits
from mayhem_udp.errors import Code, PeerError
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.transport.acks import AckTracker
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.transport.packing import Load, pack_data
from mayhem_udp.transport.streams.bodies import BodySend, Piece
from mayhem_udp.transport.streams.numbers import Kind, Side, request_of, stream_id
from mayhem_udp.transport.unpacking import data_runs, payload
from mayhem_udp.units import MIB
from mayhem_udp.wire import codec, declarations, messages
from mayhem_udp.wire.ack_ranges import pairs_of_ranges, ranges_of_ack
from mayhem_udp.wire.declarations import DatagramFlag, DatagramType
from mayhem_udp.wire.frames import Ack, MaxStream, Stream
from mayhem_udp.wire.layout import DATA_OVERHEAD_BYTES

FILE_BYTES = 10 * 10**12
CHUNK_BYTES = 1_000
DATAGRAMS = FILE_BYTES // CHUNK_BYTES

NUMBERS = sorted(
    {*(1 << bits for bits in (8, 15, 16, 24, 31, 32, 33, 40, 48, 53, 61)), DATAGRAMS, FILE_BYTES}
)
"""Where something could wrap: the widths of C, of a float's integers, and the 10 TB themselves."""


def near(number):
    return range(number - 3, number + 4)


def test_the_widths_hold_ten_terabytes_with_room_to_spare():
    assert limits.BODY_OFFSET_MAX > 100_000 * FILE_BYTES
    assert DATAGRAMS > 1 << 32, "32 bits would not do"
    assert limits.NUMBER_JUMP_MAX < 1 << 63


@pytest.mark.parametrize("number", [*NUMBERS, 1 << 62, (1 << 63) - 4])
def test_a_sequence_number_crosses_the_boundary(number):
    for sequence in near(number):
        data = codec.encode_datagram(DatagramType.FRAMES, b"", connection_id=sequence, sequence=sequence)
        header = codec.decode_header(data)
        assert (header.sequence, header.connection_id) == (sequence, sequence)
        assert declarations.DATAGRAM.parse(data).header.sequence == sequence


@pytest.mark.parametrize("number", NUMBERS)
def test_a_batch_of_data_crosses_the_boundary_of_numbers_and_offsets(number):
    """Ten datagrams, the middle one of which begins at the boundary, both in number and in offset."""
    for chunk in (16, CHUNK_BYTES):
        offset = max(number - 5 * chunk, 0)
        first = number - 5
        data = np.arange(10 * chunk - 3, dtype=np.uint64).astype(np.uint8)
        body = BodySend(stream_id(1, Kind.BODY, Side.CLIENT), limit=1 << 62, memory=Memory(MIB))
        batch = pack_data(
            [Load(body, Piece(offset, len(data), data, False), 10)],
            chunk_bytes=chunk,
            connection_id=7,
            first=first,
            flags=DatagramFlag.NONE,
            last_flags=DatagramFlag.NONE,
        )
        segment = chunk + DATA_OVERHEAD_BYTES
        for index in range(10):
            parsed = declarations.DATAGRAM.parse(batch[index * segment : (index + 1) * segment].tobytes())
            inner = declarations.DATA.parse(parsed.body)
            assert (parsed.header.sequence, inner.offset) == (first + index, offset + index * chunk)
        received = ReceivedBatch(batch, segment, len(batch), Address("192.0.2.1", 1))
        (opened,), broken = open_batch(received)
        (run,) = data_runs(opened)
        assert not broken
        assert (run.first, run.datagrams, run.offset) == (first, 10, offset)
        assert (payload(opened, run) == data).all()


@pytest.mark.parametrize("number", NUMBERS)
def test_acknowledgements_cross_the_boundary(number):
    tracker = AckTracker(delay_ns=0)
    start = number - 50
    tracker.largest = start - 1  # all before has been received and acknowledged
    for first in range(start, number + 50, 7):
        tracker.record(first, 5, now_ns=0)
    ack = tracker.frame(now_ns=0)
    assert codec.decode_frames(codec.encode_frame(ack)) == [ack]
    assert RangeSet(ranges_of_ack(ack)) == tracker.received


@pytest.mark.parametrize("length", [1, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 1 << 20])
@pytest.mark.parametrize("gap", [1, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 1 << 20])
def test_an_ack_says_gaps_and_lengths_past_the_width_of_a_pair(gap, length):
    top = DATAGRAMS
    newest_first = [(top - length, top), (top - length - gap - length, top - length - gap)]
    (ack,) = codec.decode_frames(codec.encode_frame(Ack(top - 1, 0, 0, pairs_of_ranges(newest_first))))
    assert RangeSet(ranges_of_ack(ack)) == RangeSet(newest_first)


@pytest.mark.parametrize("number", [*NUMBERS, limits.BODY_OFFSET_MAX - 16])
def test_offsets_and_credit_cross_the_boundary(number):
    for offset in near(number):
        stream, credit = Stream(0, offset, b"x"), MaxStream(2, offset)
        data = codec.encode_frame(stream) + codec.encode_frame(credit)
        assert codec.decode_frames(data) == [stream, credit]
        for message in (
            messages.Trailer(offset, bytes(32)),
            messages.Accept(offset, -1, 0, bytes(16), ((offset, offset + 1),)),
            messages.Repair(offset, b"x"),
        ):
            assert messages.decode(messages.encode(message)) == message


@pytest.mark.parametrize("over", [1, 1 << 20, (1 << 63) - (1 << 62), (1 << 64) - 1 - (1 << 62)])
def test_an_offset_past_any_file_is_refused(over):
    offset = limits.BODY_OFFSET_MAX + over
    with pytest.raises(PeerError) as caught:
        codec.decode_frames(codec.encode_frame(Stream(0, offset, b"")))
    assert caught.value.code is Code.FRAME_MALFORMED
    for count in (1, 3):
        body = declarations.DATA.build({"stream_id": 2, "offset": offset, "data": b"x"})
        datagram = codec.encode_datagram(DatagramType.DATA, body, connection_id=7, sequence=1)
        batch = ReceivedBatch(datagram * count, len(datagram), len(datagram) * count, Address("::1", 1))
        (opened,), _ = open_batch(batch)
        with pytest.raises(PeerError):
            data_runs(opened)


@pytest.mark.parametrize("sequence", [limits.NUMBER_JUMP_MAX, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1])
def test_a_number_far_ahead_is_refused_and_does_not_wrap(sequence):
    body = declarations.DATA.build({"stream_id": 2, "offset": 0, "data": b"x"})
    datagram = codec.encode_datagram(DatagramType.DATA, body, connection_id=7, sequence=sequence)
    for count in (1, 2):
        batch = ReceivedBatch(datagram * count, len(datagram), len(datagram) * count, Address("::1", 1))
        (opened,), _ = open_batch(batch)
        tracker = AckTracker(delay_ns=0)
        run = data_runs(opened)[0]
        with pytest.raises(PeerError):
            tracker.record(run.first, run.datagrams, now_ns=0)


def test_the_last_request_has_a_number_that_fits():
    last = stream_id(limits.REQUESTS_MAX - 1, Kind.BODY, Side.SERVER)
    assert last == (1 << 32) - 1
    assert request_of(last) == limits.REQUESTS_MAX - 1
    assert codec.decode_frames(codec.encode_frame(MaxStream(last, 0))) == [MaxStream(last, 0)]
