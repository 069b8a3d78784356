"""Counting a store that is in use: at whichever moment something changes, the count is right afterwards."""

import pytest
from deliveries import ROOT, begin, deliver, finish, open_simulated, small, write
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, IntegrityError, RefusedError, TransferError
from mayhem_udp.store.names import check_name
from mayhem_udp.store.quota import StoreLimits

DATA = bytes(range(200))
OTHER = bytes(reversed(range(150)))
LIMITS = StoreLimits(stored_max_bytes=1 << 30, files_max=1_000)


class Scene:
    """A store with files, one staging that was kept, and one in use."""

    def __init__(self):
        self.disk = SimulatedDisk()
        self.store = open_simulated(self.disk, limits=LIMITS)
        for name in ("a", "b", "x/c", "x/y/d"):
            deliver(self.store, name, DATA)
        self.disk.plant(f"{ROOT}/x/by-hand", OTHER)
        kept = begin(self.store, "kept", DATA)
        write(kept, DATA, 0, 128)
        kept.keep()
        spoilt = begin(self.store, "spoilt", DATA)
        write(spoilt, OTHER + bytes(50))
        with pytest.raises(IntegrityError):
            finish(spoilt, DATA)
        spoilt.set_aside()
        self.used = begin(self.store, "used", DATA)
        write(self.used, DATA, 0, 64)
        self.again = begin(self.store, "spoilt", DATA)
        write(self.again, OTHER)

    def count_with(self, change, call):
        """Count, with the change in the midst, before that call of the disk; False when there are fewer."""
        last = self.disk.calls_in_all + call
        is_done = False

        def meanwhile(_operation, _count):
            nonlocal is_done
            if self.disk.calls_in_all == last:
                is_done = True
                self.disk.fault = lambda _operation, _count: None
                change(self)

        self.disk.fault = meanwhile
        self.store.count()
        self.disk.fault = lambda _operation, _count: None
        return is_done

    def truth(self):
        """What is there, by the disk itself, when nothing is in use."""
        fresh = open_simulated(self.disk, limits=LIMITS)
        fresh.count()
        return fresh.quota.stored_bytes, fresh.quota.files

    def counted(self):
        return self.store.quota.stored_bytes, self.store.quota.files


def arrive(scene):
    deliver(scene.store, "x/new", OTHER)


def arrive_together(scene):
    scene.store.write_small([small("n1", OTHER), small("x/y/n2", DATA), small("a", b"")])


def arrive_in_new_folders(scene):
    deliver(scene.store, "x/new/deep/one", OTHER)
    scene.store.write_small([small("x/new/two", OTHER), small("z/new", DATA)])


def replace(scene):
    for name in ("a", "b", "x/c", "x/y/d"):
        deliver(scene.store, name, OTHER)


def remove(scene):
    for name in ("a", "b", "x/c", "x/y/d"):
        scene.store.remove(check_name(name))


def remove_and_bring_back(scene):
    remove(scene)
    replace(scene)


def begin_another(scene):
    write(begin(scene.store, "more", DATA), DATA, 0, 64)


def finish_it(scene):
    write(scene.used, DATA, 64)
    finish(scene.used, DATA)


def keep_it(scene):
    write(scene.used, DATA, 64, 128)
    scene.used.keep()


def discard_it(scene):
    scene.used.discard()


def set_it_aside(scene):
    scene.again.set_aside()


def resume_the_other(scene):
    begin(scene.store, "kept", DATA).recover()


def resume_and_finish_the_other(scene):
    deliver(scene.store, "kept", DATA)


def refuse_the_other(scene):
    """Claimed, and given back."""
    scene.store.limits = StoreLimits(stored_max_bytes=1)
    with pytest.raises(RefusedError):
        begin(scene.store, "kept", DATA)
    scene.store.limits = LIMITS


CHANGES = [
    arrive,
    arrive_together,
    arrive_in_new_folders,
    replace,
    remove,
    remove_and_bring_back,
    begin_another,
    finish_it,
    keep_it,
    discard_it,
    set_it_aside,
    resume_the_other,
    resume_and_finish_the_other,
    refuse_the_other,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_while_it_is_counted_counts_once(change):
    call = 1
    while True:
        scene = Scene()
        if not scene.count_with(change, call):
            break
        reference = Scene()
        reference.store.count()
        change(reference)
        assert scene.counted() == reference.counted(), f"before call {call}"
        call += 1
    assert call > 10, "it was met in the midst"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_counted_in_use_is_right_when_all_have_ended(change):
    scene = Scene()
    scene.store.count()
    stagings = []
    begin_of_store = scene.store.stage
    scene.store.stage = lambda *arguments, **options: (
        stagings.append(begin_of_store(*arguments, **options)) or stagings[-1]
    )
    change(scene)
    for each in (scene.used, scene.again, *stagings):
        each.keep()
    assert scene.counted() == scene.truth()


def test_counting_again_forgets_no_reservation_and_counts_none_twice():
    """As a daemon does whose settings are read again while files come."""
    disk = SimulatedDisk()
    store = open_simulated(disk, limits=StoreLimits(stored_max_bytes=1_000, files_max=3))
    for number in range(3):
        staging = begin(store, f"f{number}", DATA)
        write(staging, DATA, 0, 128)
        store.count()
        assert (store.quota.stored_bytes, store.quota.files) == (200 * number + 200, number + 1)
        write(staging, DATA, 128)
        finish(staging, DATA)
        assert (store.quota.stored_bytes, store.quota.files) == (200 * number + 200, number + 1)
    with pytest.raises(RefusedError) as caught:
        begin(store, "one more", DATA)
    assert caught.value.code is Code.TOO_MANY_FILES


def test_limits_hold_for_what_has_come_since_the_start_until_there_is_a_count():
    disk = SimulatedDisk()
    deliver(open_simulated(disk), "a", DATA)
    store = open_simulated(disk, limits=StoreLimits(files_max=2))
    deliver(store, "b", DATA)
    deliver(store, "c", DATA)
    with pytest.raises(RefusedError):
        begin(store, "d", DATA)
    store.count()
    assert store.quota.files == 3


def test_a_count_that_fails_changes_nothing():
    disk = SimulatedDisk()
    store = open_simulated(disk, limits=LIMITS)
    deliver(store, "a", DATA)
    disk.plant(f"{ROOT}/by-hand", DATA)
    disk.fault = lambda operation, _count: OSError(5, "broken") if operation == "entries" else None
    with pytest.raises(TransferError):
        store.count()
    disk.fault = lambda _operation, _count: None
    assert (store.quota.stored_bytes, store.quota.files) == (200, 1)
    store.count()
    assert (store.quota.stored_bytes, store.quota.files) == (400, 2)
