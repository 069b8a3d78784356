"""Sources and the stream that a download goes into: a file is sent as it was opened, or not at all."""

import io
import itertools
import os
from hashlib import sha256
from random import Random

import numpy as np
import pytest
from deliveries import ROOT, deliver, open_simulated
from hypothesis import given
from hypothesis import strategies as st
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, IntegrityError, LocalFileError, MayhemError, RefusedError, TransferError
from mayhem_udp.limits import SMALL_FILE_MAX_BYTES
from mayhem_udp.store.digests import REMEMBERED_MAX, DigestCache
from mayhem_udp.store.names import check_name
from mayhem_udp.store.outflow import Outflow
from mayhem_udp.store.source import (
    NO_FINGERPRINT,
    BytesSource,
    FileSource,
    StreamSource,
    fingerprint_of,
    open_local,
)

DATA = Random(1).randbytes(3_000)
DIGEST = sha256(DATA).digest()


@pytest.fixture
def disk():
    return SimulatedDisk()


@pytest.fixture
def store(disk):
    store = open_simulated(disk)
    deliver(store, "a", DATA)
    return store


@pytest.fixture
def source(store):
    opened = store.open_source(check_name("a"))
    yield opened
    opened.close()


def code_of(action, *arguments, kind=MayhemError, **options):
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    return caught.value.code


def changed_by_hand(disk, data):
    node = disk._walk(f"{ROOT}/a")
    disk.nodes[node].data[:] = data
    disk.nodes[node].mtime_ns += 1


# --- What is sent -----------------------------------------------------------------------------------


def test_a_file_is_read_where_it_is_asked_for(source):
    assert bytes(source.read(0, 100)) == DATA[:100]
    assert bytes(source.read_blocking(100, 5_000)) == DATA[100:]
    assert bytes(source.read(2_990, 100)) == DATA[2_990:]
    assert bytes(source.read(3_000, 10)) == b""
    source.check_unchanged(sent_bytes=3_000, digest=DIGEST)


def test_what_is_not_in_memory_is_not_waited_for(source, disk):
    disk.cached_reads = False
    assert source.read(0, 100) is None
    assert bytes(source.read_blocking(0, 100)) == DATA[:100]


def test_a_file_that_grows_is_not_sent_as_if_it_had_not(source, disk):
    changed_by_hand(disk, DATA + b"more")
    assert bytes(source.read(2_990, 100)) == DATA[2_990:], "no more than it had"
    assert code_of(source.check_unchanged, sent_bytes=3_000, digest=DIGEST) is Code.SOURCE_CHANGED


def test_a_file_that_shrinks_is_an_error_and_no_short_file(source, disk):
    changed_by_hand(disk, DATA[:100])
    assert code_of(source.read, 100, 10, kind=TransferError) is Code.SOURCE_CHANGED
    assert code_of(source.read_blocking, 100, 10, kind=TransferError) is Code.SOURCE_CHANGED
    assert code_of(source.check_unchanged, sent_bytes=100, digest=DIGEST) is Code.SOURCE_CHANGED


def test_a_file_that_is_written_to_is_an_error_at_the_end(source, disk):
    changed_by_hand(disk, DATA[::-1])
    assert code_of(source.check_unchanged, sent_bytes=3_000, digest=DIGEST) is Code.SOURCE_CHANGED


def changed_and_dated_back(disk, data):
    """As `cp -p`, `rsync -t` or `touch -r` leave it."""
    changed_by_hand(disk, data)
    node = disk.nodes[disk._walk(f"{ROOT}/a")]
    node.mtime_ns -= 1
    node.ctime_ns += 1


def test_a_file_whose_time_was_set_back_after_a_change_is_an_error_too(source, disk):
    changed_and_dated_back(disk, DATA[::-1])
    assert not source.looks_unchanged(sent_bytes=3_000)
    assert code_of(source.check_unchanged, sent_bytes=3_000, digest=DIGEST) is Code.SOURCE_CHANGED


