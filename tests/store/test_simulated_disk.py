"""The simulated disk does what the real one does: every sentence here holds for both.

What it does beyond that, losing what was not synced, is checked at the end: a test of crashes is worth
as much as the disk that it crashes.
"""

import errno
import stat

import pytest
from power_loss import killed, losses, worst_loss
from simulated_disk import SimulatedDisk

from mayhem_udp.store.disk import Kind
from mayhem_udp.store.folders import open_or_make_root


@pytest.fixture
def place(any_disk):
    """A disk and an open folder on it."""
    disk, path = any_disk
    folder = disk.open_root(path)
    yield disk, folder
    disk.close(folder)


def put(disk, folder, name, data):
    file = disk.create_file(folder, name)
    assert disk.write(file, data, 0) == len(data)
    disk.close(file)


def get(disk, folder, name):
    file = disk.open_file(folder, name)
    try:
        return disk.read(file, 1 << 20, 0)
    finally:
        disk.close(file)


def refusal(action, *arguments):
    with pytest.raises(OSError, match=r"\[Errno") as caught:
        action(*arguments)
    return caught.value.errno


def test_what_was_written_is_read(place):
    disk, folder = place
    put(disk, folder, b"a", b"hello")
    file = disk.reopen_file(folder, b"a")
    disk.write(file, b"J", 0)
    disk.write(file, b"!", 7)
    assert disk.read(file, 100, 0) == b"Jello\0\0!"
    assert disk.read(file, 2, 1) == b"el"
    assert disk.read(file, 5, 100) == b""
    assert disk.status(file).st_size == 8
    disk.truncate(file, 2)
    assert disk.read(file, 100, 0) == b"Je"
    disk.close(file)


def test_a_rename_replaces_a_file_and_no_folder(place):
    disk, folder = place
    put(disk, folder, b"new", b"new")
    put(disk, folder, b"old", b"old")
    disk.make_folder(folder, b"folder")
    disk.rename(folder, b"new", folder, b"old")
    assert get(disk, folder, b"old") == b"new"
    assert refusal(disk.rename, folder, b"old", folder, b"folder") == errno.EISDIR
    assert sorted(disk.entries(folder)) == sorted([(b"old", Kind.FILE), (b"folder", Kind.FOLDER)], key=str)


@pytest.mark.parametrize(
    ("operation", "name", "number"),
    [
        ("open_file", b"none", errno.ENOENT),
        ("open_folder", b"none", errno.ENOENT),
        ("open_folder", b"file", errno.ENOTDIR),
        ("create_file", b"file", errno.EEXIST),
        ("create_file", b"folder", errno.EEXIST),
        ("reopen_file", b"folder", errno.EISDIR),
        ("reopen_file", b"none", errno.ENOENT),
        ("make_folder", b"file", errno.EEXIST),
        ("remove_file", b"none", errno.ENOENT),
        ("remove_file", b"folder", errno.EISDIR),
        ("status_of", b"none", errno.ENOENT),
        ("create_file", b"x" * 256, errno.ENAMETOOLONG),
    ],
)
def test_both_disks_refuse_with_the_same_number(place, operation, name, number):
    disk, folder = place
    put(disk, folder, b"file", b"")
    disk.make_folder(folder, b"folder")
    assert refusal(getattr(disk, operation), folder, name) == number


def test_a_name_of_255_bytes_is_taken(place):
    disk, folder = place
    put(disk, folder, b"x" * 255, b"1")
    assert get(disk, folder, b"x" * 255) == b"1"


def test_an_open_file_outlives_its_name(place):
    disk, folder = place
    file = disk.create_file(folder, b"a")
    assert disk.status(file).st_nlink == 1
    disk.remove_file(folder, b"a")
    disk.write(file, b"still", 0)
    assert disk.read(file, 9, 0) == b"still"
    assert disk.status(file).st_nlink == 0
    disk.close(file)


def test_a_lock_belongs_to_one_opening_and_its_duplicates(place):
    disk, folder = place
    file = disk.create_file(folder, b"a")
    other = disk.reopen_file(folder, b"a")
    assert disk.lock(file)
    assert not disk.lock(other)
    twin = disk.duplicate(file)
    disk.close(file)
    assert not disk.lock(other)
    disk.close(twin)
    assert disk.lock(other)
    disk.close(other)


