"""Whatever the disk says, and at whichever call: one transfer ends with a clear code, and nothing else does.

Each test lets every single call of a piece of work fail once, in turn, with each error of its kind, and
looks at what is left: other transfers, what was acknowledged, descriptors, counts, stagings.
"""

import errno
import os
from random import Random

import pytest
from deliveries import FOREVER_NS, ROOT, STAGINGS, begin, deliver, finish, open_simulated, read, small, write
from disk_record import Acknowledged
from power_loss import worst_loss
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, MayhemError, TransferError
from mayhem_udp.store.failures import failure
from mayhem_udp.store.names import check_name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.patterns import EVERYTHING
from mayhem_udp.store.quota import StoreLimits
from mayhem_udp.store.secret import load_or_create_secret

OLD = Random(1).randbytes(100)
DATA = Random(2).randbytes(300)
COUNTED = StoreLimits(stored_max_bytes=1 << 30, files_max=1_000, open_files_max=100, free_space_min_bytes=1)

CODES = {
    errno.ENOSPC: Code.NO_SPACE,
    errno.EDQUOT: Code.QUOTA,
    errno.EROFS: Code.READ_ONLY,
    errno.EACCES: Code.PERMISSION,
    errno.EPERM: Code.PERMISSION,
    errno.EIO: Code.IO_ERROR,
    errno.EMFILE: Code.TOO_MANY_OPEN_FILES,
    errno.ENFILE: Code.TOO_MANY_OPEN_FILES,
    errno.EFBIG: Code.FILE_TOO_LARGE,
    errno.ESTALE: Code.IO_ERROR,
}
NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE)
FAULTS = pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
LASTS = pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])


def fault(number):
    return OSError(number, os.strerror(number))


def new_store(**options):
    disk = SimulatedDisk()
    store = open_simulated(disk, limits=COUNTED, **options)
    deliver(store, "a", OLD)
    store.count()
    disk.settle()
    disk.calls_in_all = 0
    return disk, store


def calls_of(work):
    """How many calls of the disk a piece of work makes."""
    disk, store = new_store()
    work(store, disk)
    return disk.calls_in_all


def broken_at(disk, call, number, *, lasts=False):
    """The call of that number fails; if the fault lasts, so do all after it that ask the device."""

    def is_broken(operation):
        if lasts and operation != "status":
            return disk.calls_in_all >= call
        return disk.calls_in_all == call

    disk.fault = lambda operation, _count: fault(number) if is_broken(operation) else None


def repaired(disk):
    disk.fault = lambda _operation, _count: None


def counts_of(store):
    """What the store believes it holds, and what a fresh count says."""
    quota = store.quota
    believed = (quota.stored_bytes, quota.files, quota.open_files)
    store.count()
    return believed, (quota.stored_bytes, quota.files, 0)


def assert_recovered(store, disk, *, descriptors):
    """The fault is over: the store works, has forgotten nothing, and holds on to nothing."""
    repaired(disk)
    assert len(disk.open) == descriptors, "every descriptor is given back"
    believed, counted = counts_of(store)
    assert believed == counted
    store.sweep(before_ns=FOREVER_NS)
    assert disk.names(STAGINGS) == []
    deliver(store, "after", DATA)
    assert read(store, "after") == DATA


def assert_promises_kept(disk):
    """What was acknowledged is on the device, whatever had failed before."""
    promised = {step.name: step.content for step in disk.steps if isinstance(step, Acknowledged)}
    after = worst_loss(disk)
    for name, content in promised.items():
        assert after.content(f"{ROOT}/{name}") == content


def an_upload(store, disk):
    deliver(store, "x/b", DATA)
    disk.acknowledge("x/b", DATA)


def a_replacement(store, disk):
    deliver(store, "a", DATA)
    disk.acknowledge("a", DATA)


def an_upload_with_checkpoints(store, disk):
    staging = begin(store, "b", DATA)
    try:
        write(staging, DATA, 0, 128)
        staging.checkpoint()
        write(staging, DATA, 128)
        finish(staging, DATA)
    except BaseException:
        staging.keep()
        raise
    disk.acknowledge("b", DATA)


