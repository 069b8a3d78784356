"""The limits of a store, each at its edge: the last that fits, and the first that does not."""

from random import Random

import pytest
from deliveries import ROOT, STAGINGS, begin, deliver, finish, open_simulated, read, small, write
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, IntegrityError, MayhemError, RefusedError, TransferError
from mayhem_udp.store.names import check_name
from mayhem_udp.store.quota import GROWTH_BYTES, Quota, Reservation, StoreLimits
from mayhem_udp.store.source import NO_FINGERPRINT

DATA = Random(1).randbytes(300)


def new_store(disk=None, **limits):
    disk = disk or SimulatedDisk()
    store = open_simulated(disk, limits=StoreLimits(**limits))
    store.count()
    return disk, store


def refused(action, *arguments, kind=RefusedError, **options):
    with pytest.raises(MayhemError) as caught:
        action(*arguments, **options)
    assert type(caught.value) is kind
    assert caught.value.remedy, "what to do next"
    return caught.value.code


def test_a_file_may_be_as_large_as_the_limit():
    _, store = new_store(file_size_max_bytes=300)
    deliver(store, "a", DATA)
    assert refused(begin, store, "b", DATA + b"x") is Code.FILE_TOO_LARGE
    assert refused(store.scratch, size=301) is Code.FILE_TOO_LARGE
    store.scratch(size=300).discard()
    assert store.write_small([small("c", DATA), small("d", DATA + b"x")]) == [Code.OK, Code.FILE_TOO_LARGE]


def test_a_file_of_unknown_size_may_grow_to_the_limit():
    _, store = new_store(file_size_max_bytes=300)
    staging = begin(store, "a", DATA, size=None)
    write(staging, DATA)
    assert refused(staging.write, 300, b"x") is Code.FILE_TOO_LARGE
    finish(staging, DATA)
    assert read(store, "a") == DATA


def test_a_store_may_hold_as_many_bytes_as_the_limit():
    _, store = new_store(stored_max_bytes=700)
    deliver(store, "a", DATA)
    first = begin(store, "b", DATA)
    assert refused(begin, store, "c", DATA[:101]) is Code.STORE_FULL
    second = begin(store, "c", DATA[:100])
    assert store.write_small([small("d", b"x")]) == [Code.STORE_FULL]
    assert store.write_small([small("d", b"")]) == [Code.OK]
    second.discard()
    assert store.write_small([small("d", b"x" * 100)]) == [Code.OK]
    first.discard()
    assert store.quota.stored_bytes == 400


def test_many_at_once_cannot_exceed_together_what_each_would_not():
    _, store = new_store(stored_max_bytes=1_000)
    held = [begin(store, f"f{number}", DATA) for number in range(3)]
    assert refused(begin, store, "f3", DATA) is Code.STORE_FULL
    for staging in held:
        write(staging, DATA)
        finish(staging, DATA)
    assert store.quota.stored_bytes == 900


def test_a_file_that_is_replaced_makes_its_room_free_afterwards():
    _, store = new_store(stored_max_bytes=600)
    deliver(store, "a", DATA)
    deliver(store, "a", DATA)
    deliver(store, "a", DATA[:10])
    assert (store.quota.stored_bytes, store.quota.files) == (10, 1)

    store.remove(check_name("a"))
    assert store.quota.stored_bytes == 0


def test_a_transfer_of_unknown_size_uses_the_last_byte_of_the_store():
    _, store = new_store(stored_max_bytes=300)
    staging = begin(store, "a", DATA, size=None)
    write(staging, DATA)
    finish(staging, DATA)
    staging = begin(store, "b", DATA, size=None)
    assert refused(staging.write, 0, b"x") is Code.STORE_FULL
    staging.keep()
    assert store.quota.stored_bytes == 300


def test_an_interrupted_transfer_counts_with_what_is_there_and_not_twice():
    disk, store = new_store(stored_max_bytes=500)
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 128)
    assert store.quota.stored_bytes == 300, "what was announced"
    staging.keep()
    assert store.quota.stored_bytes == 128, "what is there"
    assert refused(begin, store, "b", DATA + DATA[:100]) is Code.STORE_FULL
    again = begin(store, "a", DATA)
    assert store.quota.stored_bytes == 300
    again.recover()
    write(again, DATA, 128)
    finish(again, DATA)
    assert store.quota.stored_bytes == 300
    _, counted = new_store(disk, stored_max_bytes=500)
    assert counted.quota.stored_bytes == 300


def test_what_was_set_aside_counts_once_however_often_it_happens():
    disk, store = new_store(stored_max_bytes=1_000)
    for _ in range(3):
        staging = begin(store, "a", DATA)
        write(staging, bytes(300))
        with pytest.raises(IntegrityError):
            finish(staging, DATA)
        staging.set_aside()
        assert store.quota.stored_bytes == 300
    assert len(disk.names(STAGINGS)) == 1
    assert store.sweep(before_ns=1 << 62).bytes == 300
    assert store.quota.stored_bytes == 0


