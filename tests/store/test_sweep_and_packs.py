"""Sweeping, packs of small files, and the secret: what goes, what comes together, what stays."""

import errno
import os
import stat
from random import Random

import pytest
from deliveries import (
    FOREVER_NS,
    ROOT,
    STAGINGS,
    begin,
    deliver,
    finish,
    open_simulated,
    read,
    small,
    write,
)
from power_loss import worst_loss
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, IntegrityError, LocalFileError
from mayhem_udp.limits import NAME_DEPTH_MAX
from mayhem_udp.store.secret import load_or_create_secret
from mayhem_udp.store.small import FOLDERS_OPEN_MAX, OPEN_AT_ONCE_MAX

DATA = Random(1).randbytes(300)
FIRST, SECOND_ = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture
def disk():
    return SimulatedDisk()


def age_of(disk, store, name, data, *, mtime_ns, stop=192):
    staging = begin(store, name, data)
    write(staging, data, 0, stop)
    disk.nodes[disk.open[staging.file].node].mtime_ns = mtime_ns
    staging.keep()


def test_a_sweep_keeps_what_can_be_resumed_for_its_time(disk):
    store = open_simulated(disk)
    age_of(disk, store, "old", DATA, mtime_ns=99)
    age_of(disk, store, "young", DATA, mtime_ns=100)
    swept = store.sweep(before_ns=100)
    assert (swept.files, swept.bytes) == (1, 192)
    assert not begin(store, "old", DATA).needs_recovery
    assert begin(store, "young", DATA).needs_recovery


def test_a_sweep_leaves_alone_what_somebody_is_at(disk):
    store = open_simulated(disk)
    staging = begin(store, "a", DATA)
    write(staging, DATA)
    scratch = store.scratch(size=None)
    assert store.sweep(before_ns=FOREVER_NS).files == 0
    finish(staging, DATA)
    assert read(store, "a") == DATA
    scratch.discard()


def test_a_sweep_takes_what_is_of_no_use_and_nothing_of_others(disk):
    open_simulated(disk).close()
    ours = [".mayhem-1-2.part", ".mayhem-1-3.new", ".mayhem-1-4.journal", ".mayhem-aa-bb-0.part"]
    others = ["readme", ".mayhem-x.part", ".mayhem-1-2.txt", "a.part", "mayhem-1-2.part"]
    for name in ours + others:
        disk.plant(f"{STAGINGS}/{name}", b"x")
    disk.plant(f"{STAGINGS}/.mayhem-aa-bb-0.journal", b"no journal")
    disk.plant(f"{STAGINGS}/.mayhem-1-9.damaged", b"x")
    store = open_simulated(disk)
    store.sweep(before_ns=0)
    assert disk.names(STAGINGS) == sorted(name.encode() for name in [*others, ".mayhem-1-9.damaged"])
    store.sweep(before_ns=FOREVER_NS)
    assert disk.names(STAGINGS) == sorted(name.encode() for name in others)


def test_what_was_set_aside_stays_for_its_time(disk):
    store = open_simulated(disk)
    staging = begin(store, "a", DATA)
    write(staging, bytes(300))
    with pytest.raises(IntegrityError):
        finish(staging, DATA)
    staging.set_aside()
    store.sweep(before_ns=0)
    assert len(disk.names(STAGINGS)) == 1
    store.sweep(before_ns=FOREVER_NS)
    assert disk.names(STAGINGS) == []


# --- Packs --------------------------------------------------------------------------------------------


def test_each_file_of_a_pack_has_its_own_outcome(disk):
    store = open_simulated(disk)
    deliver(store, "taken/x", DATA)
    codes = store.write_small(
        [
            small("a", b"1"),
            small("../b", b"2"),
            small("c", b"3", digest=bytes(32)),
            small("taken", b"4"),
            small("a/below", b"5"),
            small(".mayhem/x", b"6"),
            small("x" * 256, b"7"),
            small("d/e", b"8"),
        ]
    )
    assert codes == [
        Code.OK,
        Code.NAME_REFUSED,
        Code.INTEGRITY,
        Code.IS_DIRECTORY,
        Code.NOT_REGULAR,
        Code.NAME_RESERVED,
        Code.NAME_TOO_LONG,
        Code.OK,
    ]
    assert (read(store, "a"), read(store, "d/e")) == (b"1", b"8")
    assert disk.names(STAGINGS) == []
    assert disk.names(ROOT) == [b".mayhem", b"a", b"d", b"taken"]


