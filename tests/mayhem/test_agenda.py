"""The agenda against a plain dictionary of deadlines, and its memory."""

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.mayhem.agenda import STALE_MAX, Agenda

STEPS = st.lists(
    st.tuples(st.integers(0, 8), st.none() | st.integers(0, 50))
    | st.tuples(st.just("pop"), st.integers(0, 50)),
    max_size=80,
)


@given(STEPS)
def test_an_agenda_is_a_dictionary_of_deadlines(steps):
    agenda, plain = Agenda(), {}
    for key, value in steps:
        if key == "pop":
            popped = agenda.pop_due(now_ns=value)
            assert sorted(popped) == sorted(each for each, due in plain.items() if due <= value)
            assert [plain[each] for each in popped] == sorted(plain[each] for each in popped)
            for each in popped:
                del plain[each]
        else:
            agenda.put(key, value)
            plain.pop(key, None)
            if value is not None:
                plain[key] = value
        assert agenda.next_ns() == min(plain.values(), default=None)
        assert len(agenda) == len(plain)


def test_equal_deadlines_come_in_the_order_in_which_they_were_set():
    agenda = Agenda()
    for key in "dacb":
        agenda.put(key, 7)
    assert agenda.pop_due(now_ns=7) == list("dacb")


def test_a_deadline_that_is_moved_forever_takes_no_memory():
    agenda = Agenda()
    for now_ns in range(100_000):
        agenda.put("idle", now_ns + 30)
        agenda.put("ack", now_ns + 1)
    assert len(agenda._heap) <= 2 * 2 + STALE_MAX + 1
