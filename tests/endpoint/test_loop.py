"""The loop: sockets, then timers, then what was asked for; each once a turn."""

import os
import select
import signal
import threading

import pytest
from turning import Moment, turn_until

from mayhem_udp.endpoint.loop import DESCRIPTORS_MAX, TIMER_SLACK_NS, Loop, sharpen_timers
from mayhem_udp.errors import Code, MayhemError


@pytest.fixture
def moment():
    return Moment()


@pytest.fixture
def still(moment):
    """A loop on a clock that only the test moves."""
    with Loop(clock=moment) as loop:
        yield loop


class Pipe:
    """Something to watch."""

    def __init__(self):
        self.out, self.into = os.pipe()

    def fileno(self):
        return self.out

    def fill(self):
        os.write(self.into, b"x")

    def drain(self):
        return os.read(self.out, 100)

    def close(self):
        os.close(self.out)
        os.close(self.into)


@pytest.fixture
def pipes():
    made = [Pipe(), Pipe()]
    yield made
    for each in made:
        each.close()


# --- Timers -------------------------------------------------------------------------------------------


def test_timers_are_called_when_they_are_due_the_earliest_first(still, moment):
    called = []
    for due_ns in (30, 10, 20):
        still.call_at(moment.now_ns + due_ns, lambda due_ns=due_ns: called.append(due_ns))
    still.turn(wait_max_ns=0)
    assert called == []
    moment.now_ns += 20
    still.turn(wait_max_ns=0)
    assert called == [10, 20]
    moment.now_ns += 10
    still.turn(wait_max_ns=0)
    assert called == [10, 20, 30]


def test_a_timer_that_is_moved_is_called_once_at_its_last_time(still, moment):
    called = []
    timer = still.call_at(moment.now_ns + 10, lambda: called.append(moment.now_ns))
    timer.set(moment.now_ns + 50)
    for _ in range(6):
        moment.now_ns += 10
        still.turn(wait_max_ns=0)
    assert called == [1_000_050]


def test_a_timer_whose_time_has_passed_is_called_in_the_next_turn(still, moment):
    called = []
    still.call_at(moment.now_ns - 5, lambda: called.append("late"))
    still.turn()  # waits for nothing
    assert called == ["late"]


def test_a_timer_that_another_cancels_in_the_same_turn_is_not_called(still, moment):
    called = []
    second = still.timer(lambda: called.append("second"))
    still.call_at(moment.now_ns + 1, second.cancel)
    second.set(moment.now_ns + 2)
    moment.now_ns += 5
    still.turn(wait_max_ns=0)
    still.turn(wait_max_ns=0)
    assert called == []


def test_a_timer_that_sets_itself_again_waits_for_the_next_turn(still, moment):
    called = []

    def again():
        called.append(moment.now_ns)
        timer.set(moment.now_ns)

    timer = still.call_at(moment.now_ns, again)
    still.turn(wait_max_ns=0)
    assert len(called) == 1
    still.turn(wait_max_ns=0)
    assert len(called) == 2


# --- Soon ---------------------------------------------------------------------------------------------


def test_what_is_asked_for_soon_is_done_in_this_turn_and_what_it_asks_for_in_the_next(still):
    called = []

    def first():
        called.append("first")
        still.call_soon(lambda: called.append("second"))

    still.call_soon(first)
    still.turn()
    assert called == ["first"]
    still.turn()
    assert called == ["first", "second"]


def test_what_raises_comes_out_and_what_it_kept_from_being_called_is_called_next(still, moment):
    called = []

    def fails():
        raise ValueError("mine")

    still.call_at(moment.now_ns, fails)
    still.call_at(moment.now_ns + 1, lambda: called.append("timer"))
    still.call_soon(lambda: called.append("soon"))
    moment.now_ns += 1
    with pytest.raises(ValueError, match="mine"):
        still.turn()
    assert called == []
    still.turn()
    assert called == ["timer", "soon"]


def test_running_ends_with_the_turn_in_which_it_is_stopped(loop):
    called = []
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: called.append("same turn"))
    loop.run()
    assert called == ["same turn"]


# --- Descriptors --------------------------------------------------------------------------------------


def test_what_is_readable_is_called_in_every_turn_until_it_is_drained(still, pipes):
    called = []
    still.watch(pipes[0], lambda: called.append("readable"))
    still.turn(wait_max_ns=0)
    pipes[0].fill()
    still.turn(wait_max_ns=0)
    still.turn(wait_max_ns=0)
    assert called == ["readable", "readable"]
    pipes[0].drain()
    still.turn(wait_max_ns=0)
    assert len(called) == 2


