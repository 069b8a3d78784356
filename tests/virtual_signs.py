"""Asking clients for a sign of life, in virtual time: what the endpoint's server does on its loop.

Owns who was heard when, and the questions that are open. Never decides what follows from an answer.
"""

from typing import NamedTuple

from mayhem_udp.endpoint.server import SIGN_WAIT_MIN_NS, SIGNS_ASKED_FOR


class Question(NamedTuple):
    """Somebody wants to know whether a client lives."""

    due_ns: int
    asked_ns: int
    times_left: int
    connection: object
    answer: object


class Signs:
    """The questions of one server; `sessions` are those that it has."""

    def __init__(self, sessions):
        self._sessions = sessions
        self._heard_ns = {}
        self._open = []
        self.now_ns = 0

    def hear(self, connection):
        self._heard_ns[connection.connection_id] = self.now_ns

    def ask_after(self, connection, answer):
        self._go_on(Question(self.now_ns, self.now_ns, SIGNS_ASKED_FOR, connection, answer))

    def cut_off(self, connection, code, reason):
        if connection.connection_id in self._sessions:
            connection.close(code, reason, now_ns=self.now_ns)
            self._sessions[connection.connection_id].take_events(now_ns=self.now_ns)

    def next_due_ns(self):
        return min((each.due_ns for each in self._open), default=None)

    def run(self):
        due = [each for each in self._open if each.due_ns <= self.now_ns]
        self._open = [each for each in self._open if each.due_ns > self.now_ns]
        for each in due:
            self._go_on(each)

    def _go_on(self, question):
        number = question.connection.connection_id
        was_heard = self._heard_ns.get(number, 0) > question.asked_ns
        if number not in self._sessions or was_heard or not question.times_left:
            question.answer(number in self._sessions and was_heard)
            return
        question.connection.ping()
        self._open.append(
            question._replace(due_ns=self.now_ns + SIGN_WAIT_MIN_NS, times_left=question.times_left - 1)
        )
