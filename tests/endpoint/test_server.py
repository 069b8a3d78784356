"""The server on its loop: turns, signs of life, ends; with real clients over loopback."""

import threading

import pytest
from blundering import Blundering
from host import WAIT_S, Host, Told

import mayhem_udp
from mayhem_udp.errors import Code, TransferError, UnreachableError
from mayhem_udp.transport.events import Origin


@pytest.fixture
def start(tmp_path):
    """Starts a server."""
    hosts = []

    def start(**changes):
        hosts.append(Host(tmp_path / "root", **changes))
        return hosts[-1]

    yield start
    for each in hosts:
        each.close()


def connect(host, tmp_path, **more):
    return mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache"), **more)


class Elsewhere:
    """Something that a client does in a thread of its own."""

    def __init__(self, work):
        self.error = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work):
        try:
            work()
        except mayhem_udp.MayhemError as error:
            self.error = error

    def end(self):
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "it never ended"
        return self.error


class Gate:
    """A stream that has its first bytes at once, and its end when it is told."""

    def __init__(self):
        self.opened = threading.Event()
        self._has_begun = False

    def read(self, size=-1):
        if not self._has_begun:
            self._has_begun = True
            return bytes(1_000)
        assert self.opened.wait(WAIT_S)
        return b""


def test_a_connection_that_ends_is_forgotten_with_all_that_belongs_to_it(start, tmp_path):
    host = start()
    with connect(host, tmp_path) as client:
        client.put(b"contents", "file")
        assert host.ask(lambda: len(host.server.conversations)) == 1
    host.watcher.wait_for_gone()
    assert host.ask(lambda: (host.server.conversations, host.server.listener.connections)) == ({}, {})
    (end,) = host.watcher.ends
    assert (end.code, end.reason, end.origin) == (Code.OK, "done", Origin.PEER)


def test_a_client_that_is_stopped_says_so(start, tmp_path):
    host = start()
    client = connect(host, tmp_path)
    client.ping(1)
    client.close(KeyboardInterrupt())
    host.watcher.wait_for_gone()
    assert [(end.code, end.reason) for end in host.watcher.ends] == [
        (Code.CANCELLED, "the client was stopped")
    ]


