"""The seal: the CRC32 of everybody else, in batches as one by one, and no flipped bit passes."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legal_values import datagrams

from mayhem_udp.limits import DATAGRAM_MIN_BYTES
from mayhem_udp.wire.layout import SEAL_BYTES
from mayhem_udp.wire.seal import RESIDUE, broken_in_batch, is_intact, seal, seal_batch


@given(st.binary(max_size=200))
def test_a_seal_is_the_crc32_of_ieee_802_3_little_endian(data):
    sealed = seal(data)
    assert sealed == data + zlib.crc32(data).to_bytes(SEAL_BYTES, "little")
    assert zlib.crc32(sealed) == RESIDUE
    assert is_intact(sealed) is bool(data)


def test_the_check_value_of_the_catalogue_is_ours():
    """CRC-32/ISO-HDLC of `123456789` is cbf43926 (reveng.sourceforge.io/crc-catalogue/17plus.htm)."""
    assert seal(b"123456789")[-SEAL_BYTES:][::-1].hex() == "cbf43926"


@settings(max_examples=20)
@given(datagrams())
def test_every_flipped_bit_of_a_datagram_is_found(data):
    changed = bytearray(data)
    for place in range(len(data) * 8):
        changed[place // 8] ^= 1 << place % 8
        assert not is_intact(changed)
        changed[place // 8] ^= 1 << place % 8
    assert is_intact(changed)


@given(datagrams(), st.integers(0, 1 << 16), st.integers(1, (1 << 32) - 1))
def test_every_burst_of_up_to_32_bits_is_found(data, place, pattern):
    whole = int.from_bytes(data) ^ pattern << place % (len(data) * 8 - 31)
    assert not is_intact(whole.to_bytes(len(data)))


batches = st.tuples(
    st.integers(29, 300), st.integers(1, 12), st.integers(0, 299), st.randoms(use_true_random=False)
)


def made(batch):
    """A batch with room for seals: its bytes, the size of a segment, and where each datagram is."""
    segment, count, tail, random = batch
    last = tail if SEAL_BYTES < tail < segment else segment
    total = (count - 1) * segment + last
    buffer = np.frombuffer(random.randbytes(total), np.uint8).copy()
    return buffer, segment, [(start, min(start + segment, total)) for start in range(0, total, segment)]


@given(batches)
def test_a_batch_is_sealed_as_each_of_its_datagrams_would_be(batch):
    buffer, segment, places = made(batch)
    singly = b"".join(seal(buffer[start : stop - SEAL_BYTES].tobytes()) for start, stop in places)
    seal_batch(buffer, segment_bytes=segment, total_bytes=len(buffer))
    assert buffer.tobytes() == singly
    assert broken_in_batch(buffer, segment_bytes=segment, total_bytes=len(buffer)) == []


@given(batches, st.lists(st.integers(0, 1 << 20), min_size=1, max_size=5))
def test_exactly_the_damaged_datagrams_of_a_batch_are_found(batch, flips):
    buffer, segment, places = made(batch)
    seal_batch(buffer, segment_bytes=segment, total_bytes=len(buffer))
    bits = {flip % (len(buffer) * 8) for flip in flips}
    for bit in bits:
        buffer[bit // 8] ^= 1 << bit % 8
    found = broken_in_batch(buffer, segment_bytes=segment, total_bytes=len(buffer))
    singly = [
        index for index, (start, stop) in enumerate(places) if not is_intact(buffer[start:stop].tobytes())
    ]
    hit_once = {bit // 8 // segment for bit in bits}
    assert found == singly
    assert set(found) <= hit_once
    if len(bits) == 1:
        assert set(found) == hit_once


@pytest.mark.parametrize("tail", [0, 5, 40, 63])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_flipped_bit_of_a_batch_is_found_where_it_is(count, tail):
    segment = 64
    buffer = np.arange(count * segment + tail, dtype=np.uint64).astype(np.uint8)
    seal_batch(buffer, segment_bytes=segment, total_bytes=len(buffer))
    for place in range(len(buffer) * 8):
        buffer[place // 8] ^= np.uint8(1 << place % 8)
        found = broken_in_batch(buffer, segment_bytes=segment, total_bytes=len(buffer))
        assert found == [place // 8 // segment]
        buffer[place // 8] ^= np.uint8(1 << place % 8)


def test_bytes_beyond_a_batch_are_left_alone():
    buffer = np.full(3 * DATAGRAM_MIN_BYTES, 7, np.uint8)
    seal_batch(buffer, segment_bytes=DATAGRAM_MIN_BYTES, total_bytes=2 * DATAGRAM_MIN_BYTES - 100)
    assert (buffer[2 * DATAGRAM_MIN_BYTES - 100 :] == 7).all()


@pytest.mark.parametrize("size", range(SEAL_BYTES + 1))
def test_a_seal_of_nothing_seals_nothing(size):
    assert not is_intact(bytes(size))
    assert not is_intact(seal(b"")[:size])
