"""Nothing outside the root is read or written: by name, by link, or by a link that is swapped in just then.

The races are won on purpose: before every single call of a piece of work, in turn, somebody with an
account on the machine swaps a folder or a file for a link that leads outside.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from deliveries import SMALL_POLICY, begin, deliver, finish, picture, small, write

from mayhem_udp.errors import Code, MayhemError, RefusedError
from mayhem_udp.store.disk import Disk, Kind, RealDisk
from mayhem_udp.store.names import check_name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.patterns import EVERYTHING
from mayhem_udp.store.secret import load_or_create_secret
from mayhem_udp.store.source import open_local

SECRET = b"what nobody may read" * 10
OURS = b"what the store has" * 10


class WatchedDisk(RealDisk):
    """The real disk; before its call of number `at`, somebody else acts."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.at = -1
        self.action = lambda: None

    def step(self):
        self.calls += 1
        if self.calls == self.at:
            self.action()


def _watched(operation):
    def call(self, *arguments, **options):
        self.step()
        return getattr(RealDisk, operation)(*arguments, **options)

    return call


def _without_waiting(self, file):
    """No device is waited for: what it would do is none of this file's business."""
    self.step()


for _operation in (each for each in vars(Disk) if not each.startswith("_") and each != "is_in_memory"):
    setattr(WatchedDisk, _operation, _watched(_operation))
WatchedDisk.sync = _without_waiting


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    (folder / "staging").mkdir(parents=True)
    (folder / "a").write_bytes(SECRET)
    (folder / "b").write_bytes(SECRET)
    return folder


def new_place(root, number):
    """A fresh store with a file in a folder, beside all the others."""
    place = root / str(number)
    (place / "x").mkdir(parents=True)
    (place / "x" / "a").write_bytes(OURS)
    disk = WatchedDisk()
    return place, disk, open_store(place, placement=Placement.HIDDEN_FOLDER, disk=disk, policy=SMALL_POLICY)


def swapped(path: Path, target: Path):
    """Move what is there aside, and put a link in its place."""
    if path.is_symlink():
        return
    if path.exists():
        path.rename(path.with_name(path.name + " moved"))
    path.symlink_to(target)


def swap_folder(place, outside):
    swapped(place / "x", outside)


def swap_file(place, outside):
    if (place / "x").is_dir() and not (place / "x").is_symlink():
        swapped(place / "x" / "a", outside / "a")
        swapped(place / "x" / "b", outside / "b")


def swap_stagings(place, outside):
    swapped(place / ".mayhem", outside)


def swap_staging_folder(place, outside):
    swapped(place / ".mayhem" / "staging", outside)


def swap_each_staging(place, outside):
    for path in (place / ".mayhem" / "staging").iterdir():
        swapped(path, outside / "a")


def swap_for_a_pipe(place, outside):
    path = place / "x" / "a"
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def swap_for_a_socket(place, outside):
    path = place / "x" / "a"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


def an_upload(store):
    deliver(store, "x/b", OURS)


def a_replacement(store):
    deliver(store, "x/a", OURS)


def a_resumption(store):
    staging = store.stage(check_name("x/b"), size=len(OURS), fingerprint=b"v" * 16, mtime_ns=1, mode=0o644)
    staging.write(0, OURS[:100])
    staging.keep()
    staging = store.stage(check_name("x/b"), size=len(OURS), fingerprint=b"v" * 16, mtime_ns=1, mode=0o644)
    if staging.needs_recovery:
        staging.recover()
    staging.keep()
    store.sweep(before_ns=1 << 62)


def small_uploads(store):
    store.write_small([small("x/a", OURS), small("x/b", OURS), small("x/y/c", OURS)])


def a_download(store):
    source = store.open_source(check_name("x/a"))
    try:
        assert bytes(source.read_blocking(0, source.size)) == OURS
        assert bytes(source.read(0, source.size) or OURS) == OURS
    finally:
        source.close()


def a_look(store):
    assert store.stat(check_name("x/a")).size == len(OURS)
    assert store.read_small(check_name("x/a")).data == OURS
    store.digest(check_name("x/a"))


def a_list(store):
    assert not any(entry.size == len(SECRET) for entry in store.entries(EVERYTHING, recursive=True))


def a_removal(store):
    store.remove(check_name("x/a"))


SWAPS = [
    swap_folder,
    swap_file,
    swap_stagings,
    swap_staging_folder,
    swap_each_staging,
    swap_for_a_pipe,
    swap_for_a_socket,
]
WORKS = [an_upload, a_replacement, a_resumption, small_uploads, a_download, a_look, a_list, a_removal]


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: swap.__name__)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_no_race_of_links_leads_outside(work, swap, root, outside):
    _, disk, store = new_place(root, 0)
    disk.calls = 0
    work(store)
    store.close()
    calls = disk.calls
    before = picture(outside)
    for number in range(1, calls + 1):
        place, disk, store = new_place(root, number)
        disk.calls, disk.at = 0, number
        disk.action = lambda place=place: swap(place, outside)
        with suppress(MayhemError):  # refused in good order: nothing else may come out
            work(store)
        assert picture(outside) == before, f"swapped before call {number}"
        store.close()


@pytest.fixture
def linked(root, outside):
    """A root full of what leads outside, or waits."""
    (root / "file").write_bytes(OURS)
    (root / "to-folder").symlink_to(outside)
    (root / "to-file").symlink_to(outside / "a")
    (root / "dangling").symlink_to(outside / "new")
    (root / "to-itself").symlink_to("to-itself")
    (root / "within").symlink_to("file")
    (root / "to-dev").symlink_to("/dev")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    return root


