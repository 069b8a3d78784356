"""Questions that are much work: transfers find a thread beside them, and what nobody waits for stops."""

from hashlib import sha256

import pytest
from virtual_process import LateWorkers
from virtual_sessions import MS, SECOND, SessionPair

from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.errors import Code, MayhemError
from mayhem_udp.session.answering import UNDONE_MAX
from mayhem_udp.session.asking import LANES
from mayhem_udp.store.digests import ROUND_BYTES
from mayhem_udp.store.listing import LOOKS_MAX
from mayhem_udp.store.source import NO_FINGERPRINT
from mayhem_udp.wire.messages import Get, List, Remove, Stat

PARTS = 20
"""Of a pattern, each of which is one look at every name."""


class NotingWorkers(InlineWorkers):
    """Notes the keys: jobs of one run one after the other, so they never occupy more threads than there are."""

    def __init__(self):
        super().__init__()
        self.keys = []

    def submit(self, key, job, done):
        self.keys.append(key)
        super().submit(key, job, done)


def test_questions_of_any_number_never_take_all_threads(tmp_path):
    workers = NotingWorkers()
    pair = SessionPair(tmp_path, server_options={"workers": workers})
    (pair.root / "a").write_bytes(b"a")
    for _ in range(5):
        asked = [List(1, b"**/no"), Stat(1, b"a"), Stat(0, b"a"), Remove(b"none")]
        pair.finish(*[pair.client.ask(each) for each in asked])
        pair.reconnect()
        pair.open()
    questions = set(workers.keys)
    assert len(workers.keys) >= 20
    assert len(questions) <= LANES
    pair.finish(pair.client.put("b", b"b"))
    assert set(workers.keys) > questions, "an upload waits for none of them"


def large_file(pair, rounds):
    with open(pair.root / "large", "wb") as file:
        file.truncate(rounds * ROUND_BYTES + 1)


def test_the_digest_of_a_large_file_is_read_in_rounds(tmp_path):
    workers = NotingWorkers()
    pair = SessionPair(tmp_path, server_options={"workers": workers})
    large_file(pair, 2)
    (entry,) = pair.finish(pair.client.ask(Stat(1, b"large"))).entries
    assert entry.sha256 == sha256(bytes(2 * ROUND_BYTES + 1)).digest()
    assert len(workers.keys) == 4, "the entry, and three rounds"
    assert pair.server.store.quota.open_files == 0
    pair.finish(pair.client.ask(Stat(1, b"large")))
    assert len(workers.keys) == 6, "it is remembered"


@pytest.mark.parametrize("question", [List(0, b"**/" * PARTS + b"*no"), Stat(1, b"large")])
def test_a_question_that_is_much_work_stops_when_nobody_waits_for_it(tmp_path, question):
    jobs = 0

    def draw_ns():
        nonlocal jobs
        jobs += 1
        return 100 * MS

    workers = LateWorkers(lambda: pair.now_ns, draw_ns)
    pair = SessionPair(tmp_path, server_options={"workers": workers})
    for number in range(6 * LOOKS_MAX // PARTS):
        (pair.root / f"{number}").touch()
    large_file(pair, 6)
    pair.open()
    asked = pair.client.ask(question)
    pair.run_until(lambda: jobs == 3)
    assert pair.server.store.quota.open_files
    asked.fail(MayhemError("that is enough", code=Code.CANCELLED))
    pair.run(seconds=2)
    assert jobs <= 4
    assert pair.server.store.quota.open_files == 0


@pytest.mark.parametrize("question", [Stat(0, b"a"), Get(NO_FINGERPRINT, (), b"a")], ids=["stat", "get"])
def test_requests_that_are_given_up_at_once_do_not_fill_the_queue_of_all(tmp_path, question):
    workers = LateWorkers(lambda: pair.now_ns, lambda: 10 * SECOND)
    pair = SessionPair(tmp_path, server_options={"workers": workers})
    bare = pair.use_bare_client()
    requests = []
    for _ in range(30):
        requests += [bare.open_request(question) for _ in range(64)]
        pair.run(seconds=0.1)
        for request in requests[-64:]:
            bare.diary.connection.reset_request(request, Code.CANCELLED, "")
        pair.run(seconds=0.1)
    assert workers.unfinished == UNDONE_MAX
    assert {bare.heard_code(each) for each in requests[UNDONE_MAX:]} == {Code.BUSY}
    pair.run(seconds=11)
    assert workers.unfinished == 0
    request = bare.open_request(question)
    pair.run(seconds=11)
    assert bare.heard_code(request) == Code.NOT_FOUND, "there is room again"
