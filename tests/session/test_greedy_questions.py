"""Questions that are much work: transfers find a thread beside them, and what nobody waits for stops."""

from virtual_process import LateWorkers
from virtual_sessions import MS, SessionPair

from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.errors import Code, MayhemError
from mayhem_udp.session.asking import LANES
from mayhem_udp.store.listing import LOOKS_MAX
from mayhem_udp.wire.messages import List, Remove, Stat


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


def test_a_list_that_finds_nothing_stops_when_nobody_waits_for_it(tmp_path):
    jobs = 0

    def draw_ns():
        nonlocal jobs
        jobs += 1
        return 100 * MS

    workers = LateWorkers(lambda: pair.now_ns, draw_ns)
    pair = SessionPair(tmp_path, server_options={"workers": workers})
    for number in range(6 * LOOKS_MAX):
        (pair.root / f"{number}").touch()
    pair.open()
    asked = pair.client.ask(List(0, b"*no"))
    pair.run_until(lambda: jobs == 2)
    assert pair.server.store.quota.open_files
    asked.fail(MayhemError("that is enough", code=Code.CANCELLED))
    pair.run(seconds=2)
    assert jobs <= 3
    assert pair.server.store.quota.open_files == 0