def test_what_is_unwatched_in_a_turn_is_not_called_in_it_any_more(still, pipes):
    called = []

    def take(mine, other):
        called.append("one")
        still.unwatch(other)

    one, other = pipes
    still.watch(one, lambda: take(one, other))
    still.watch(other, lambda: take(other, one))
    one.fill()
    other.fill()
    still.turn(wait_max_ns=0)
    assert called == ["one"]


def test_what_is_unwatched_and_closed_in_a_turn_is_forgotten(still, bench):
    called = []
    one, other = bench.server(), bench.server()

    def take(mine, other):
        called.append("one")
        still.unwatch(other)
        other.close()

    still.watch(one, lambda: take(one, other))
    still.watch(other, lambda: take(other, one))
    sender = bench.raw()
    for each in (one, other):
        sender.sendto(b"x", (each.local.host, each.local.port))
    still.turn()
    assert called == ["one"]


def test_writability_is_told_while_it_is_wanted(still, bench):
    called = []
    socket = bench.raw()
    still.watch(socket, lambda: called.append("readable"))
    still.watch_writable(socket, lambda: called.append("writable"))
    still.turn(wait_max_ns=0)
    assert called == ["writable"]
    still.watch_writable(socket, None)
    still.turn(wait_max_ns=0)
    assert called == ["writable"]


def test_a_descriptor_that_select_cannot_watch_is_refused(still):
    class Late:
        def fileno(self):
            return DESCRIPTORS_MAX

    with pytest.raises(MayhemError, match="too many files are open") as caught:
        still.watch(Late(), lambda: None)
    assert caught.value.code is Code.TOO_MANY_OPEN_FILES


# --- Threads and signals ------------------------------------------------------------------------------


def test_another_thread_wakes_a_loop_that_waits_for_nothing(loop):
    where = []
    waker = threading.Thread(
        target=loop.call_from_thread, args=(lambda: where.append(threading.current_thread()),)
    )
    loop.call_soon(waker.start)
    turn_until(loop, lambda: where)
    waker.join()
    assert where == [threading.current_thread()]


def test_no_call_from_a_thread_is_lost(loop):
    called = []

    def call_often():
        for _ in range(500):
            loop.call_from_thread(lambda: called.append(1))

    threads = [threading.Thread(target=call_often) for _ in range(4)]
    for each in threads:
        each.start()
    turn_until(loop, lambda: len(called) == 2_000)
    for each in threads:
        each.join()


def test_a_signal_is_handled_in_the_loop_and_its_handler_is_given_back():
    before = signal.getsignal(signal.SIGUSR1)
    called = []
    with Loop() as loop:
        loop.on_signal(signal.SIGUSR1, lambda: called.append("signal"))
        os.kill(os.getpid(), signal.SIGUSR1)
        assert called == []
        turn_until(loop, lambda: called)
    assert called == ["signal"]
    assert signal.getsignal(signal.SIGUSR1) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_closed_loop_leaves_no_descriptor_behind():
    before = set(os.listdir("/proc/self/fd"))
    Loop().close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_timers_are_sharpened_for_this_thread_alone():
    usual_ns = 50_000
    seen = {}

    def slack_file(mode):
        return open(f"/proc/{threading.get_native_id()}/timerslack_ns", mode)

    def sharpen():
        with slack_file("r") as slack:
            seen["before_ns"] = int(slack.read())
        sharpen_timers()
        with slack_file("r") as slack:
            seen["after_ns"] = int(slack.read())

    with slack_file("w") as slack:
        slack.write(
            str(usual_ns)
        )  # an earlier test of this process may have sharpened it; threads inherit it
    sharpener = threading.Thread(target=sharpen)
    sharpener.start()
    sharpener.join()
    assert seen == {"before_ns": usual_ns, "after_ns": TIMER_SLACK_NS}
    with slack_file("r") as slack:
        assert int(slack.read()) == usual_ns


def test_the_longest_turn_is_known_with_what_it_was_busy_with(still, moment):
    def dawdle():
        moment.now_ns += 700

    still.call_soon(dawdle)
    still.call_soon(lambda: None)
    still.turn()
    longest = still.gaps.take_longest()
    assert (longest.length_ns, longest.busiest_ns) == (700, 700)
    assert "dawdle" in longest.busiest


def test_a_loop_waits_as_long_as_it_may_and_no_longer(loop):
    """What `select` is told: the nearest timer, or the caller's bound when that is nearer."""
    assert loop._wait_s(None) is None
    loop.call_at(1, lambda: None)
    assert loop._wait_s(None) == 0
    assert select.select([], [], [], loop._wait_s(10)) == ([], [], [])