def test_a_small_file_whose_time_was_set_back_is_not_read_as_a_mixture(store, disk):
    def meanwhile(operation, _count):
        if operation == "read":
            disk.fault = lambda _operation, _number: changed_and_dated_back(disk, DATA[::-1])

    disk.fault = meanwhile
    assert code_of(store.read_small, check_name("a"), kind=TransferError) is Code.SOURCE_CHANGED


def test_a_file_that_only_got_other_permissions_or_links_is_read_again_and_sent(source, disk):
    disk.nodes[disk._walk(f"{ROOT}/a")].ctime_ns += 1
    assert not source.looks_unchanged(sent_bytes=3_000)
    source.check_unchanged(sent_bytes=3_000, digest=DIGEST)
    assert source.looks_unchanged(sent_bytes=3_000), "once is enough"


def test_a_file_that_is_written_to_while_it_is_read_again_is_an_error(source, disk):
    disk.nodes[disk._walk(f"{ROOT}/a")].ctime_ns += 1

    def meanwhile(operation, _count):
        if operation == "read":
            disk.fault = lambda _operation, _number: None
            disk.nodes[disk._walk(f"{ROOT}/a")].ctime_ns += 1

    disk.fault = meanwhile
    assert code_of(source.check_unchanged, sent_bytes=3_000, digest=DIGEST) is Code.SOURCE_CHANGED


def test_a_file_that_was_not_sent_whole_is_an_error_at_the_end(source):
    assert code_of(source.check_unchanged, sent_bytes=2_999, digest=DIGEST) is Code.SOURCE_CHANGED


def test_a_file_that_is_replaced_meanwhile_is_sent_as_it_was(source, store):
    deliver(store, "a", b"new")
    assert bytes(source.read_blocking(0, 3_000)) == DATA
    assert not source.looks_unchanged(sent_bytes=3_000), "its last name is gone"
    source.check_unchanged(sent_bytes=3_000, digest=DIGEST)


def test_an_error_of_the_disk_ends_the_reading_with_a_code(source, disk):
    disk.fault = lambda operation, _count: OSError(5, "broken")
    assert code_of(source.read, 0, 10, kind=TransferError) is Code.IO_ERROR
    assert code_of(source.read_blocking, 0, 10, kind=TransferError) is Code.IO_ERROR
    assert code_of(source.check_unchanged, sent_bytes=0, digest=DIGEST, kind=TransferError) is Code.IO_ERROR


def test_every_version_of_a_file_has_a_fingerprint_of_its_own(store, disk):
    def fingerprint():
        source = store.open_source(check_name("a"))
        source.close()
        return source.fingerprint

    seen = [fingerprint()]
    assert fingerprint() == seen[0]
    for change in (lambda: changed_by_hand(disk, DATA), lambda: changed_by_hand(disk, b"x")):
        change()
        seen.append(fingerprint())
    deliver(store, "a", DATA)
    seen.append(fingerprint())
    assert len(set(seen)) == 4
    assert NO_FINGERPRINT not in seen


def test_a_link_to_a_file_makes_no_other_version_of_it(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    before = fingerprint_of(os.stat(tmp_path / "a"))
    os.link(tmp_path / "a", tmp_path / "b")
    assert fingerprint_of(os.stat(tmp_path / "a")) == before


def test_a_file_of_the_users_own_is_opened_through_links(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "a").chmod(0o4755)
    (tmp_path / "link").symlink_to("a")
    source = open_local(tmp_path / "link")
    assert (source.size, source.mode) == (3_000, 0o755)
    assert bytes(source.read(0, 9) or source.read_blocking(0, 9)) == DATA[:9]
    source.close()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("none", Code.NOT_FOUND),
        (".", Code.IS_DIRECTORY),
        ("a/b", Code.NOT_REGULAR),
        ("null", Code.NOT_REGULAR),
    ],
)
def test_what_a_user_cannot_send_is_told(tmp_path, path, code):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "null").symlink_to("/dev/null")
    assert code_of(open_local, tmp_path / path, kind=LocalFileError) is code


