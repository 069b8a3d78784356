"""One transfer's staging: its phases, and who may do what in which."""

import itertools
from random import Random

import pytest
from deliveries import (
    ROOT,
    STAGINGS,
    begin,
    deliver,
    finish,
    open_simulated,
    read,
    write,
)
from hypothesis import given
from hypothesis import strategies as st
from simulated_disk import SimulatedDisk

from mayhem_udp.errors import Code, IntegrityError, MayhemError, PeerError, RefusedError
from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.store.pace import SLOW_WRITE_NS
from mayhem_udp.store.quota import StoreLimits
from mayhem_udp.units import MIB

DATA = Random(1).randbytes(300)


@pytest.fixture
def disk():
    return SimulatedDisk()


@pytest.fixture
def store(disk):
    return open_simulated(disk)


def code_of(action, *arguments, kind=MayhemError):
    with pytest.raises(kind) as caught:
        action(*arguments)
    return caught.value.code


def stagings(disk):
    return disk.names(STAGINGS)


@given(cuts=st.lists(st.integers(0, 300), max_size=8), order=st.randoms(use_true_random=False))
def test_bytes_in_any_order_and_twice_make_the_file(cuts, order):
    disk = SimulatedDisk()
    store = open_simulated(disk)
    staging = begin(store, "a", DATA)
    edges = sorted({0, 300, *cuts})
    pieces = list(itertools.pairwise(edges))
    pieces += [(max(0, start - 20), min(300, stop + 20)) for start, stop in pieces[::2]]
    order.shuffle(pieces)
    for start, stop in pieces:
        staging.write(start, DATA[start:stop])
        if order.random() < 0.3:
            staging.hash_pump(50)
    assert staging.received_bytes == 300
    assert staging.is_complete(300)
    finish(staging, DATA)
    assert read(store, "a") == DATA
    assert stagings(disk) == []


def test_an_empty_file_is_put_in_place(store, disk):
    deliver(store, "a", b"")
    assert disk.content(f"{ROOT}/a") == b""


def test_a_byte_that_is_here_is_not_written_again(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 200)
    calls = disk.calls["write"]
    staging.write(0, bytes(200))
    assert disk.calls["write"] == calls
    write(staging, DATA, 200)
    finish(staging, DATA)


def test_nothing_gets_its_name_with_a_wrong_digest(store, disk):
    deliver(store, "a", b"old")
    staging = begin(store, "a", DATA)
    write(staging, DATA[:-1] + b"!")
    assert code_of(finish, staging, DATA, kind=IntegrityError) is Code.INTEGRITY
    assert read(store, "a") == b"old"


def test_damaged_blocks_are_replaced_and_read_again_from_the_disk(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, bytes(64) + DATA[64:])
    with pytest.raises(IntegrityError):
        finish(staging, DATA)
    assert len(staging.block_digests()) == 1
    staging.rewrite(0, DATA[:64])
    finish(staging, DATA)
    assert read(store, "a") == DATA


def test_a_repair_that_changes_nothing_is_found_wrong_again_and_set_aside(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, bytes(300))
    for _ in range(2):
        with pytest.raises(IntegrityError):
            finish(staging, DATA)
        staging.block_digests()
        staging.rewrite(0, b"?")
    aside = staging.set_aside()
    assert stagings(disk) == [aside.encode()]
    assert disk.content(f"{ROOT}/a") is None
    assert aside.endswith(".damaged")


def test_a_file_is_not_finished_before_all_of_it_is_here(store):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 299)
    assert not staging.is_complete(300)
    assert code_of(finish, staging, DATA) is Code.SIZE_MISMATCH


def test_a_file_with_a_hole_is_not_finished(store):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 100)
    write(staging, DATA, 200, 300)
    assert not staging.is_complete(300)
    assert code_of(finish, staging, DATA) is Code.SIZE_MISMATCH
    write(staging, DATA, 100, 200)
    finish(staging, DATA)


def test_a_file_that_somebody_cut_on_the_disk_is_not_finished(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA)
    disk.truncate(staging.file, 10)
    assert code_of(finish, staging, DATA) is Code.SIZE_MISMATCH
    assert disk.content(f"{ROOT}/a") is None


def test_more_than_was_announced_is_the_peers_fault(store):
    staging = begin(store, "a", DATA)
    assert code_of(staging.write, 299, b"xx", kind=PeerError) is Code.SIZE_MISMATCH
    assert code_of(staging.write, 1 << 61, b"x", kind=PeerError) is Code.SIZE_MISMATCH
    staging.write(299, DATA[299:])


def test_a_file_of_unknown_size_grows(store):
    staging = begin(store, "a", DATA, size=None)
    write(staging, DATA)
    finish(staging, DATA)
    assert read(store, "a") == DATA


@pytest.mark.parametrize("end", ["keep", "discard"])
def test_what_is_over_takes_nothing_more(store, disk, end):
    staging = begin(store, "a", DATA)
    write(staging, DATA)
    getattr(staging, end)()
    assert staging.file not in disk.open
    assert code_of(staging.write, 0, b"x") is Code.CANCELLED
    assert code_of(finish, staging, DATA) is Code.CANCELLED
    assert code_of(staging.set_aside) is Code.CANCELLED
    getattr(staging, end)()
    assert disk.content(f"{ROOT}/a") is None


