"""What is asked of the server without a file on its way: list, stat, remove, ping.

Owns how answers become results. Never talks to a server itself.
"""

from collections.abc import Sequence
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
            raise IncompleteListError(error.message, entries=entries, code=error.code)
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


def ping_result(pings: Sequence[Inquiry]) -> PingResult:
    """Times of the pings that were answered, and the share of their datagrams that were lost on the way there."""
    seconds = [ping.errand.seconds for ping in pings if ping.errand.error is None]
    sent = sum(ping.errand.counts.eliciting for ping in pings)
    lost = sum(max(ping.errand.counts.lost, 0) for ping in pings)
    answered = len(seconds)
    return PingResult(
        sent=len(pings),
        received=answered,
        rtt_min_ms=min(seconds) * MS_PER_SECOND if seconds else None,
        rtt_avg_ms=sum(seconds) / answered * MS_PER_SECOND if seconds else None,
        rtt_max_ms=max(seconds) * MS_PER_SECOND if seconds else None,
        loss=min(lost / sent, 1.0) if sent and answered else 1.0 if pings else 0.0,
    )
