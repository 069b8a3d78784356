"""The floor's datagrams: what is laid out is what is gathered, and damage is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.floor import CRC_BYTES, TRAIN_MAX_BYTES, TRAIN_MAX_DATAGRAMS, gather, lay_out, train_bytes


def frames_for(size, datagram_bytes):
    return np.zeros((size // (datagram_bytes - CRC_BYTES) + 1, datagram_bytes), np.uint8)


@given(st.binary(min_size=1, max_size=3_000), st.integers(min_value=CRC_BYTES + 1, max_value=400))
def test_what_is_laid_out_is_gathered_again(block, datagram_bytes):
    frames = frames_for(len(block), datagram_bytes)
    total = lay_out(block, frames)
    assert total == len(block) + -(-len(block) // (datagram_bytes - CRC_BYTES)) * CRC_BYTES
    assert gather(memoryview(frames).cast("B")[:total], datagram_bytes).tobytes() == block


@pytest.mark.parametrize("at", [0, 99, 100, 150])
def test_damage_anywhere_ends_the_floor(at):
    frames = frames_for(150, 100)
    data = bytearray(memoryview(frames).cast("B")[: lay_out(b"x" * 150, frames)])
    data[at] ^= 1
    with pytest.raises(SystemExit):
        gather(memoryview(data), 100)


@pytest.mark.parametrize("datagram_bytes", [1, 1_472, 8_192, 65_487])
def test_trains_are_whole_datagrams_within_the_limits_of_the_kernel(datagram_bytes):
    train = train_bytes(datagram_bytes)
    assert train % datagram_bytes == 0
    assert train <= max(TRAIN_MAX_BYTES, datagram_bytes)
    assert train // datagram_bytes <= TRAIN_MAX_DATAGRAMS
