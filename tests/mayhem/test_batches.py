"""Batches taken apart and put together again."""

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.limits import BATCH_MAX_BYTES
from mayhem_udp.mayhem.batches import join, split

TAGGED = st.lists(st.tuples(st.binary(max_size=6), st.sampled_from("ab")), max_size=40)


def apart(batches):
    return [
        (datagram, batch.tag)
        for batch in batches
        for datagram in split(batch.data, segment_bytes=batch.segment_bytes, total_bytes=len(batch.data))
    ]


@given(TAGGED)
def test_what_is_joined_comes_apart_as_it_was_but_for_empty_datagrams(datagrams):
    assert apart(join(datagrams)) == [each for each in datagrams if each[0]]


@given(st.integers(1, 9), st.integers(1, 60))
def test_a_batch_of_one_size_is_joined_into_one(size, count):
    datagrams = [(bytes([number]) * size, "a") for number in range(count)]
    assert len(list(join(datagrams))) == 1


def test_only_the_last_datagram_of_a_batch_is_shorter():
    datagrams = [(b"four", "a"), (b"two", "a"), (b"four", "a"), (b"longer", "a"), (b"four", "b")]
    assert [bytes(batch.data) for batch in join(datagrams)] == [b"fourtwo", b"four", b"longer", b"four"]


def test_a_batch_is_bounded():
    datagrams = [(bytes(1_400), "a")] * 1_000
    sizes = [len(batch.data) for batch in join(datagrams)]
    assert max(sizes) <= BATCH_MAX_BYTES
    assert sum(sizes) == 1_400_000
    assert len(sizes) == 3


def test_a_batch_of_one_is_its_datagram():
    assert split(b"abcdef", segment_bytes=10, total_bytes=4) == [b"abcd"]
