"""Whose a client is: of the process that made it, and of one of its threads at a time."""

import subprocess
import sys
import threading

import pytest
from town import WAIT_S

import mayhem_udp
from mayhem_udp.errors import UsageError
from mayhem_udp.results import Phase


@pytest.fixture
def url(town):
    return town.daemon().url


@pytest.fixture
def options(town):
    return {"cache_dir": str(town.folder / "tokens")}


FORKED = """
import os, sys
import mayhem_udp

def refused(call):
    try:
        call()
    except mayhem_udp.UsageError as error:
        return str(error)
    return "nothing"

client = mayhem_udp.connect(sys.argv[1], cache_dir=sys.argv[2])
client.put(b"contents", "name")
files = [(__file__, f"file {number}") for number in range(3)]
outcomes = client.put_many(files)
first = next(outcomes)
child = os.fork()
if child == 0:
    for call in (
        lambda: client.put(b"other", "other"),
        lambda: client.get("name", sys.stdout.buffer),
        lambda: client.list(),
        lambda: client.ping(1),
        lambda: list(outcomes),
        lambda: next(client.remove_many(["name"])),
        lambda: client.__enter__().stat("name"),
    ):
        print(refused(call))
    client.close()
    client.close()
    print(refused(client.ping))
    del outcomes, client
    sys.exit(7)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("parent", code, os.getpid(), len([first, *outcomes]), client.ping(1).received)
print(sorted(each.name for each in client.list()))
client.close()
"""


def test_a_client_in_a_forked_process_says_whose_it_is_and_leaves_the_connection_alone(town, url, options):
    script = town.file("forked.py", 0)
    script.write_text(FORKED)
    ended = subprocess.run(
        [sys.executable, script, url, options["cache_dir"]],
        capture_output=True,
        timeout=WAIT_S,
        text=True,
        check=True,
    )
    *of_child, of_parent, names = ended.stdout.splitlines()
    word, code, parent, outcomes, received = of_parent.split()
    assert (word, code, outcomes, received) == ("parent", "7", "3", "1")
    said = f"this client belongs to process {parent}; connect in this process"
    assert of_child == [said] * 8
    assert names == "['file 0', 'file 1', 'file 2', 'name']"
    assert ended.stderr == ""
    (daemon,) = town.running
    daemon.wait_for_event("connection closed", reason="done")
    assert len(daemon.events("connection opened")) == 1


def test_a_call_while_another_thread_waits_in_one_is_refused_and_harms_nobody(url, options):
    is_under_way, may_go_on = threading.Event(), threading.Event()
    results = []

    def wait_once(progress):
        if not is_under_way.is_set():
            is_under_way.set()
            may_go_on.wait(WAIT_S)

    with mayhem_udp.connect(url, progress=wait_once, **options) as client:
        other = threading.Thread(target=lambda: results.append(client.put(bytes(3_000_000), "film")))
        other.start()
        assert is_under_way.wait(WAIT_S)
        outcomes = client.put_many([(__file__, "second")])
        for call in (
            lambda: client.put(b"x", "x"),
            client.list,
            client.ping,
            lambda: next(outcomes),
            client.close,
        ):
            with pytest.raises(UsageError, match="one thread at a time; make a client for each thread"):
                call()
        may_go_on.set()
        other.join(WAIT_S)
        assert [(each.name, each.verified) for each in results] == [("film", True)]
        assert [each.name for each in client.list()] == ["film"]


def test_an_exception_is_not_hidden_by_a_call_that_is_still_under_way_elsewhere(url, options):
    is_under_way, may_go_on = threading.Event(), threading.Event()

    def wait_once(progress):
        is_under_way.set()
        may_go_on.wait(WAIT_S)

    client = mayhem_udp.connect(url, progress=wait_once, **options)
    other = threading.Thread(target=lambda: client.put(bytes(3_000_000), "film"))

    def stop():
        with client:
            other.start()
            assert is_under_way.wait(WAIT_S)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    may_go_on.set()
    other.join(WAIT_S)
    client.close()


def test_threads_may_take_turns_and_outcomes_may_be_asked_for_in_between(town, url, options):
    files = [(town.file(str(number), 200_000), str(number)) for number in range(3)]
    with mayhem_udp.connect(url, **options) as client:
        outcomes = client.put_many(files)
        first = [next(outcomes)]
        other = threading.Thread(target=lambda: first.append(client.ping(1)))
        other.start()
        other.join(WAIT_S)
        assert first[1].received == 1
        assert len([first[0], *outcomes]) == 3


def test_a_progress_callback_may_ask_something_itself(url, options):
    asked = []

    def ask(progress):
        if not asked:
            asked.append(None)
            asked.append(client.ping(1).received)

    with mayhem_udp.connect(url, progress=ask, **options) as client:
        assert client.put(bytes(1_000_000), "film").verified
    assert asked == [None, 1]


def test_a_progress_callback_that_begins_transfers_without_end_is_told_so(url, options):
    def begin_another(progress):
        if progress.state is Phase.DONE:
            client.put(b"one more", "more")

    with mayhem_udp.connect(url, progress=begin_another, **options) as client:
        with pytest.raises(UsageError, match="begun within each other; a progress callback hears of those"):
            client.put(b"first", "first")
        assert client.ping(1).received == 1
