"""Opening a store, and the folders in it: what a root has to be, and what is on the device already."""

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
    write,
)
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, LocalFileError, MayhemError, RefusedError
from mayhem_udp.store import folders as folders_module
from mayhem_udp.store.folders import Folders
from mayhem_udp.store.opening import Placement, open_store

DATA = Random(1).randbytes(300)


@pytest.fixture
def disk():
    return SimulatedDisk()


def code_of(action, *arguments, kind=MayhemError, **options):
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    return caught.value.code


def test_a_root_is_made_where_something_is_taken_in(disk):
    open_simulated(disk).close()
    assert disk.names(ROOT) == [b".mayhem"]
    assert disk.names(STAGINGS) == []
    assert disk.open == {}


def test_a_store_that_takes_nothing_makes_nothing(disk, tmp_path):
    assert (
        code_of(open_store, ROOT, placement=Placement.NOWHERE, disk=disk, kind=LocalFileError)
        is Code.NOT_FOUND
    )
    disk.plant_folder(ROOT)
    disk.plant(f"{ROOT}/a", DATA)
    store = open_store(ROOT, placement=Placement.NOWHERE, disk=disk)
    assert read(store, "a") == DATA
    for action in (
        lambda: begin(store, "b", DATA),
        lambda: store.scratch(size=1),
        lambda: store.write_small([]),
    ):
        assert code_of(action, kind=RefusedError) is Code.READ_ONLY
    assert store.sweep(before_ns=FOREVER_NS).files == 0
    assert disk.names(ROOT) == [b"a"]


def test_a_folder_to_download_into_shows_nothing_of_it_afterwards(disk):
    store = open_simulated(disk, placement=Placement.BESIDE)
    deliver(store, "a", DATA)
    assert disk.names(ROOT) == [b"a"]
    store.close()
    assert disk.open == {}


@pytest.mark.parametrize("placement", list(Placement), ids=lambda placement: placement.name)
def test_a_file_is_no_root(disk, placement):
    disk.plant_folder("/srv")
    disk.plant(ROOT, b"a file")
    with pytest.raises(LocalFileError) as caught:
        open_store(ROOT, placement=placement, disk=disk)
    assert ROOT in caught.value.message
    assert disk.open == {}


def test_another_file_system_below_the_root_is_told_at_once(disk):
    """A rename cannot cross it: better refused before the first byte."""
    store = open_simulated(disk)
    deliver(store, "mounted/a", DATA)
    real = disk._status

    inside = disk._walk(f"{ROOT}/mounted")

    def status(number):
        found = real(number)
        found.st_dev = 8 if number == inside else 7
        return found

    disk._status = status
    with pytest.raises(MayhemError) as caught:
        begin(store, "mounted/b", DATA)
    assert "another file system" in caught.value.message
    deliver(store, "c", DATA)


# --- Folders ------------------------------------------------------------------------------------------


def test_folders_that_are_known_to_be_on_the_device_are_not_synced_again(disk):
    store = open_simulated(disk)
    deliver(store, "x/y/a", DATA)
    syncs = disk.calls["sync"]
    deliver(store, "x/y/b", DATA)
    assert disk.calls["sync"] - syncs == 2, "the file, and the folder that it is in"


def test_a_folder_of_the_same_number_as_one_that_is_gone_is_synced(disk):
    disk.plant_folder("/r")
    folders = Folders(disk, disk.open_root("/r"))
    with folders.open() as opened:
        number = disk.open[opened.get_or_make(("x",))].node
        opened.note_changed(("x",))
        opened.sync()
    disk.remove_folder(folders.root, b"x")
    disk._next_node = number
    with folders.open() as opened:
        assert disk.open[opened.get_or_make(("x",))].node == number
        opened.note_changed(("x",))
        syncs = disk.calls["sync"]
        opened.sync()
        assert disk.calls["sync"] - syncs == 2


def test_what_is_remembered_of_folders_is_bounded(disk):
    disk.plant_folder("/r")
    folders = Folders(disk, disk.open_root("/r"))
    folders._durable = {(0, number) for number in range(folders_module._DURABLE_MAX)}
    with folders.open() as opened:
        opened.get_or_make(("x",))
        opened.note_changed(("x",))
        opened.sync()
    assert len(folders._durable) == 1


def test_a_folder_that_is_removed_just_before_the_rename_is_made_again(disk):
    store = open_simulated(disk)
    staging = begin(store, "x/a", DATA)
    write(staging, DATA)

    def rename_into_nothing(operation, _count):
        if operation == "rename":
            disk.fault = lambda _operation, _number: None
            return FileNotFoundError(2, "gone")
        return None

    disk.fault = rename_into_nothing
    finish(staging, DATA)
    assert read(store, "x/a") == DATA