def test_what_is_there_already_counts_from_the_start():
    disk, store = new_store(stored_max_bytes=1_000, files_max=10)
    deliver(store, "x/a", DATA)
    staging = begin(store, "b", DATA)
    write(staging, DATA, 0, 192)
    staging.keep()
    disk.plant(f"{ROOT}/by-hand", b"12345")
    store.close()
    _, store = new_store(disk, stored_max_bytes=1_000, files_max=10)
    assert (store.quota.stored_bytes, store.quota.files) == (300 + 192 + 5, 3), "a folder among them"
    store.sweep(before_ns=1 << 62)
    assert store.quota.stored_bytes == 305
    assert disk.names(STAGINGS) == []


def test_a_store_may_hold_as_many_files_as_the_limit():
    _, store = new_store(files_max=2)
    deliver(store, "a", DATA)
    pending = begin(store, "b", DATA)
    assert refused(begin, store, "c", DATA) is Code.TOO_MANY_FILES
    deliver(store, "a", DATA[:5])
    assert store.write_small([small("a", b"x"), small("c", b"x")]) == [Code.OK, Code.TOO_MANY_FILES]
    pending.discard()
    assert store.write_small([small("c", b"x"), small("d", b"x")]) == [Code.OK, Code.TOO_MANY_FILES]
    store.remove(check_name("a"))
    deliver(store, "d", DATA)
    assert store.quota.files == 2


def test_folders_count_as_files_since_each_takes_as_much_of_the_disk():
    disk, store = new_store(files_max=4)
    assert refused(begin, store, "a/b/c/d/e", DATA) is Code.TOO_MANY_FILES
    assert store.write_small([small("a/b/c/d/e", b"")]) == [Code.TOO_MANY_FILES]
    assert disk.names(ROOT) == [b".mayhem"], "what was refused has made nothing"
    deliver(store, "a/b/c", DATA)
    assert store.quota.files == 3
    assert store.write_small([small("a/b/c", b""), small("a/b/x/y", b"")]) == [Code.OK, Code.TOO_MANY_FILES]
    store.remove(check_name("a/b/c"))
    assert store.quota.files == 2, "folders stay"
    assert store.write_small([small("a/x/y", b""), small("z", b"")]) == [Code.OK, Code.TOO_MANY_FILES]
    store.count()
    assert store.quota.files == 4


def test_a_folder_that_two_uploads_make_counts_once():
    _, store = new_store(files_max=8)
    first, second = begin(store, "x/y/a", DATA), begin(store, "x/y/b", DATA)
    assert store.quota.files == 6, "either may have to make both folders"
    for staging in (first, second):
        write(staging, DATA)
        finish(staging, DATA)
    assert store.quota.files == 4


def test_folders_of_an_upload_that_did_not_get_its_name_count():
    disk, store = new_store(files_max=8)
    staging = begin(store, "x/y/a", DATA)
    write(staging, DATA)
    counts = []

    def broken(operation, _count):
        if operation != "rename":
            return None
        counts.append(store.quota.files)
        return OSError(5, "broken")

    disk.fault = broken
    assert refused(finish, staging, DATA, kind=TransferError) is Code.IO_ERROR
    disk.fault = lambda _operation, _count: None
    staging.discard()
    assert (counts, store.quota.files) == ([3], 2), "never twice"


def test_as_many_files_may_be_open_as_the_limit():
    _, store = new_store(open_files_max=2)
    deliver(store, "a", DATA)
    staging = begin(store, "b", DATA)
    source = store.open_source(check_name("a"))
    assert refused(begin, store, "c", DATA) is Code.TOO_MANY_OPEN_FILES
    assert refused(store.open_source, check_name("a")) is Code.TOO_MANY_OPEN_FILES
    assert refused(store.digest, check_name("a")) is Code.TOO_MANY_OPEN_FILES
    assert store.write_small([small("c", b"x")]) == [Code.TOO_MANY_OPEN_FILES]
    source.close()
    source.close()
    store.digest(check_name("a"))
    staging.discard()
    staging.discard()
    assert store.quota.open_files == 0


def test_a_batch_of_small_files_gets_by_with_one_open_file():
    """Where descriptors are short, a batch puts what it has in place and goes on."""
    _, store = new_store(open_files_max=1)
    assert store.write_small([small(f"f{number}", b"x") for number in range(5)]) == [Code.OK] * 5
    assert store.quota.open_files == 0


def test_space_is_left_to_others():
    disk = SimulatedDisk(capacity_bytes=1_000)
    disk, store = new_store(disk, free_space_min_bytes=700)
    assert refused(begin, store, "a", DATA + b"x", kind=TransferError) is Code.NO_SPACE
    deliver(store, "a", DATA)
    assert store.write_small([small("b", b"x")]) == [Code.NO_SPACE]
    assert refused(begin, store, "b", b"x", kind=TransferError) is Code.NO_SPACE
    store.remove(check_name("a"))
    disk.nodes = {number: node for number, node in disk.nodes.items() if disk._links(number)}
    deliver(store, "b", DATA)


