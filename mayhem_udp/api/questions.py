"""What is asked of the server without a file on its way: list, stat, remove, ping.

Owns how answers become results. Never talks to a server itself.
"""

from collections.abc import Sequence
from math import inf
from typing import Final

from mayhem_udp.endpoint.errand import Errand
from mayhem_udp.errors import IncompleteListError, MayhemError, RefusedError, TransferError
from mayhem_udp.results import Entry, EntryKind, PingResult
from mayhem_udp.session.asking import Question
from mayhem_udp.session.exchange import Exchange, Workers
from mayhem_udp.store.names import encode_name
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import NO_DIGEST, EntryMessage, List, PingRequest, Remove, Stat
from mayhem_udp.wire.messages import EntryKind as WireKind

MS_PER_SECOND: Final = 1_000


class Inquiry:
    """One question, and what came back."""

    def __init__(self, about: str, question: List | Stat | Remove | PingRequest) -> None:
        self._question = question
        self.errand = Errand(about, self._make, may_repeat=True)

    @classmethod
    def list(cls, pattern: str) -> "Inquiry":
        """Which names match."""
        return cls(pattern, List(0, encode_name(pattern)))

    @classmethod
    def stat(cls, name: str) -> "Inquiry":
        """All about one name, its SHA-256 included."""
        return cls(name, Stat(1, encode_name(name)))

    @classmethod
    def remove(cls, name: str) -> "Inquiry":
        """Remove one file."""
        return cls(name, Remove(encode_name(name)))

    @classmethod
    def ping(cls, number: int) -> "Inquiry":
        """Only answer."""
        return cls("ping", PingRequest(number))

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        return Question(connection, workers, request, question=self._question)

    def entries(self) -> Sequence[Entry]:
        """What was named in the answer; raises what the question failed with."""
        exchange, error = self.errand.exchange, self.errand.error
        has_gaps = isinstance(self._question, List) and isinstance(error, RefusedError | TransferError)
        if has_gaps and error and isinstance(exchange, Question) and exchange.is_answered:
            entries = [_entry(message) for message in exchange.entries]
            raise IncompleteListError(error.message, entries=entries, code=error.code, remedy=error.remedy)
        if error is not None:
            raise error
        if not isinstance(exchange, Question):
            raise MayhemError("the question ended without an answer")
        return [_entry(message) for message in exchange.entries]


def _entry(message: EntryMessage) -> Entry:
    is_digest = message.sha256 != NO_DIGEST
    try:
        return Entry(
            name=message.name.decode(),
            bytes=message.size,
            mtime_ns=message.mtime_ns,
            kind=EntryKind.FOLDER if message.kind == WireKind.DIRECTORY else EntryKind.FILE,
            sha256=message.sha256.hex() if is_digest else None,
        )
    except UnicodeDecodeError:
        raise TransferError("the server sent a name that is not UTF-8") from None


class PingSums:
    """Times of the pings that were answered so far, and the share of their datagrams that were lost on the way there."""

    def __init__(self) -> None:
        self._asked = self._answered = 0
        self._sent = self._lost = 0
        self._least_s, self._most_s, self._sum_s = inf, 0.0, 0.0

    def add(self, ping: Inquiry) -> None:
        """One more, which is over."""
        errand = ping.errand
        self._asked += 1
        self._sent += errand.counts.eliciting
        self._lost += max(errand.counts.lost, 0)
        if errand.error is None:
            self._answered += 1
            self._sum_s += errand.seconds
            self._least_s = min(self._least_s, errand.seconds)
            self._most_s = max(self._most_s, errand.seconds)

    def result(self) -> PingResult:
        """What they came to."""
        answered = self._answered
        unanswered = 1.0 if self._asked else 0.0
        return PingResult(
            sent=self._asked,
            received=answered,
            rtt_min_ms=self._least_s * MS_PER_SECOND if answered else None,
            rtt_avg_ms=self._sum_s / answered * MS_PER_SECOND if answered else None,
            rtt_max_ms=self._most_s * MS_PER_SECOND if answered else None,
            loss=min(self._lost / self._sent, 1.0) if self._sent and answered else unanswered,
        )
