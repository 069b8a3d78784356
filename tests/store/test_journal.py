"""The journal of a transfer: usable whatever became of its bytes, and never believed without a digest."""

from random import Random
from zlib import crc32

import pytest
import xxhash
from deliveries import SMALL_POLICY
from hypothesis import given
from hypothesis import strategies as st
from simulated_disk import SimulatedDisk

from mayhem_udp.store.filling import Filling
from mayhem_udp.store.journal import (
    HEADER_MAX_BYTES,
    RECORD_BYTES,
    Header,
    Journal,
    JournalPolicy,
    JournalReader,
    decode_header,
    encode_header,
    encode_record,
)
from mayhem_udp.store.recovery import recover
from mayhem_udp.units import MIB

DATA = Random(1).randbytes(640)
HEADER = Header("folder/файл", len(DATA), b"f" * 16, 1_700_000_000_000_000_000, 0o640)


class Bench:
    """A disk with one folder, a staging, and its journal."""

    def __init__(self):
        self.disk = SimulatedDisk()
        self.disk.plant_folder("/d")
        self.folder = self.disk.open_root("/d")
        self.staging = self.disk.create_file(self.folder, b"part")

    def journal(self, header=HEADER, *, policy=SMALL_POLICY):
        return Journal(self.disk, self.folder, b"journal", header, policy=policy)

    def fill(self, journal, *ranges):
        for start, stop in ranges:
            for offset in range(start, stop, 64):
                data = DATA[offset : min(offset + 64, stop)]
                self.disk.write(self.staging, data, offset)
                journal.note(offset, data)

    def bytes(self):
        return self.disk.content("/d/journal")

    def replace(self, data):
        self.disk.plant("/d/journal", data)

    def read(self):
        file = self.disk.open_file(self.folder, b"journal")
        reader = JournalReader(self.disk, file)
        filling = Filling(self.disk, self.staging, None)
        if reader.header is not None:
            recover(self.disk, self.staging, reader, filling)
        self.disk.close(file)
        return reader.header, list(filling.have())


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture(scope="module")
def written():
    """A journal with a dozen records, and what it says."""
    bench = Bench()
    journal = bench.journal()
    bench.fill(journal, *((start, start + 48) for start in range(0, 640, 64)))
    journal.finish_run()
    journal.flush()
    return bench.bytes(), bench.read()[1]


def test_what_was_noted_is_found_again(bench):
    journal = bench.journal()
    bench.fill(journal, (0, 200), (300, 400), (200, 300))
    journal.finish_run()
    journal.flush()
    assert bench.read() == (HEADER, [(0, 400)])


def test_a_journal_is_made_with_its_first_record_and_not_before(bench):
    journal = bench.journal()
    bench.fill(journal, (0, 63))
    assert not journal.exists
    assert bench.bytes() is None
    journal.flush()
    assert not journal.exists, "a header alone is of no use"
    bench.fill(journal, (63, 64))
    assert journal.exists


def test_no_descriptor_is_held_between_records(bench):
    before = len(bench.disk.open)
    journal = bench.journal()
    bench.fill(journal, (0, 256))
    assert len(bench.disk.open) == before


@pytest.mark.parametrize("cut", range(len(encode_header(HEADER)) + 10 * RECORD_BYTES + 1))
def test_cut_at_any_byte_a_journal_is_usable(written, cut):
    data, ranges = written
    assert cut <= len(data)
    bench = Bench()
    bench.disk.write(bench.staging, DATA, 0)
    bench.replace(data[:cut])
    header, found = bench.read()
    head = len(encode_header(HEADER))
    whole = max(0, cut - head) // RECORD_BYTES
    assert found == (ranges[:whole] if header else [])
    assert header in {HEADER, None}
    assert (header is None) == (cut < head - (-(48 + len(HEADER.name.encode())) % RECORD_BYTES))


@given(at=st.integers(0, 2_000), with_what=st.binary(min_size=1, max_size=80), torn=st.integers(0, 2_000))
def test_garbage_anywhere_makes_nothing_of_it_true(written, at, with_what, torn):
    data, ranges = written
    spoilt = bytearray(data[: torn % (len(data) + 1)])
    at %= len(data)
    spoilt[at : at + len(with_what)] = with_what
    bench = Bench()
    bench.disk.write(bench.staging, DATA, 0)
    bench.replace(bytes(spoilt))
    _, found = bench.read()
    assert set(found) <= set(ranges)


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_read_without_an_error(data):
    bench = Bench()
    bench.replace(data)
    header, found = bench.read()
    assert header is None
    assert found == [(0, 0)] or not found


def test_going_on_after_a_torn_record_overwrites_it(bench):
    journal = bench.journal()
    bench.fill(journal, (0, 128))
    whole = bench.bytes()
    bench.replace(whole[:-5])
    again = bench.journal()
    again.resume_at(len(whole) - 5)
    bench.fill(again, (128, 256))
    assert bench.read()[1] == [(0, 64), (128, 256)]