def test_repairs_come_only_after_damage_was_found(store):
    staging = begin(store, "a", DATA)
    assert code_of(staging.rewrite, 0, b"x", kind=PeerError) is Code.STATE_ILLEGAL
    assert code_of(staging.block_digests, kind=PeerError) is Code.STATE_ILLEGAL
    write(staging, bytes(300))
    with pytest.raises(IntegrityError):
        finish(staging, DATA)
    assert code_of(staging.write, 0, b"x", kind=PeerError) is Code.STATE_ILLEGAL
    staging.block_digests()
    assert code_of(staging.rewrite, 299, b"xx", kind=PeerError) is Code.STATE_ILLEGAL
    staging.rewrite(299, b"x")


def test_what_is_not_worth_it_is_not_kept(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 63)
    staging.keep()
    short = begin(store, "b", b"x" * 63)
    write(short, b"x" * 63)
    short.keep()
    unknown = begin(store, "c", DATA, size=None)
    write(unknown, DATA)
    unknown.keep()
    nameless = begin(store, "d", DATA, fingerprint=bytes(16))
    write(nameless, DATA)
    nameless.keep()
    assert stagings(disk) == []


def test_a_discarded_transfer_leaves_nothing(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 200)
    assert len(stagings(disk)) == 2, "the file and its journal"
    staging.discard()
    assert stagings(disk) == []


def test_a_scratch_file_has_no_name_and_can_be_read_back(store, disk):
    scratch = store.scratch(size=300)
    assert stagings(disk) == []
    write(scratch, DATA)
    finish(scratch, DATA)
    source = scratch.as_source()
    scratch.discard()
    assert bytes(source.read_blocking(0, 300)) == DATA
    source.close()
    store.close()
    assert disk.open == {}


def test_an_executable_stays_one_and_no_file_becomes_privileged(store, disk):
    deliver(store, "tool", DATA, mode=0o6755)
    deliver(store, "mute", DATA, mode=0o000)
    modes = {name: disk.nodes[disk._walk(f"{ROOT}/{name}")].mode for name in ("tool", "mute")}
    assert modes == {"tool": 0o755, "mute": 0o400}


# --- Two at it --------------------------------------------------------------------------------------


def during(disk, operation, action):
    """Do something in the midst of the next call of an operation."""

    def fault(called, _count):
        if called == operation:
            disk.fault = lambda _operation, _number: None
            action()

    disk.fault = fault


def test_a_checkpoint_does_not_hold_up_the_loop(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 128)
    held = []
    during(disk, "sync", lambda: held.append(staging._turns.guard.locked()))
    staging.checkpoint()
    assert held == [False]
    syncs = disk.calls["sync"]
    assert syncs >= 3, "the file, its journal and their folder"


@pytest.mark.parametrize("lives_in_memory", [True, False])
def test_what_lives_in_memory_needs_no_checkpoints(disk, lives_in_memory):
    disk.lives_in_memory = lives_in_memory
    staging = begin(open_simulated(disk), "a", b"", size=9 * MIB, fingerprint=b"v" * 16)
    for offset in range(0, 4 * MIB, MIB):
        staging.write(offset, bytes(MIB))
    assert staging.checkpoint_is_due is not lives_in_memory


def test_a_transfer_that_is_cut_during_a_checkpoint_can_be_resumed_at_once(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA, 0, 128)
    found = []

    def meanwhile():
        staging.keep()
        found.append(begin(store, "a", DATA))

    during(disk, "sync", meanwhile)
    staging.checkpoint()
    assert found[0].needs_recovery
    assert list(found[0].recover()) == [(0, 128)]


def test_a_transfer_cut_while_it_is_finished_ends_in_place(store, disk):
    staging = begin(store, "a", DATA)
    write(staging, DATA)
    during(disk, "sync", staging.discard)
    finish(staging, DATA)
    assert read(store, "a") == DATA
    assert staging.file not in disk.open


def test_a_transfer_cut_before_its_deferred_writes_ends_after_them(store, disk):
    staging = begin(store, "a", DATA)
    jobs = [staging.deferred([(0, DATA[:200])]), staging.deferred([(200, DATA[200:])])]
    staging.keep()
    assert staging.is_slow
    assert staging.file in disk.open
    for job in jobs:
        job()
    assert staging.file not in disk.open
    assert list(begin(store, "a", DATA).recover()) == [(0, 300)]


def test_a_slow_disk_is_noticed_and_forgiven(disk):
    now = [0]
    store = open_simulated(disk, clock_ns=lambda: now[0], policy=JournalPolicy())
    size = 40 << 20
    staging = begin(store, "a", b"", size=size, fingerprint=b"v" * 16)

    def slow_write(operation, _count):
        now[0] += SLOW_WRITE_NS + 1 if operation == "write" else 0

    disk.fault = slow_write
    staging.write(0, bytes(1 << 20))
    assert staging.is_slow
    disk.fault = lambda _operation, _count: None
    for offset in range(1 << 20, 17 << 20, 1 << 20):
        assert staging.is_slow
        staging.write(offset, bytes(1 << 20))
    assert not staging.is_slow


def test_a_refused_name_leaves_nothing_behind(disk):
    store = open_simulated(disk, limits=StoreLimits(name_max_bytes=4, name_depth_max=2))
    deliver(store, "ab/d", DATA)
    assert code_of(begin, store, "abcde", DATA, kind=RefusedError) is Code.NAME_TOO_LONG
    assert code_of(begin, store, "a/b/c", DATA, kind=RefusedError) is Code.NAME_TOO_LONG
    assert code_of(begin, store, "ab", DATA, kind=RefusedError) is Code.IS_DIRECTORY
    assert stagings(disk) == []
    assert store.quota.open_files == 0