def cut_short(store):
    staging = begin(store, "b", DATA)
    try:
        write(staging, DATA, 0, 128)
    finally:
        staging.keep()


def a_resumption(store, _disk):
    cut_short(store)
    deliver(store, "b", DATA)


def a_download_resumed(store, _disk):
    cut_short(store)
    found = store.find_partial(check_name("b"))
    if found is not None:
        try:
            found.recover()
        finally:
            found.discard()


def a_round_trip(store, _disk):
    scratch = store.scratch(size=300)
    try:
        write(scratch, DATA)
        finish(scratch, DATA)
        source = scratch.as_source()
        try:
            source.read_blocking(0, 300)
        finally:
            source.close()
    finally:
        scratch.discard()


def a_download(store, _disk):
    assert read(store, "a") == OLD


def a_look_around(store, _disk):
    store.stat(check_name("a"))
    store.digest(check_name("a"))
    list(store.entries(EVERYTHING, recursive=True))
    store.read_small(check_name("a"))


def a_removal(store, disk):
    deliver(store, "gone", DATA)
    disk.acknowledge("gone", DATA)
    store.remove(check_name("gone"))
    disk.acknowledge("gone", None)


def outcome(work, *arguments):
    """How a piece of work ended: what is not foreseen is not caught."""
    try:
        work(*arguments)
    except MayhemError as error:
        return error.code
    return Code.OK


WORKS = [
    an_upload,
    a_replacement,
    an_upload_with_checkpoints,
    a_resumption,
    a_download_resumed,
    a_round_trip,
    a_download,
    a_look_around,
    a_removal,
]


@FAULTS
@LASTS
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_any_call_may_fail_and_only_its_transfer_ends(work, number, lasts):
    ended = 0
    calls = calls_of(work)
    for call in range(1, calls + 1):
        disk, store = new_store()
        other = begin(store, "other", DATA)
        write(other, DATA, 0, 192)
        descriptors = len(disk.open)
        disk.calls_in_all = 0
        broken_at(disk, call, number, lasts=lasts)
        code = outcome(work, store, disk)
        assert code in {Code.OK, CODES[number]}, f"call {call}"
        ended += code is not Code.OK
        repaired(disk)
        assert_promises_kept(disk)
        write(other, DATA, 192)
        finish(other, DATA)
        assert read(store, "other") == DATA
        assert_recovered(store, disk, descriptors=descriptors - 1)
        assert disk.content(f"{ROOT}/a") in {OLD, DATA}
    assert ended > calls // 4, "faults were met"


@FAULTS
@LASTS
def test_any_call_may_fail_and_each_small_file_has_its_code(number, lasts):
    files = [small("a", DATA), small("p/b", OLD), small("p/q/c", b"")]
    calls = calls_of(lambda store, _disk: store.write_small(files))
    for call in range(1, calls + 1):
        disk, store = new_store()
        descriptors = len(disk.open)
        disk.calls_in_all = 0
        broken_at(disk, call, number, lasts=lasts)
        codes = store.write_small(files)
        assert set(codes) <= {Code.OK, CODES[number]}
        after = worst_loss(disk)
        for code, file in zip(codes, files, strict=True):
            if code is Code.OK:
                assert after.content(f"{ROOT}/{file.name.decode()}") == file.data, f"call {call}"
        assert_recovered(store, disk, descriptors=descriptors)


@pytest.mark.parametrize("number", list(CODES), ids=errno.errorcode.get)
def test_each_error_of_the_system_has_its_code_and_its_sentence(number):
    error = failure(fault(number), "photos/a\x1b.jpg")
    assert error.code is CODES[number]
    assert "photos/a\\x1b.jpg" in error.message
    assert error.remedy