LINKS = ["to-file", "dangling", "to-itself", "within"]
NO_FILES = ["pipe", "socket"]
THROUGH = [
    "to-folder/a",
    "to-folder/new",
    "to-folder/staging/x",
    "to-dev/null",
    "to-file/x",
    "file/x",
    "pipe/x",
]


def code_of(action, *arguments):
    with pytest.raises(RefusedError) as caught:
        action(*arguments)
    return caught.value.code


@pytest.mark.parametrize("name", LINKS + NO_FILES + THROUGH)
def test_links_devices_pipes_and_sockets_are_not_opened(store, linked, outside, name):
    before = picture(outside)
    checked = check_name(name)
    for action in (store.open_source, store.read_small, store.digest, store.stat, store.remove):
        assert code_of(action, checked) is Code.NOT_REGULAR, action.__name__
    assert picture(outside) == before


@pytest.mark.parametrize("name", THROUGH)
def test_nothing_is_written_through_a_link(store, linked, outside, name):
    before = picture(outside)
    assert code_of(deliver, store, name, OURS) is Code.NOT_REGULAR
    assert store.write_small([small(name, OURS)]) == [Code.NOT_REGULAR]
    assert picture(outside) == before


@pytest.mark.parametrize("name", LINKS)
def test_a_file_takes_the_place_of_a_link_and_not_of_what_it_points_to(store, linked, outside, name):
    before = picture(outside)
    deliver(store, name, OURS)
    assert (linked / name).read_bytes() == OURS
    assert not (linked / name).is_symlink()
    assert picture(outside) == before


@pytest.mark.parametrize("name", NO_FILES)
def test_no_file_takes_the_place_of_a_pipe_or_a_socket(store, linked, name):
    before = (linked / name).lstat().st_ino
    assert code_of(deliver, store, name, OURS) is Code.NOT_REGULAR
    assert code_of(store.find_partial, check_name(name)) is Code.NOT_REGULAR, "told before the first byte"
    assert store.write_small([small(name, OURS), small("new", OURS)]) == [Code.NOT_REGULAR, Code.OK]
    assert (linked / name).lstat().st_ino == before
    assert list((linked / ".mayhem" / "staging").iterdir()) == []


def test_a_pipe_that_was_made_while_the_file_came_keeps_its_name(store, root):
    staging = begin(store, "a", OURS)
    write(staging, OURS)
    os.mkfifo(root / "a")
    assert code_of(finish, staging, OURS) is Code.NOT_REGULAR
    staging.keep()
    assert (root / "a").is_fifo()
    assert store.quota.open_files == 0


def test_what_is_no_file_is_told_apart_before_it_is_opened(linked, outside):
    """Opening a device can do something: a tape rewinds, a watchdog starts."""
    opened = []

    class Disk(RealDisk):
        @staticmethod
        def open_file(folder, name):
            opened.append(name)
            return RealDisk.open_file(folder, name)

    store = open_store(linked, placement=Placement.NOWHERE, disk=Disk())
    for name in LINKS + NO_FILES:
        assert code_of(store.open_source, check_name(name)) is Code.NOT_REGULAR
    assert opened == []
    store.close()


@pytest.mark.parametrize(
    "swap", [swap_for_a_pipe, swap_for_a_socket, swap_file], ids=lambda swap: swap.__name__
)
def test_what_becomes_something_else_after_the_look_is_found_out_after_the_opening(swap, root, outside):
    place, _, store = new_place(root, 0)
    store.close()

    class Disk(RealDisk):
        @staticmethod
        def open_file(folder, name):
            swap(place, outside)
            return RealDisk.open_file(folder, name)

    store = open_store(place, placement=Placement.NOWHERE, disk=Disk())
    assert code_of(store.open_source, check_name("x/a")) is Code.NOT_REGULAR
    assert store.quota.open_files == 0
    store.close()


def test_links_are_neither_files_nor_folders_in_a_list(linked):
    disk = RealDisk()
    folder = disk.open_root(str(linked))
    kinds = dict(disk.entries(folder))
    disk.close(folder)
    assert kinds.pop(b"file") is Kind.FILE
    assert set(kinds.values()) == {Kind.OTHER}
    assert {b"to-file", b"to-folder", b"within", b"pipe", b"socket"} <= set(kinds)


def test_a_device_is_neither_listed_nor_opened_nor_waited_for(root):
    try:
        os.mknod(root / "device", 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        os.mkfifo(root / "device")
    store = open_store(root, placement=Placement.NOWHERE)
    assert code_of(store.open_source, check_name("device")) is Code.NOT_REGULAR
    assert list(store.entries(EVERYTHING, recursive=True)) == []
    store.close()


def test_a_pipe_of_the_users_own_is_not_waited_for(root):
    os.mkfifo(root / "pipe")
    with pytest.raises(MayhemError) as caught:
        open_local(root / "pipe")
    assert caught.value.code is Code.NOT_REGULAR


def test_a_secret_behind_a_link_is_not_taken(root, outside):
    (outside / "secret").write_bytes(bytes(32))
    (outside / "secret").chmod(0o600)
    (root / "secret").symlink_to(outside / "secret")
    assert load_or_create_secret(root, fresh=b"x" * 32) == b"x" * 32
    assert (outside / "secret").read_bytes() == bytes(32)
    assert not (root / "secret").is_symlink()


def test_the_hidden_folder_is_not_a_link(root, outside):
    before = picture(outside)
    (root / ".mayhem").symlink_to(outside)
    with pytest.raises(MayhemError):
        open_store(root, placement=Placement.HIDDEN_FOLDER)
    assert picture(outside) == before
