"""Stagings on the shelf: found again by who may, and nobody else's to touch."""

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
    version_of,
    write,
)
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, TransferError
from mayhem_udp.store import shelf as shelf_module
from mayhem_udp.store.names import check_name

DATA = Random(1).randbytes(256)


@pytest.fixture
def disk():
    return SimulatedDisk()


@pytest.fixture
def store(disk):
    return open_simulated(disk)


def cut(store, data=DATA, stop=128, name="a"):
    staging = begin(store, name, data)
    write(staging, data, 0, stop)
    staging.keep()


def test_an_interrupted_transfer_is_found_by_the_next_of_the_same_version(store, disk):
    cut(store)
    again = begin(store, "a", DATA)
    assert again.needs_recovery
    assert list(again.recover()) == [(0, 128)]
    write(again, DATA, 128)
    finish(again, DATA)
    assert read(store, "a") == DATA
    assert disk.names(STAGINGS) == []


def test_another_file_finds_nothing(store):
    cut(store)
    assert not begin(store, "b", DATA).needs_recovery


def test_a_transfer_of_the_same_version_at_once_gets_a_staging_of_its_own(store):
    one, two = begin(store, "a", DATA), begin(store, "a", DATA)
    write(one, DATA, 0, 200)
    write(two, DATA)
    assert one.file_name != two.file_name
    finish(two, DATA)
    write(one, DATA, 200)
    finish(one, DATA)
    assert read(store, "a") == DATA


def test_only_so_many_transfers_of_the_same_version_at_once(store):
    stagings = [begin(store, "a", DATA) for _ in range(shelf_module._AT_ONCE_MAX)]
    with pytest.raises(TransferError) as caught:
        begin(store, "a", DATA)
    assert caught.value.code is Code.BUSY
    stagings[7].discard()
    begin(store, "a", DATA)


def test_two_names_of_one_key_do_not_meet(store, disk):
    """Names of stagings are hashes: what the journal says decides, should two ever be the same."""
    cut(store)
    part, journal = reversed(disk.names(STAGINGS))
    other = begin(store, "b", DATA)
    other_part = other.file_name
    other.discard()
    folder = disk.open_root(STAGINGS)
    disk.rename(folder, part, folder, other_part)
    disk.rename(folder, journal, folder, other_part.replace(b".part", b".journal"))
    again = begin(store, "b", DATA)
    assert not again.needs_recovery
    assert disk.status(again.file).st_size == 0
    write(again, DATA)
    finish(again, DATA)
    assert read(store, "b") == DATA


def when(disk, operation, action):
    """Do something just before the next call of an operation, as another thread or process would."""

    def fault(called, _count):
        if called == operation:
            disk.fault = lambda _operation, _number: None
            action()

    disk.fault = fault


def test_a_staging_that_is_finished_just_then_is_not_written_to_any_more(store, disk):
    """Opened while it was a staging, locked when it was in place under its name already."""
    first = begin(store, "a", DATA)
    write(first, DATA)
    when(disk, "lock", lambda: finish(first, DATA))
    second = begin(store, "a", DATA)
    assert read(store, "a") == DATA, "what is in place stays whole"
    write(second, DATA, 0, 64)
    assert read(store, "a") == DATA
    write(second, DATA, 64)
    finish(second, DATA)
    assert read(store, "a") == DATA


def test_a_sweep_does_not_take_the_successor_of_what_it_looked_at(store, disk):
    first = begin(store, "a", DATA)
    write(first, DATA)
    later = []

    def meanwhile():
        finish(first, DATA)
        later.append(begin(store, "a", DATA))

    when(disk, "lock", meanwhile)
    store.sweep(before_ns=FOREVER_NS)
    write(later[0], DATA)
    finish(later[0], DATA)
    assert disk.names(STAGINGS) == []


def test_a_sweep_just_after_its_creation_costs_a_staging_its_name_and_not_the_transfer(store, disk):
    when(disk, "lock", lambda: store.sweep(before_ns=FOREVER_NS))
    deliver(store, "a", DATA)
    assert read(store, "a") == DATA


def test_a_file_that_is_found_under_both_names_is_left_alone(store, disk):
    """As a loss of power in the midst of a rename may leave it."""
    cut(store, stop=256)
    part = next(name for name in disk.names(STAGINGS) if name.endswith(b".part"))
    folder, node = disk._walk(ROOT), disk._walk(f"{STAGINGS}/{part.decode()}")
    disk._name(folder, b"a", node)
    fresh = begin(store, "a", DATA)
    assert not fresh.needs_recovery
    write(fresh, bytes(64))
    fresh.discard()
    assert disk.content(f"{ROOT}/a") == DATA


def test_the_newest_partial_of_any_version_is_found(store, disk):
    old, new = Random(2).randbytes(300), Random(3).randbytes(300)
    cut(store, old)
    cut(store, new)
    found = store.find_partial(check_name("a"))
    assert found.fingerprint == version_of(new)
    assert store.find_partial(check_name("a")).fingerprint == version_of(old), "the newest is taken"
    assert store.find_partial(check_name("a")) is None
    assert store.find_partial(check_name("b")) is None
    found.discard()
    assert store.find_partial(check_name("a")) is None


def test_partials_are_found_after_a_restart_too(store, disk):
    cut(store)
    store.close()
    found = open_simulated(disk).find_partial(check_name("a"))
    assert list(found.recover()) == [(0, 128)]


def test_stagings_are_of_their_owner_alone(store, disk):
    staging = begin(store, "a", DATA, mode=0o777)
    assert stat.S_IMODE(disk.status(staging.file).st_mode) == 0o600