@pytest.mark.parametrize("ask", [lambda client: list(client.list()), lambda client: client.stat("file")])
def test_an_error_of_our_own_ends_the_connection_that_met_it_and_no_other(start, tmp_path, ask):
    host = start(changed_store=Blundering)
    with connect(host, tmp_path) as other:
        other.put(b"contents", "file")
        with connect(host, tmp_path) as client:
            with pytest.raises(TransferError, match="the server has met an error of its own") as caught:
                ask(client)
            assert caught.value.code == Code.INTERNAL
            host.watcher.wait_for_gone()
            client.put(b"it goes on", "more")
        other.get("file", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"contents"
    assert len(host.watcher.faults) == 1


def test_others_are_served_while_one_transfer_goes_on_and_on(start, tmp_path):
    host, endless = start(), tmp_path / "endless"
    with open(endless, "wb") as file:
        file.truncate(1 << 40)
    stopped = threading.Event()

    def tell(_progress):
        if stopped.is_set():
            raise UnreachableError("enough")

    def flood():
        with connect(host, tmp_path, progress=tell) as client:
            client.put(endless, "endless")

    flooding = Elsewhere(flood)
    with connect(host, tmp_path) as client:
        for number in range(20):
            client.put(b"small", f"small-{number}")
            assert client.ping(1).received == 1
        assert host.ask(lambda: host.server.transfers) == 1, "the large one goes on"
    stopped.set()
    assert str(flooding.end()) == "enough"


def test_one_client_moves_many_files_at_once_over_one_connection(start, tmp_path):
    host = start()
    sources = []
    for number in range(40):
        path = tmp_path / f"file-{number}"
        path.write_bytes(bytes([number]) * (number * 10_000))
        sources.append((path, path.name))
    with connect(host, tmp_path) as client:
        outcomes = list(client.put_many(sources))
        assert {outcome.name for outcome in outcomes} == {name for _, name in sources}
        assert all(outcome.verified for outcome in outcomes)
        assert host.ask(lambda: len(host.server.conversations)) == 1


def test_a_live_client_gives_a_sign_of_life_and_one_that_is_gone_does_not(start, tmp_path):
    host, gate, answers = start(), Gate(), []
    answered = threading.Semaphore(0)

    def ask_after_all():
        for conversation in host.server.conversations.values():
            host.server.ask_after(
                conversation.connection, lambda is_alive: (answers.append(is_alive), answered.release())
            )

    def upload():
        with connect(host, tmp_path) as client:
            client.put(gate, "stream")

    uploading = Elsewhere(upload)
    host.watcher.wait_for_request()
    host.ask(ask_after_all)
    assert answered.acquire(timeout=WAIT_S)
    gate.opened.set()
    assert uploading.end() is None
    host.watcher.wait_for_gone()
    gone = connect(host, tmp_path)
    gone.ping(1)
    gone._opened._let_go()  # as a kill would: without a word
    host.ask(ask_after_all)
    assert answered.acquire(timeout=WAIT_S)
    assert answers == [True, False]
    gone.close()


def test_peers_are_told_when_the_server_ends(start, tmp_path):
    host, gate = start(), Gate()

    def upload():
        with connect(host, tmp_path, client__retry=0) as client:
            client.put(gate, "stream")

    uploading = Elsewhere(upload)
    host.watcher.wait_for_request()
    host.ask(lambda: host.server.close_all(Code.SHUTTING_DOWN, "the server is shutting down"))
    host.watcher.wait_for_gone()  # soon, though the peer has no last word
    gate.opened.set()
    error = uploading.end()
    assert isinstance(error, UnreachableError)
    assert (error.code, error.message) == (Code.SHUTTING_DOWN, "the server is shutting down")


def test_more_connections_than_allowed_are_refused_with_their_reason(start, tmp_path):
    host = start(limits__connections_max=1)
    with connect(host, tmp_path) as first, connect(host, tmp_path) as second:
        first.ping(1)
        with pytest.raises(mayhem_udp.RefusedError, match="as many connections") as caught:
            second.ping(1)
    assert caught.value.code is Code.TOO_MANY_CONNECTIONS


def test_garbage_is_counted_and_nobody_is_harmed(start, tmp_path, bench):
    host, raw = start(), bench.raw()
    with connect(host, tmp_path) as client:
        for size in (1, 20, 400, 1_500, 9_000):
            raw.sendto(bytes(size), ("127.0.0.1", host.port))
        assert client.put(b"contents", "file").verified
    stats = host.ask(lambda: host.server.listener.stats)
    assert stats.corrupt_dropped + stats.ignored > 0


def test_what_watches_a_server_hears_of_each_connection_once(start, tmp_path):
    class Counting(Told):
        opened = served = 0

        def on_opened(self, conversation):
            self.opened += 1

        def on_served(self, conversation, *, now_ns):
            self.served += 1

    host = start(watcher=Counting())
    for _ in range(3):
        with connect(host, tmp_path) as client:
            client.ping(2)
        host.watcher.wait_for_gone()
    assert host.watcher.opened == len(host.watcher.ends) == 3
    assert host.watcher.served > 6


class CountedPumps:
    """Stands in for what a session does by itself, and counts how often it is asked to."""

    def __init__(self, host, *, goes_on):
        self.calls = []
        for number, conversation in host.server.conversations.items():
            conversation.session.pump = lambda number=number, *, now_ns: self.calls.append(number) or goes_on


def test_one_piece_of_a_sessions_own_work_ends_the_round_and_the_others_have_the_next(start, tmp_path):
    host = start()
    with connect(host, tmp_path) as one, connect(host, tmp_path) as other:
        one.ping(1)
        other.ping(1)

        def two_rounds():
            pumps = CountedPumps(host, goes_on=True)
            for conversation in host.server.conversations.values():
                host.server._make_ready(conversation)
            host.server._round()
            first = list(pumps.calls)
            host.server._round()
            CountedPumps(host, goes_on=False)
            return first, pumps.calls

        first, both = host.ask(two_rounds)
    assert len(first) == 1
    assert len(both) == len(set(both)) == 2


def test_a_session_is_asked_for_its_work_when_something_has_happened_and_not_when_time_has_passed(
    start, tmp_path
):
    host = start()
    with connect(host, tmp_path) as client:
        client.ping(1)

        def time_and_events():
            ((number, conversation),) = host.server.conversations.items()
            conversation.wants_pump = False
            pumps = CountedPumps(host, goes_on=False)
            host.server._on_due(number)
            by_time = len(pumps.calls)
            host.server._wake(number)
            host.server._round()
            return by_time, len(pumps.calls)

        assert host.ask(time_and_events) == (0, 1)
