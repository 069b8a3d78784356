"""One conversation at a socket: the order of what it does in a turn."""

import pytest
from host import settings_with

from mayhem_udp.endpoint.client import ClientEndpoint
from mayhem_udp.endpoint.conversation import Conversation
from mayhem_udp.endpoint.visits import Visits
from mayhem_udp.endpoint.watcher import Silence
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.url import HostPort

BATCH_BYTES = 1_000


class Batch:
    total_bytes = BATCH_BYTES


class Diary:
    """Connection, session and socket in one: has batches to send, makes others, and writes down what it was asked."""

    is_blocked = False

    def __init__(self, *, waiting, made):
        self.waiting = waiting
        self.made = made
        self.lines = []

    def poll_transmit(self, *, now_ns):
        if not self.waiting:
            return None
        self.waiting -= 1
        return Batch

    def send(self, batch):
        self.lines.append("sent")

    def pump(self, *, now_ns):
        self.lines.append("worked")
        self.waiting += self.made
        self.made = 0
        return False


def conversation_of(diary, *, deficit_bytes):
    made = Conversation(diary, diary, diary, None)
    made.deficit_bytes = deficit_bytes
    return made


def test_what_waits_is_sent_before_the_session_works_and_what_that_makes_after_it():
    diary = Diary(waiting=2, made=1)
    conversation = conversation_of(diary, deficit_bytes=10 * BATCH_BYTES)
    assert conversation.go_on(now_ns=0) is False
    assert diary.lines == ["sent", "sent", "worked", "sent"]
    assert conversation.wants_pump is False


def test_a_session_that_nothing_has_happened_to_is_not_asked():
    diary = Diary(waiting=1, made=1)
    conversation = conversation_of(diary, deficit_bytes=10 * BATCH_BYTES)
    conversation.wants_pump = False
    conversation.go_on(now_ns=0)
    assert diary.lines == ["sent"]


@pytest.mark.parametrize(("waiting", "made"), [(5, 0), (1, 5)])
def test_no_turn_sends_more_than_the_deficit(waiting, made):
    diary = Diary(waiting=waiting, made=made)
    conversation = conversation_of(diary, deficit_bytes=3 * BATCH_BYTES)
    assert conversation.go_on(now_ns=0) is True
    assert diary.lines.count("sent") == 3


def test_however_often_a_client_is_woken_in_a_turn_it_goes_on_once_in_the_next(tmp_path):
    endpoint = ClientEndpoint(
        HostPort("127.0.0.1", 9),
        settings_with(),
        visits=Visits(tmp_path / "cache"),
        faults=parse_spec("none"),
        watcher=Silence(),
    )
    diary = Diary(waiting=10**9, made=0)
    diary.take_events = lambda *, now_ns: []
    diary.next_deadline_ns = lambda: None
    endpoint._conversation = Conversation(diary, diary, diary, endpoint._loop.timer(lambda: None))
    for _ in range(5):
        endpoint._serve()
    turns = []
    for _ in range(3):
        before = len(diary.lines)
        endpoint._loop.turn()
        turns.append(len(diary.lines) - before)
    endpoint._conversation = None
    endpoint.close()
    before_any_turn = diary.lines[: diary.lines.index("worked")]
    assert turns == 3 * [len(before_any_turn)]