def test_the_same_name_twice_in_a_pack_ends_as_the_last(disk):
    store = open_simulated(disk)
    assert store.write_small([small("a", b"first"), small("a", b"last")]) == [Code.OK] * 2
    assert read(store, "a") == b"last"


def watch_open(disk):
    """From now on, how many descriptors are open before each call; the most of them is what counts."""
    seen = []
    disk.fault = lambda _operation, _count: seen.append(len(disk.open))
    return seen


def test_a_pack_holds_few_descriptors_and_waits_for_each_folder_once(disk):
    store = open_simulated(disk)
    files = [small(f"x/{number}", b"%d" % number) for number in range(200)]
    syncs = disk.calls["sync"]
    seen = watch_open(disk)
    assert store.write_small(files) == [Code.OK] * 200
    assert max(seen) <= OPEN_AT_ONCE_MAX + 8
    assert disk.calls["sync"] - syncs == 200 + 2, "each file, the folder, and the one above that has its name"


def test_a_pack_of_files_deep_below_many_folders_holds_few_descriptors(disk):
    store = open_simulated(disk)
    names = [f"{number}/" + "a/" * (NAME_DEPTH_MAX - 2) + "x" for number in range(6)]
    seen = watch_open(disk)
    assert store.write_small([small(name, b"1") for name in [*names, *names]]) == [Code.OK] * 12
    assert max(seen) <= 12 + FOLDERS_OPEN_MAX + 8
    after = worst_loss(disk)
    assert [after.content(f"{ROOT}/{name}") for name in names] == [b"1"] * 6


def test_a_folder_that_cannot_be_saved_fails_the_files_of_its_part_of_a_pack_alone(disk):
    store = open_simulated(disk)
    deep = "/".join("a" * (NAME_DEPTH_MAX - 2))
    deliver(store, f"0/{deep}/there", DATA)
    deliver(store, f"1/{deep}/there", DATA)
    files = [small(f"{number}/{deep}/x", b"1") for number in (0, 0, 1)]
    folder = disk.calls["sync"] + 4  # after the files, the third of which makes room for its folders

    def fail(operation, count):
        is_first_folder = operation == "sync" and count == folder
        return OSError(errno.EIO, "the device") if is_first_folder else None

    disk.fault = fail
    codes = store.write_small(files)
    assert codes == [Code.IO_ERROR, Code.IO_ERROR, Code.OK]


# --- The secret ---------------------------------------------------------------------------------------


def test_a_secret_is_kept_and_is_its_owners_alone(tmp_path):
    folder = tmp_path / "state" / "deep"
    assert load_or_create_secret(folder, fresh=FIRST) == FIRST
    assert load_or_create_secret(folder, fresh=SECOND_) == FIRST
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert os.listdir(folder) == ["secret"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_could_read_is_replaced(tmp_path, mode):
    load_or_create_secret(tmp_path, fresh=FIRST)
    (tmp_path / "secret").chmod(mode)
    assert load_or_create_secret(tmp_path, fresh=SECOND_) == SECOND_
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_secret_that_is_damaged_is_replaced(tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "secret.new").write_bytes(b"left by a crash")
    assert load_or_create_secret(tmp_path, fresh=FIRST) == FIRST
    assert load_or_create_secret(tmp_path, fresh=SECOND_) == FIRST


def test_half_a_secret_is_none():
    disk = SimulatedDisk(capacity_bytes=20)
    with pytest.raises(LocalFileError) as caught:
        load_or_create_secret("/state", fresh=FIRST, disk=disk)
    assert caught.value.code is Code.NO_SPACE
    assert disk.content("/state/secret") is None


def test_a_secret_that_cannot_be_kept_says_what_to_do(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalFileError) as caught:
        load_or_create_secret(tmp_path / "file", fresh=FIRST)
    assert "server.state_dir" in caught.value.remedy