@pytest.mark.parametrize("operation", ["sync", "rename", "write"])
def test_nothing_is_acknowledged_that_an_io_error_kept_from_the_device(operation):
    disk, store = new_store()
    disk.fault = lambda called, _count: fault(errno.EIO) if called == operation else None
    with pytest.raises(TransferError) as caught:
        deliver(store, "a", DATA)
    assert caught.value.code is Code.IO_ERROR
    assert worst_loss(disk).content(f"{ROOT}/a") == OLD


def test_what_an_io_error_has_left_is_not_resumed():
    disk, store = new_store()
    staging = begin(store, "b", DATA)
    write(staging, DATA, 0, 192)
    broken_at(disk, disk.calls_in_all + 1, errno.EIO)
    with pytest.raises(TransferError):
        staging.write(192, DATA[192:])
    staging.keep()
    assert disk.names(STAGINGS) == []


def test_what_filled_the_disk_goes_and_the_others_go_on():
    disk, store = new_store()
    other = begin(store, "other", DATA)
    write(other, DATA)
    staging = begin(store, "b", DATA)
    disk.capacity_bytes = disk.used_bytes() + 100
    with pytest.raises(TransferError) as caught:
        write(staging, DATA)
    assert caught.value.code is Code.NO_SPACE
    assert "no space left for b" in caught.value.message
    staging.keep()
    finish(other, DATA)
    assert read(store, "other") == DATA
    disk.capacity_bytes = 1 << 30
    assert_recovered(store, disk, descriptors=2)


def test_a_write_that_is_done_in_part_goes_on():
    disk, store = new_store()
    staging = begin(store, "b", DATA)
    room = disk.used_bytes()
    disk.capacity_bytes = room + 10

    def makes_room(operation, _count):
        disk.capacity_bytes += 10 if operation == "write" else 0

    disk.fault = makes_room
    write(staging, DATA)
    disk.capacity_bytes = 1 << 30
    finish(staging, DATA)
    assert read(store, "b") == DATA


def test_no_journal_costs_resuming_and_not_the_transfer():
    disk, store = new_store()
    staging = begin(store, "b", DATA)
    journals = []

    def no_journal(operation, _count):
        if operation in {"create_file", "reopen_file"}:
            journals.append(operation)
            return fault(errno.EACCES)
        return None

    disk.fault = no_journal
    write(staging, DATA)
    repaired(disk)
    assert journals
    finish(staging, DATA)
    assert read(store, "b") == DATA


def a_restart(disk):
    open_simulated(disk).close()


@FAULTS
def test_a_root_that_cannot_be_used_is_told_apart(number):
    disk, store = new_store()
    store.close()
    disk.calls_in_all = 0
    open_simulated(disk).close()
    for call in range(1, disk.calls_in_all + 1):
        disk.calls_in_all = 0
        broken_at(disk, call, number)
        assert outcome(a_restart, disk) in {Code.OK, CODES[number]}, f"call {call}"
        repaired(disk)
        assert disk.open == {}, f"call {call}"
        assert all(name.endswith(b".new") for name in disk.names(STAGINGS))
    open_simulated(disk).close()


def a_start(disk):
    load_or_create_secret("/state", fresh=bytes(32), disk=disk)


@FAULTS
def test_a_secret_that_cannot_be_kept_is_told_and_not_used(number):
    for call in range(1, 30):
        disk = SimulatedDisk()
        broken_at(disk, call, number)
        code = outcome(a_start, disk)
        assert code in {Code.OK, CODES[number]}
        repaired(disk)
        known = load_or_create_secret("/state", fresh=b"x" * 32, disk=disk)
        assert known in ({bytes(32)} if code is Code.OK else {bytes(32), b"x" * 32})
        assert disk.open == {}


def test_a_store_that_takes_nothing_opens_on_a_read_only_disk():
    disk, store = new_store()
    store.close()

    def read_only(operation, _count):
        changes = {"create_file", "make_folder", "rename", "remove_file", "write", "reopen_file"}
        return fault(errno.EROFS) if operation in changes else None

    disk.fault = read_only
    store = open_store(ROOT, placement=Placement.NOWHERE, disk=disk)
    assert read(store, "a") == OLD