def test_bytes_are_a_source_like_a_file():
    source = BytesSource(np.frombuffer(DATA, np.uint16).data, mtime_ns=7, mode=0o7600)
    assert (source.size, source.mtime_ns, source.mode) == (3_000, 7, 0o600)
    assert bytes(source.read(10, 20)) == DATA[10:30]
    assert source.fingerprint == BytesSource(DATA).fingerprint != BytesSource(DATA[:-1]).fingerprint


def test_a_stream_is_read_once_and_cannot_be_resumed():
    source = StreamSource(io.BytesIO(DATA))
    assert source.size is None
    assert source.fingerprint == NO_FINGERPRINT
    assert source.read(0, 10) is None
    assert source.read_blocking(0, 1_000) == DATA[:1_000]
    assert code_of(source.read_blocking, 0, 10, kind=TransferError) is Code.NOT_RESUMABLE
    assert source.read_blocking(1_000, 5_000) == DATA[1_000:]
    assert source.read_blocking(3_000, 10) == b""
    source.check_unchanged(sent_bytes=3_000, digest=DIGEST)


# --- Digests that are remembered --------------------------------------------------------------------


def test_a_digest_is_computed_once_for_each_version(store, disk):
    name = check_name("a")
    reads = disk.calls["read"]
    assert store.digest(name) == sha256(DATA).digest()
    assert disk.calls["read"] == reads, "an upload's is known already"
    changed_by_hand(disk, DATA[::-1])
    assert store.digest(name) == sha256(DATA[::-1]).digest()
    reads = disk.calls["read"]
    assert store.digest(name) == sha256(DATA[::-1]).digest()
    assert disk.calls["read"] == reads


def test_a_file_whose_time_was_set_back_is_not_taken_for_its_old_self(store, disk):
    store.digest(check_name("a"))
    node = disk.nodes[disk._walk(f"{ROOT}/a")]
    node.data[:] = DATA[::-1]
    node.ctime_ns += 1
    assert store.digest(check_name("a")) == sha256(DATA[::-1]).digest()


def test_a_file_that_changes_while_it_is_hashed_has_no_digest(store, disk):
    changed_by_hand(disk, DATA[::-1])

    def meanwhile(operation, _count):
        if operation == "read":
            disk.fault = lambda _operation, _number: None
            changed_by_hand(disk, DATA)

    disk.fault = meanwhile
    assert code_of(store.digest, check_name("a"), kind=TransferError) is Code.SOURCE_CHANGED


def test_the_memory_of_digests_is_bounded(tmp_path):
    cache = DigestCache()
    (tmp_path / "a").write_bytes(b"")
    kept = os.stat(tmp_path / "a")
    disk = SimulatedDisk()
    statuses = [disk._status(disk._new(kind)) for kind in [disk.nodes[1].kind] * REMEMBERED_MAX]
    cache.put(kept, b"kept")
    for number, status in enumerate(statuses):
        cache.put(status, b"x")
        if number % 1_000 == 0:
            assert cache.get(kept) == b"kept", "what is asked for is not forgotten"
    assert len(cache._digests) == REMEMBERED_MAX
    assert cache.get(statuses[0]) is None


def test_a_small_file_is_read_whole_and_a_large_one_refused(store):
    deliver(store, "small", bytes(SMALL_FILE_MAX_BYTES), step=8_192)
    deliver(store, "large", bytes(SMALL_FILE_MAX_BYTES + 1), step=8_192)
    whole = store.read_small(check_name("small"))
    assert (whole.data, whole.sha256) == (
        bytes(SMALL_FILE_MAX_BYTES),
        sha256(bytes(SMALL_FILE_MAX_BYTES)).digest(),
    )
    assert code_of(store.read_small, check_name("large"), kind=RefusedError) is Code.FILE_TOO_LARGE
    assert store.quota.open_files == 0