def test_records_of_another_journal_do_not_pass(bench):
    """Blocks of a disk are used again: what lies behind a new header may be an old journal."""
    other = Header("another", len(DATA), b"f" * 16, 0, 0)
    old = Bench()
    journal = old.journal(other)
    old.fill(journal, (0, 640))
    records = old.bytes()[len(encode_header(other)) :]
    bench.disk.write(bench.staging, DATA, 0)
    bench.replace(encode_header(HEADER) + records)
    assert bench.read()[1] in ([], [(0, 0)])


def test_bytes_that_do_not_fit_their_digest_are_not_trusted(bench):
    journal = bench.journal()
    bench.fill(journal, (0, 640))
    bench.disk.write(bench.staging, b"\0", 300)
    assert bench.read()[1] == [(0, 256), (320, 640)]
    bench.disk.truncate(bench.staging, 200)
    assert bench.read()[1] == [(0, 192)]


def test_ranges_outside_of_the_file_are_not_read(bench):
    head = encode_header(HEADER)
    seed = crc32(head)
    huge = [(600, 641), (64, 64), (64, 0), (0, 1 << 63), (1 << 63, (1 << 63) + 1)]
    records = [encode_record(start, stop, b"x" * 16, seed) for start, stop in huge]
    good = encode_record(0, 64, xxhash.xxh3_128_digest(DATA[:64]), seed)
    bench.disk.write(bench.staging, DATA, 0)
    bench.replace(head + b"".join(records) + good)
    assert bench.read()[1] == [(0, 64)]


def test_a_record_longer_than_the_bytes_that_are_there_is_not_trusted(bench):
    record = encode_record(0, 128, xxhash.xxh3_128_digest(DATA[:64]), crc32(encode_header(HEADER)))
    bench.disk.write(bench.staging, DATA[:64], 0)
    bench.replace(encode_header(HEADER) + record)
    assert bench.read()[1] == []


def test_a_record_of_a_length_that_nobody_writes_is_not_read(bench):
    """A journal that somebody made up does not make us take a terabyte of memory."""
    asked = []

    class Watched(SimulatedDisk):
        def read(self, file, size, offset):
            asked.append(size)
            return super().read(file, size, offset)

    bench.disk.__class__ = Watched
    header = Header("a", 1 << 60, b"f" * 16, 0, 0)
    records = [
        encode_record(0, 1 << length, bytes(16), crc32(encode_header(header))) for length in range(20, 60)
    ]
    bench.replace(encode_header(header) + b"".join(records))
    bench.read()
    assert max(asked) <= 64 * MIB


def test_a_range_that_is_known_to_be_good_is_not_read_twice(bench):
    journal = bench.journal()
    bench.fill(journal, (0, 64), (128, 192))
    for _ in range(5):
        bench.fill(journal, (0, 64))
    reads = bench.disk.calls["read"]
    bench.read()
    of_the_journal = 2
    assert bench.disk.calls["read"] - reads == of_the_journal + 2


def test_crumbs_do_not_make_a_journal_larger_than_a_twelfth_of_the_file(bench):
    policy = JournalPolicy(run_bytes=1 << 20, flush_bytes=4_096, piece_min_bytes=512, resume_min_bytes=1)
    size = 1 << 19
    journal = bench.journal(Header("a", size, b"f" * 16, 0, 0), policy=policy)
    for start in range(0, size, 1_024):  # every other 512 bytes, then the rest: the worst that can come
        journal.note(start, bytes(512))
    for start in range(512, size, 1_024):
        journal.note(start, bytes(512))
    for start in range(0, size, 100):
        journal.note(start, bytes(1))
    journal.finish_run()
    journal.flush()
    assert len(bench.bytes()) <= size // 12 + HEADER_MAX_BYTES


def test_what_cannot_be_flushed_waits_for_the_next_time(bench):
    journal = bench.journal()
    bench.disk.fault = lambda operation, _count: OSError(28, "full") if operation == "create_file" else None
    bench.fill(journal, (0, 128))
    assert not journal.exists
    bench.disk.fault = lambda _operation, _count: None
    bench.fill(journal, (128, 192))
    assert bench.read()[1] == [(0, 192)]


def test_a_flush_that_is_done_in_part_is_done_again(bench):
    journal = bench.journal()
    bench.disk.capacity_bytes = 64 + 50
    bench.fill(journal, (0, 64))
    assert not journal.exists
    bench.disk.capacity_bytes = 1 << 20
    bench.fill(journal, (64, 128))
    assert bench.read() == (HEADER, [(0, 128)])


names = st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable())


@given(
    names,
    st.integers(0, (1 << 63) - 1),
    st.binary(min_size=16, max_size=16),
    st.integers(-(1 << 62), 1 << 62),
)
def test_a_header_comes_back_as_it_was(name, size, fingerprint, mtime_ns):
    header = Header(name, size, fingerprint, mtime_ns, 0o777)
    data = encode_header(header)
    assert len(data) % RECORD_BYTES == 0
    assert decode_header(data + b"more") == (header, len(data))


@given(names, st.data())
def test_a_header_with_one_wrong_bit_is_no_header(name, draw):
    header = Header(name, 5, b"f" * 16, 1, 0o644)
    data = bytearray(encode_header(header))
    covered = 42 + len(name.encode()) + 4
    bit = draw.draw(st.integers(0, 8 * covered - 1))
    data[bit // 8] ^= 1 << bit % 8
    assert decode_header(bytes(data)) is None
