"""A loss of power at any moment, with any outcome that the device may leave, costs nothing that was promised.

Each test records one piece of work on a simulated disk and looks at every disk that may be found after
every step of it: `power_loss` has the rules.
"""

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
    version_of,
    write,
)
from disk_record import Acknowledged
from power_loss import killed, losses, worst_loss
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, IntegrityError
from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.store.names import check_name
from mayhem_udp.store.secret import load_or_create_secret
from mayhem_udp.units import KIB, MIB

OLD = Random(1).randbytes(100)
NEW = Random(2).randbytes(200)
OTHER = Random(3).randbytes(150)


@pytest.fixture
def disk():
    """A disk with a store on it, that has one file; all of it is on the device."""
    disk = SimulatedDisk()
    store = open_simulated(disk)
    deliver(store, "a", OLD)
    store.close()
    disk.settle()
    return disk


def promised(steps):
    """What was acknowledged last, by name."""
    return {step.name: step.content for step in steps if isinstance(step, Acknowledged)}


def is_kept(steps, after, allowed):
    """Every name has one of its contents, whole; the acknowledged one, if one was."""
    kept = promised(steps)
    for name, contents in allowed.items():
        found = after.content(f"{ROOT}/{name}")
        assert found in ({kept[name]} if name in kept else contents), f"{name} after {len(steps)} steps"


def assert_swept(after):
    """A store opens on what is left, and nothing of the crash remains after a sweep."""
    store = open_simulated(after)
    store.sweep(before_ns=FOREVER_NS)
    assert after.names(STAGINGS) == []
    store.close()
    assert after.open == {}, "no descriptor is left"


def check_every_loss(disk, allowed, *, samples=40):
    seen = 0
    for steps, after in losses(disk, samples=samples):
        is_kept(steps, after, allowed)
        assert_swept(after)
        is_kept(steps, after, allowed)
        seen += 1
    assert seen > 50, "there was something to lose"


def test_a_replaced_file_is_the_old_or_the_new_one(disk):
    store = open_simulated(disk)
    deliver(store, "a", NEW)
    disk.acknowledge("a", NEW)
    check_every_loss(disk, {"a": {OLD, NEW}})


def test_a_new_file_in_new_folders_is_there_whole_once_acknowledged(disk):
    store = open_simulated(disk)
    deliver(store, "x/y/b", NEW)
    disk.acknowledge("x/y/b", NEW)
    check_every_loss(disk, {"x/y/b": {None, NEW}, "a": {OLD}})


def test_a_second_file_in_a_folder_made_by_the_first_is_there_once_acknowledged(disk):
    store = open_simulated(disk)
    staging = begin(store, "x/b", NEW)
    write(staging, NEW)
    deliver(store, "x/c", OTHER)
    disk.acknowledge("x/c", OTHER)
    finish(staging, NEW)
    disk.acknowledge("x/b", NEW)
    check_every_loss(disk, {"x/b": {None, NEW}, "x/c": {None, OTHER}})


def test_a_first_store_keeps_what_it_acknowledged_though_its_root_is_new():
    disk = SimulatedDisk()
    disk.settle()
    store = open_simulated(disk)
    deliver(store, "a", NEW)
    disk.acknowledge("a", NEW)
    check_every_loss(disk, {"a": {None, NEW}})


def test_small_files_are_old_or_new_each_and_all_there_once_acknowledged(disk):
    store = open_simulated(disk)
    assert store.write_small([small("a", NEW), small("p/b", OTHER), small("p/q/c", b"")]) == [Code.OK] * 3
    for name, content in (("a", NEW), ("p/b", OTHER), ("p/q/c", b"")):
        disk.acknowledge(name, content)
    check_every_loss(disk, {"a": {OLD, NEW}, "p/b": {None, OTHER}, "p/q/c": {None, b""}}, samples=80)


def test_a_removed_file_stays_removed_once_acknowledged(disk):
    store = open_simulated(disk)
    store.remove(check_name("a"))
    disk.acknowledge("a", None)
    found = [(len(promised(steps)), after.content(f"{ROOT}/a")) for steps, after in losses(disk)]
    assert (0, OLD) in found
    assert {content for acknowledged, content in found if acknowledged} == {None}


def test_of_two_uploads_of_one_name_the_last_that_ends_wins_whole(disk):
    store = open_simulated(disk)
    one, two = begin(store, "a", NEW), begin(store, "a", OTHER)
    write(two, OTHER)
    write(one, NEW)
    finish(two, OTHER)
    disk.acknowledge("a", OTHER)
    assert read(store, "a") == OTHER
    finish(one, NEW)
    disk.acknowledge("a", NEW)
    assert read(store, "a") == NEW
    for steps, after in losses(disk):
        kept = promised(steps)
        may_be = {OLD, OTHER} if not kept else {OTHER, NEW} if kept["a"] == OTHER else {NEW}
        assert after.content(f"{ROOT}/a") in may_be
        assert_swept(after)


