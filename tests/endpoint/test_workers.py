"""Workers: order within a key, fairness between keys, bounds, and an end that waits."""

import threading

import pytest
from turning import IN_VAIN_NS, turn_until

from mayhem_udp.endpoint.workers import InlineWorkers, Workers
from mayhem_udp.errors import Code, TransferError
from mayhem_udp.units import MS, SECOND


@pytest.fixture
def workers(loop):
    """Two threads."""
    workers = Workers(loop, threads_max=2)
    yield workers
    workers.close()


class Gate:
    """A job that hangs until it is opened, and tells when it has begun."""

    def __init__(self):
        self.begun = threading.Event()
        self.opened = threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.opened.wait(IN_VAIN_NS / SECOND)


def test_results_and_errors_come_back_on_the_loops_thread(loop, workers):
    got = []

    def done(result, error):
        got.append((result, error, threading.current_thread()))

    trouble = OSError("a disk on fire")

    def fails():
        raise trouble

    workers.submit("a", lambda: 7, done)
    workers.submit("b", fails, done)
    turn_until(loop, lambda: len(got) == 2)
    here = threading.current_thread()
    assert sorted(got, key=str) == sorted([(7, None, here), (None, trouble, here)], key=str)
    assert workers.unfinished == 0


def test_jobs_of_one_key_run_one_after_the_other_in_their_order(loop, workers):
    order, running = [], []

    def job(number):
        running.append(number)
        assert len(running) == 1, "never two of one key at once"
        order.append(number)
        running.pop()

    came = []
    for number in range(200):
        workers.submit("key", lambda number=number: job(number), lambda _r, error: came.append(error))
    turn_until(loop, lambda: len(came) == 200)
    assert order == list(range(200))
    assert set(came) == {None}


def test_a_key_that_hangs_does_not_hold_up_the_others(loop, workers):
    gate, done = Gate(), []
    workers.submit("slow disk", gate, lambda *_: done.append("slow"))
    for number in range(20):
        workers.submit(f"other {number % 3}", lambda: None, lambda *_: done.append("other"))
    turn_until(loop, lambda: len(done) == 20)
    assert "slow" not in done
    gate.opened.set()
    turn_until(loop, lambda: "slow" in done)


def test_keys_take_turns_so_that_a_long_queue_does_not_go_first(loop):
    workers, gate, order = Workers(loop, threads_max=1), Gate(), []
    workers.submit("first", gate, lambda *_: None)
    assert gate.begun.wait(IN_VAIN_NS / SECOND)
    for number in range(3):
        workers.submit("many", lambda number=number: order.append(f"many {number}"), lambda *_: None)
    workers.submit("few", lambda: order.append("few"), lambda *_: None)
    gate.opened.set()
    assert workers.close() == 0
    assert order == ["many 0", "few", "many 1", "many 2"]


def test_a_job_that_ends_while_results_are_handed_back_is_handed_back_too(loop):
    workers, done = Workers(loop, threads_max=1), []

    def all_jobs_have_ended():
        with workers._changed:
            return workers._idle == 1 and not workers._waiting

    def on_first(_result, _error):
        done.append("first")
        workers.submit("key", lambda: None, lambda *_: done.append("third"))
        while not all_jobs_have_ended():
            continue

    workers.submit("key", lambda: None, on_first)
    workers.submit("key", lambda: None, lambda *_: done.append("second"))
    while not all_jobs_have_ended():  # both wait to be handed back, in one go
        continue
    turn_until(loop, lambda: len(done) == 3)
    assert done == ["first", "second", "third"]
    assert workers.close() == 0


def test_what_raises_as_results_are_handed_back_keeps_none_of_the_others(loop):
    workers, done = Workers(loop, threads_max=1), []

    def fails(_result, _error):
        raise ValueError("mine")

    workers.submit("a", lambda: None, fails)
    for number in range(3):
        workers.submit("b", lambda: None, lambda *_, number=number: done.append(number))
    with pytest.raises(ValueError, match="mine"):
        turn_until(loop, lambda: len(done) == 3)
    turn_until(loop, lambda: done == [0, 1, 2])
    assert workers.close() == 0


def test_what_is_too_much_is_refused_and_room_comes_back(loop):
    workers, gate, done = Workers(loop, threads_max=1, jobs_max=2), Gate(), []
    for _ in range(2):
        workers.submit("key", gate, lambda *_: done.append(1))
    with pytest.raises(TransferError, match="too far behind") as caught:
        workers.submit("key", gate, lambda *_: done.append(1))
    assert caught.value.code is Code.BUSY
    gate.opened.set()
    turn_until(loop, lambda: len(done) == 2)
    workers.submit("key", lambda: None, lambda *_: done.append(1))
    assert workers.close() == 0
    assert len(done) == 3


def test_closing_lets_jobs_end_and_hands_their_results_back(loop):
    workers, done = Workers(loop, threads_max=2), []
    for number in range(50):
        workers.submit(number % 5, lambda number=number: number, lambda result, _e: done.append(result))
    assert workers.close() == 0
    assert sorted(done) == list(range(50))


def test_closing_does_not_wait_for_ever_for_a_job_that_hangs(loop):
    workers, gate = Workers(loop, threads_max=1), Gate()
    workers.submit("dead disk", gate, lambda *_: None)
    assert gate.begun.wait(IN_VAIN_NS / SECOND)
    assert workers.close(wait_max_ns=1 * MS) == 1
    gate.opened.set()


def test_threads_are_started_for_work_only_and_are_no_more_than_allowed(loop):
    workers = Workers(loop, threads_max=2)
    assert workers._threads == []
    gate = Gate()
    for number in range(5):
        workers.submit(number, gate, lambda *_: None)
    assert len(workers._threads) == 2
    gate.opened.set()
    assert workers.close() == 0


def test_inline_workers_run_when_they_are_told_in_the_order_given():
    workers, order = InlineWorkers(), []
    workers.submit("a", lambda: order.append("job"), lambda *_: order.append("done"))
    workers.submit(
        "b", lambda: 1 / 0, lambda _r, error: (order.append(type(error)), workers.submit("c", dict, more))
    )

    def more(_result, _error):
        order.append("more")

    assert order == []
    assert workers.unfinished == 2
    assert workers.run() == 3
    assert order == ["job", "done", ZeroDivisionError, "more"]


def test_inline_workers_have_the_same_bound():
    workers = InlineWorkers(jobs_max=1)
    workers.submit("a", dict, lambda *_: None)
    with pytest.raises(TransferError, match="too far behind"):
        workers.submit("a", dict, lambda *_: None)
    assert workers.close() == 0