def test_a_file_that_would_fit_but_for_the_reserve_says_which_setting_keeps_it():
    _, store = new_store(SimulatedDisk(capacity_bytes=1_000), free_space_min_bytes=800)
    with pytest.raises(TransferError, match=r"store\.free_space_min keeps 800 B free") as kept:
        begin(store, "a", DATA)
    assert "lower store.free_space_min" in kept.value.remedy
    with pytest.raises(TransferError, match=r"for 1,?001 B more;"):
        begin(store, "a", DATA, size=1_001)


def test_where_nothing_is_left_to_others_a_file_is_taken_if_it_fits():
    _, store = new_store(SimulatedDisk(capacity_bytes=300), free_space_min_bytes=0)
    assert refused(begin, store, "a", DATA + b"x", kind=TransferError) is Code.NO_SPACE
    deliver(store, "a", DATA, fingerprint=NO_FINGERPRINT)  # so it has no journal, which takes space


def test_what_is_there_of_a_file_that_was_cut_needs_no_space_again():
    _, store = new_store(SimulatedDisk(capacity_bytes=1_000), free_space_min_bytes=300)
    first = begin(store, "a", DATA)
    write(first, DATA, 0, 256)
    first.keep()
    assert refused(begin, store, "b", DATA[:245], kind=TransferError) is Code.NO_SPACE
    deliver(store, "a", DATA)


def test_uploads_side_by_side_leave_together_what_each_would_leave_alone():
    """What one has reserved and not written yet is not there for the next."""
    _, store = new_store(SimulatedDisk(capacity_bytes=1_000), free_space_min_bytes=200)
    first = begin(store, "a", DATA)
    second = begin(store, "b", DATA)
    assert refused(begin, store, "c", DATA[:201], kind=TransferError) is Code.NO_SPACE
    assert store.write_small([small("d", DATA[:201])]) == [Code.NO_SPACE]
    third = begin(store, "c", DATA[:100])
    third.discard()
    write(first, DATA, 0, 128)
    assert refused(begin, store, "c", DATA[:201], kind=TransferError) is Code.NO_SPACE
    write(first, DATA, 128)
    second.discard()
    finish(first, DATA)
    write(begin(store, "c", DATA[:100]), DATA[:100])


def test_small_files_of_one_batch_count_once():
    _, store = new_store(SimulatedDisk(capacity_bytes=1_000), free_space_min_bytes=200)
    files = [small(f"f{number}", DATA[:100]) for number in range(9)]
    assert store.write_small(files) == [Code.OK] * 8 + [Code.NO_SPACE]


def test_the_file_system_is_asked_less_often_where_it_has_plenty_and_always_near_the_bound():
    free, asked = [65 * 64 * 4_096], []
    quota = Quota(StoreLimits(free_space_min_bytes=4_096), free_bytes=lambda: asked.append(True) or free[0])
    for _ in range(65):
        Reservation(quota).cover(4_096)
    assert len(asked) == 1, "a sixty-fourth is given out unasked"
    free[0] = 67 * 4_096  # now there is what was promised, what is left to others, and one more
    Reservation(quota).cover(4_096)
    with pytest.raises(TransferError):
        Reservation(quota).cover(1)
    assert len(asked) == 3


def test_a_bound_that_has_changed_holds_from_the_next_file_on():
    quota = Quota(StoreLimits(free_space_min_bytes=1), free_bytes=lambda: 1 << 30)
    Reservation(quota).cover(1)
    quota.change_limits(StoreLimits(free_space_min_bytes=1 << 30))
    with pytest.raises(TransferError):
        Reservation(quota).cover(1)


def test_limits_can_be_changed_while_it_runs():
    _, store = new_store()
    deliver(store, "a", DATA)
    store.limits = StoreLimits(stored_max_bytes=400, files_max=1)
    store.count()
    assert refused(begin, store, "b", DATA[:100]) is Code.TOO_MANY_FILES
    assert refused(begin, store, "b", DATA) is Code.STORE_FULL
    assert store.limits.files_max == 1


def test_what_was_refused_has_reserved_nothing():
    _, store = new_store(stored_max_bytes=299, files_max=1, open_files_max=1)
    for _ in range(3):
        assert refused(begin, store, "a", DATA) is Code.STORE_FULL
    assert (store.quota.stored_bytes, store.quota.files, store.quota.open_files) == (0, 0, 0)


def test_a_reservation_grows_in_large_steps_and_in_small_ones_near_a_limit():
    quota = Quota(StoreLimits(stored_max_bytes=GROWTH_BYTES + 5), free_bytes=lambda: 1 << 40)
    reservation = Reservation(quota)
    reservation.grow(1)
    assert quota.stored_bytes == GROWTH_BYTES
    reservation.grow(GROWTH_BYTES + 5)
    assert quota.stored_bytes == GROWTH_BYTES + 5
    assert refused(reservation.grow, GROWTH_BYTES + 6) is Code.STORE_FULL
    reservation.end(left_bytes=7)
    reservation.end(left_bytes=7)
    assert (quota.stored_bytes, quota.open_files) == (7, 0)
