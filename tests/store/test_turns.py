"""Who is at something: one at a time, also with threads, processes and a disk that are real."""

import threading
from random import Random

import pytest
from deliveries import (
    FOREVER_NS,
    begin,
    deliver,
    finish,
    read,
    write,
)

from mayhem_udp.errors import MayhemError, RefusedError
from mayhem_udp.store.names import check_name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.pace import CALM_MAX_BYTES, CALM_MIN_BYTES, SLOW_WRITE_NS, Pace
from mayhem_udp.store.turns import Turns


def code_of(action, *arguments, kind=MayhemError, **options):
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    return caught.value.code


def test_the_last_thing_is_done_once_and_when_nobody_is_at_it():
    turns, done = Turns(), []
    with turns.wait():
        turns.at_last(lambda: done.append("first"))
        turns.at_last(lambda: done.append("second"))
        assert done == []
        with turns.attempt() as is_mine:
            assert not is_mine
        assert done == []
    assert done == ["first"]
    turns.at_last(lambda: done.append("third"))
    assert done == ["first"]


def test_the_last_thing_waits_for_every_job_even_one_that_fails():
    turns, done = Turns(), []

    def fails():
        raise MayhemError("as planned")

    jobs = [turns.later(fails), turns.later(lambda: done.append("job"))]
    assert turns.has_jobs
    assert not turns.is_free
    turns.at_last(lambda: done.append("last"))
    code_of(jobs[0])
    assert done == []
    jobs[1]()
    assert done == ["job", "last"]
    assert turns.is_free


def test_whoever_comes_first_of_many_threads_has_it_alone():
    turns, inside, most, done = Turns(), [], [], []

    def work():
        for _ in range(200):
            with turns.wait():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    turns.at_last(lambda: done.append(len(inside)))
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert done == [0]


def test_a_disk_has_to_do_well_for_longer_each_time_it_was_slow():
    now = [0]
    pace = Pace(lambda: now[0])

    def write_in(duration_ns, count=1 << 20):
        began_ns = now[0]
        now[0] += duration_ns
        pace.on_write(count, began_ns=began_ns)

    write_in(SLOW_WRITE_NS)
    assert not pace.is_slow
    wanted = []
    for _ in range(9):
        write_in(SLOW_WRITE_NS + 1)
        calm = 0
        while pace.is_slow:
            write_in(10, CALM_MIN_BYTES)
            calm += CALM_MIN_BYTES
        wanted.append(calm)
    assert wanted[:3] == [CALM_MIN_BYTES, 2 * CALM_MIN_BYTES, 4 * CALM_MIN_BYTES]
    assert wanted[-1] == CALM_MAX_BYTES


# --- With real threads and a real disk ----------------------------------------------------------------


def test_many_uploads_of_one_name_at_once_leave_one_of_them_whole(store, root):
    contents = [bytes([number]) * (1 << 16) for number in range(8)]
    start = threading.Barrier(9)
    seen, faults = set(), []

    def upload(data):
        start.wait()
        try:
            for _ in range(5):
                deliver(store, "x/a", data, step=1 << 14)
        except MayhemError as error:
            faults.append(error)

    threads = [threading.Thread(target=upload, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        try:
            seen.add(read(store, "x/a"))
        except RefusedError as error:
            faults += [error] if seen else []
    for thread in threads:
        thread.join()
    assert faults == []
    assert seen <= set(contents)
    assert (root / "x" / "a").read_bytes() in contents
    assert list((root / ".mayhem" / "staging").iterdir()) == []


def test_a_process_that_has_a_staging_keeps_others_from_it(root):
    """flock holds between processes: two daemons on one root do not write to one staging."""
    one = open_store(root, placement=Placement.HIDDEN_FOLDER)
    two = open_store(root, placement=Placement.HIDDEN_FOLDER)
    data = bytes(2 << 20)
    first, second = begin(one, "a", data), begin(two, "a", data)
    assert first.file_name != second.file_name
    assert two.sweep(before_ns=FOREVER_NS).files == 0
    for staging in (first, second):
        write(staging, data, step=1 << 16)
        finish(staging, data)
    one.close()
    two.close()
    assert (root / "a").stat().st_size == 2 << 20


def test_a_real_transfer_is_resumed_after_its_store_was_opened_again(root):
    data = Random(3).randbytes(3 << 20)
    store = open_store(root, placement=Placement.HIDDEN_FOLDER)
    staging = begin(store, "a", data)
    write(staging, data, 0, 2 << 20, step=1 << 16)
    staging.checkpoint()
    staging.keep()
    store.close()
    store = open_store(root, placement=Placement.HIDDEN_FOLDER)
    again = begin(store, "a", data)
    assert list(again.recover()) == [(0, 2 << 20)]
    write(again, data, 2 << 20, step=1 << 16)
    finish(again, data)
    assert read(store, check_name("a").parts[0]) == data
    store.close()