def test_attributes_are_set(place):
    disk, folder = place
    file = disk.create_file(folder, b"a")
    assert stat.S_IMODE(disk.status(file).st_mode) == 0o600
    disk.set_attributes(file, mode=0o640, mtime_ns=12_345_678_901)
    status = disk.status_of(folder, b"a")
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, 12_345_678_901)
    disk.close(file)


def test_two_readers_of_one_folder_each_see_all_of_it(place):
    disk, folder = place
    names = {b"%d" % number for number in range(5)}
    for name in names:
        put(disk, folder, name, b"")
    one = disk.entries(folder)
    seen_by_one = {next(one)[0]}
    assert {name for name, _ in disk.entries(folder)} == names
    seen_by_one |= {name for name, _ in one}
    assert seen_by_one == names


def test_folders_on_the_way_to_a_root_are_made(any_disk):
    disk, path = any_disk
    for _ in range(2):
        disk.close(open_or_make_root(disk, f"{path}/a/b/c"))
    disk.close(open_or_make_root(disk, f"{path}/d/"))
    folder = disk.open_root(f"{path}/a")
    put(disk, folder, b"file", b"")
    assert refusal(open_or_make_root, disk, f"{path}/a/file") == errno.ENOTDIR
    assert refusal(open_or_make_root, disk, f"{path}/a/file/below") == errno.ENOTDIR
    disk.close(folder)


# --- What only a simulated disk does ----------------------------------------------------------------


@pytest.fixture
def record():
    """A simulated disk with one folder and one old file, all of it on the device."""
    disk = SimulatedDisk()
    disk.plant_folder("/d")
    disk.plant("/d/a", b"old")
    disk.settle()
    return disk


def contents_after(disk, path):
    return {after.content(path) for _, after in losses(disk)}


def test_bytes_that_were_not_synced_may_be_lost_in_part(record):
    folder = record.open_root("/d")
    file = record.reopen_file(folder, b"a")
    record.write(file, b"x" * 16 + b"y" * 16, 0)
    found = contents_after(record, "/d/a")
    assert {b"old", b"x" * 16 + b"y" * 16, bytes(32)} <= found
    assert any(content[:16] != b"x" * 16 and content[16:] == b"y" * 16 for content in found)
    record.sync(file)
    assert worst_loss(record).content("/d/a") == b"x" * 16 + b"y" * 16


def test_a_new_name_is_lost_until_its_folder_is_synced(record):
    folder = record.open_root("/d")
    file = record.create_file(folder, b"b")
    record.write(file, b"new", 0)
    record.sync(file)
    assert worst_loss(record).content("/d/b") is None
    assert killed(record).content("/d/b") == b"new"
    record.sync(folder)
    assert worst_loss(record).content("/d/b") == b"new"


def test_a_rename_may_be_found_half_done(record):
    folder = record.open_root("/d")
    put(record, folder, b"b", b"new")
    record.settle()
    record.rename(folder, b"b", folder, b"a")
    found = {(after.content("/d/a"), after.content("/d/b")) for _, after in losses(record)}
    assert found == {(b"old", b"new"), (b"new", b"new"), (b"old", None), (b"new", None)}


def test_a_sync_that_failed_is_not_made_good_by_the_next(record):
    folder = record.open_root("/d")
    file = record.reopen_file(folder, b"a")
    record.write(file, b"new", 0)
    record.fault = lambda operation, count: (
        OSError(errno.EIO, "") if (operation, count) == ("sync", 1) else None
    )
    assert refusal(record.sync, file) == errno.EIO
    record.sync(file)
    assert worst_loss(record).content("/d/a") == b"old"


def test_a_full_disk_takes_what_fits(record):
    record.capacity_bytes = record.used_bytes() + 4
    folder = record.open_root("/d")
    file = record.create_file(folder, b"b")
    assert record.write(file, b"123456", 0) == 4
    assert refusal(record.write, file, b"56", 4) == errno.ENOSPC
    assert record.free_bytes(folder) == 0