def test_a_small_file_that_changes_while_it_is_read_is_an_error(store, disk):
    def meanwhile(operation, _count):
        if operation == "read":
            disk.fault = lambda _operation, _number: None
            changed_by_hand(disk, DATA[::-1])

    disk.fault = meanwhile
    assert code_of(store.read_small, check_name("a"), kind=TransferError) is Code.SOURCE_CHANGED


# --- A download into a stream -----------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 500), max_size=8), order=st.randoms(use_true_random=False))
def test_a_stream_gets_every_byte_once_and_in_order(cuts, order):
    data = DATA[:500]
    stream = io.BytesIO()
    flow = Outflow(stream)
    edges = sorted({0, 500, *cuts})
    pieces = [(max(0, start - 10), stop) for start, stop in itertools.pairwise(edges)]
    pieces += pieces[::2]
    order.shuffle(pieces)
    for start, stop in pieces:
        flow.write(start, data[start:stop])
        assert data.startswith(stream.getvalue())
    assert flow.is_complete(500)
    flow.finish(sha256(data).digest(), 500)
    assert stream.getvalue() == data
    assert not flow._ahead


def test_a_damaged_stream_is_told_and_cannot_be_repaired():
    flow = Outflow(io.BytesIO())
    flow.write(0, b"wrong")
    for action, arguments in (
        (flow.finish, (bytes(32), 5)),
        (flow.block_digests, ()),
        (flow.rewrite, (0, b"x")),
    ):
        assert code_of(action, *arguments, kind=IntegrityError) is Code.INTEGRITY
    assert not flow.have
    assert flow.set_aside() == ""


def test_a_stream_that_nobody_reads_any_more_ends_the_download():
    class Gone(io.RawIOBase):
        def write(self, data):
            raise BrokenPipeError

    assert code_of(Outflow(Gone()).write, 0, b"x", kind=LocalFileError) is Code.CANCELLED
    closed = io.BytesIO()
    closed.close()
    assert code_of(Outflow(closed).write, 0, b"x", kind=LocalFileError) is Code.LOCAL_FILE


class Sips(io.RawIOBase):
    """A stream without a buffer: takes at most so many bytes at a time, and then `last`."""

    def __init__(self, most, *, last=None, room=1 << 20):
        self._most = most
        self._last = last
        self._room = room
        self.got = b""

    def write(self, data):
        taken = bytes(data[: min(self._most, self._room)])
        self.got += taken
        self._room -= len(taken)
        return len(taken) or self._last


@pytest.mark.parametrize("most", [1, 7, len(DATA) - 1, len(DATA)])
def test_a_stream_that_takes_less_than_it_is_given_gets_every_byte(most):
    stream = Sips(most)
    flow = Outflow(stream)
    flow.write(0, DATA[:2_000])
    flow.write(2_000, DATA[2_000:])
    flow.finish(sha256(DATA).digest(), len(DATA))
    assert stream.got == DATA


@pytest.mark.parametrize("last", [None, 0])
def test_a_stream_that_takes_nothing_ends_the_download_and_says_what_to_use(last):
    flow = Outflow(Sips(100, last=last, room=150))
    with pytest.raises(LocalFileError, match="binary stream that blocks"):
        flow.write(0, DATA)
    assert not flow.is_complete(len(DATA))
    with pytest.raises(LocalFileError, match="binary mode"):
        Outflow(io.StringIO()).write(0, DATA)


def test_a_stream_is_written_to_by_jobs_in_order():
    stream = io.BytesIO()
    flow = Outflow(stream)
    jobs = [flow.deferred([(0, b"ab")]), flow.deferred([(2, b"cd")])]
    assert flow.is_slow
    jobs[0]()
    assert not flow.is_complete(2), "the other is still to come"
    jobs[1]()
    assert flow.is_complete(4)
    assert stream.getvalue() == b"abcd"


def test_a_source_holds_no_descriptor_when_it_cannot_be_looked_at(disk):
    disk.plant("/a", DATA)
    top = disk.open_root("/")
    file = disk.open_file(top, b"a")
    source = FileSource(disk, file, "a", status=disk.status(file))
    source.close()
    source.close()
    assert len(disk.open) == 1