def resumed(after, data):
    """Open what is left, go on with the transfer, and return what did not have to be sent again."""
    store = open_simulated(after)
    staging = begin(store, "b", data)
    if staging.needs_recovery:
        staging.recover()
    trusted = staging.have
    on_disk = bytes(after.nodes[after.open[staging.file].node].data)
    for start, stop in trusted:
        assert on_disk[start:stop] == data[start:stop], "only right bytes are trusted"
    for start, stop in list(trusted.holes(0, len(data))):
        write(staging, data, start, stop)
    finish(staging, data)
    assert read(store, "b") == data
    store.sweep(before_ns=FOREVER_NS)
    assert after.names(STAGINGS) == []
    store.close()
    return trusted.covered


def test_a_transfer_resumed_after_any_loss_ends_with_the_right_bytes(disk):
    data = Random(4).randbytes(300)
    store = open_simulated(disk)
    staging = begin(store, "b", data)
    write(staging, data, 0, 128)
    write(staging, data, 192, 256)
    staging.checkpoint()
    write(staging, data, 128, 192)
    staging.keep()
    kept = [resumed(after, data) for _, after in losses(disk)]
    assert min(kept) == 0
    assert max(kept) >= 192


def test_a_checkpoint_saves_what_came_before_it_from_a_loss_of_power(disk):
    data = Random(5).randbytes(300)
    staging = begin(open_simulated(disk), "b", data)
    write(staging, data, 0, 100)
    staging.checkpoint()
    write(staging, data, 100, 200)
    assert resumed(worst_loss(disk), data) >= 100


def test_a_checkpoint_of_a_first_store_is_found_again():
    disk = SimulatedDisk()
    data = Random(5).randbytes(300)
    staging = begin(open_simulated(disk), "b", data)
    write(staging, data, 0, 128)
    staging.checkpoint()
    assert resumed(worst_loss(disk), data) >= 128


SIZE = 24 * MIB
STEP = 60 * KIB
RESENT_MAX = max(4 * MIB, SIZE // 50)


def big_transfer(disk, order):
    """A transfer at the real policy, cut after each of its batches; checkpoints come as the session asks."""
    data = Random(6).randbytes(SIZE)
    staging = begin(open_simulated(disk, policy=JournalPolicy()), "b", data)
    for count, offset in enumerate(order, 1):
        staging.write(offset, data[offset : offset + STEP])
        if staging.checkpoint_is_due:
            staging.checkpoint()
        if count % 40 == 0:
            yield data, staging


def trusted_after(after, data):
    staging = begin(open_simulated(after, policy=JournalPolicy()), "b", data)
    return staging.recover().covered if staging.needs_recovery else 0


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "out of order"])
@pytest.mark.parametrize("crash", [killed, worst_loss], ids=["killed", "power lost"])
def test_at_most_4_megabytes_or_2_percent_are_sent_twice(crash, shuffled):
    disk = SimulatedDisk()
    offsets = list(range(0, SIZE, STEP))
    if shuffled:  # as a bad link brings them: each a little out of its turn
        random = Random(7)
        offsets.sort(key=lambda offset: offset + random.randrange(20 * STEP))
    resent = []
    for data, staging in big_transfer(disk, offsets):
        resent.append(staging.received_bytes - trusted_after(crash(disk), data))
    assert len(resent) > 5
    assert max(resent) <= RESENT_MAX


def test_a_bit_that_flips_on_the_disk_costs_one_run_and_no_more(disk):
    data = Random(8).randbytes(640)
    store = open_simulated(disk)
    staging = begin(store, "b", data)
    write(staging, data, 0, 576)
    node = disk.open[staging.file].node
    staging.keep()
    disk.nodes[node].data[130] ^= 1
    again = begin(store, "b", data)
    again.recover()
    assert list(again.have) == [(0, 128), (192, 576)]


def test_a_repair_that_is_cut_leaves_nothing_wrong_to_trust(disk):
    """Damage that came over the network has a digest of its own in the journal; its repair has none."""
    data = Random(9).randbytes(256)
    wrong = bytes(64) + data[64:]
    store = open_simulated(disk)
    staging = begin(store, "b", data)
    write(staging, wrong)
    with pytest.raises(IntegrityError):
        finish(staging, data)
    staging.block_digests()
    staging.rewrite(0, data[:64])
    staging.keep()
    assert resumed(killed(disk), data) == 192


def test_a_secret_is_none_or_whole_and_stays_once_it_was_told():
    disk = SimulatedDisk()
    disk.settle()
    first, second = bytes(range(32)), bytes(range(32, 64))
    assert load_or_create_secret("/state", fresh=first, disk=disk) == first
    disk.acknowledge("secret", first)
    for steps, after in losses(disk):
        known = load_or_create_secret("/state", fresh=second, disk=after)
        assert known in ({first} if promised(steps) else {first, second})
        assert after.content("/state/secret") == known


def test_versions_of_a_file_do_not_meet_in_one_staging(disk):
    store = open_simulated(disk)
    staging = begin(store, "b", NEW)
    write(staging, NEW, 0, 128)
    staging.keep()
    other = begin(store, "b", NEW, fingerprint=version_of(b"another"))
    assert not other.needs_recovery
    assert other.received_bytes == 0
    other.discard()
    assert begin(store, "b", NEW).needs_recovery
