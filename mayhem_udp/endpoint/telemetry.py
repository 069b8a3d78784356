"""What the daemon writes to its log about connections and transfers.

Owns the names and fields of these events, and the memory of what was said already. Everything is read
off connections and exchanges after the fact, so that the engine knows of no logger. What happens at each
turn (datagrams, losses and damage) costs nothing while nobody wants to know.
"""

from typing import Final

from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.conversation import Conversation
from mayhem_udp.errors import Code, IntegrityError, MayhemError
from mayhem_udp.log import Logger, per_datagram
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.session.progress import standing_of
from mayhem_udp.transport.events import Closed, Connected, Event, Origin, PathChanged
from mayhem_udp.transport.stats import ConnectionStats
from mayhem_udp.units import BITS_PER_BYTE, MS, SECOND

_EXPECTED_ENDS: Final = (Code.OK, Code.SHUTTING_DOWN)
_OWN_TROUBLES: Final = (Code.PERMISSION, Code.IO_ERROR)


class _Known:
    """What was said of one connection."""

    def __init__(self, log: Logger, *, opened_ns: int) -> None:
        self.log = log
        self.opened_ns = opened_ns
        self.transfers: dict[int, _Transfer] = {}
        self.seen = (0, 0, 0, 0, 0)


class _Transfer:
    """What was said of one transfer."""

    def __init__(self, exchange: Exchange, log: Logger, *, now_ns: int, stats: ConnectionStats) -> None:
        self.exchange = exchange
        self.log = log
        self.began_ns = self.told_ns = now_ns
        self.before = (
            stats.datagrams_sent,
            stats.datagrams_received,
            stats.retransmitted,
            stats.corrupt_dropped,
        )


class Telemetry:
    """The log of a server (`watcher.Watcher`)."""

    def __init__(self, log: Logger, *, progress_interval_ns: int) -> None:
        self._log = log
        self._trace = per_datagram(log)
        self.progress_interval_ns = progress_interval_ns
        self._known: dict[int, _Known] = {}

    def on_opened(self, conversation: Conversation) -> None:
        """A client has proved its address, and is let in."""
        connection = conversation.connection
        peer = connection.path.address
        log = self._log.bind(connection=f"{connection.connection_id:016x}", peer=f"{peer.host}:{peer.port}")
        self._known[connection.connection_id] = _Known(log, opened_ns=0)
        log.info("connection opened")

    def on_event(self, conversation: Conversation, event: Event) -> None:
        """Handshakes, moves and ends."""
        known = self._known.get(conversation.connection.connection_id)
        if known is None:
            return
        match event:
            case Connected(peer):
                known.log.info("handshake done", agent=peer.agent, **_round_trip(conversation))
            case PathChanged(address):
                known.log = known.log.bind(peer=f"{address.host}:{address.port}")
                known.log.info("peer moved")
            case Closed(code, reason, origin):
                # It was the end of transfers, too, or came with their last words.
                self._tell_ended(known, conversation, now_ns=monotonic_ns())
                self._on_closed(known, code, reason, origin)

    def _on_closed(self, known: _Known, code: int, reason: str, origin: Origin) -> None:
        if code == Code.IDLE_TIMEOUT:
            known.log.warning("connection timed out", reason=reason)
        elif code in _EXPECTED_ENDS:
            known.log.info("connection closed", by=origin.value, reason=reason)
        else:
            known.log.warning("connection failed", by=origin.value, code=int(code), reason=reason)

    def on_served(self, conversation: Conversation, *, now_ns: int) -> None:
        """Look for transfers that have begun, gone on or ended."""
        known = self._known.get(conversation.connection.connection_id)
        if known is None:
            return
        if self._trace is not None:
            self._trace_datagrams(known, conversation.connection.stats)
        exchanges = conversation.session.exchanges
        if not exchanges and not known.transfers:
            return
        for number, exchange in exchanges.items():
            if number not in known.transfers and not exchange.is_opening:
                self._on_begun(known, number, exchange, conversation, now_ns=now_ns)
        self._tell_ended(known, conversation, now_ns=now_ns)
        for transfer in known.transfers.values():
            if self.progress_interval_ns and now_ns - transfer.told_ns >= self.progress_interval_ns:
                transfer.told_ns = now_ns
                self._on_progress(transfer, conversation, now_ns=now_ns)

    def on_fault(self, conversation: Conversation, fault: Exception) -> None:
        """An error of the program itself, with all that helps to find it."""
        known = self._known.get(conversation.connection.connection_id)
        log = self._log if known is None else known.log
        log.error("fault of the program", error=f"{type(fault).__name__}: {fault}", exc_info=fault)

    def on_gone(self, conversation: Conversation) -> None:
        """A connection is forgotten."""
        known = self._known.pop(conversation.connection.connection_id, None)
        if known is not None:
            for transfer in known.transfers.values():
                self._on_ended(transfer, conversation, now_ns=monotonic_ns())

    # --- Transfers -----------------------------------------------------------------------------------

    def _tell_ended(self, known: _Known, conversation: Conversation, *, now_ns: int) -> None:
        for number in [number for number, each in known.transfers.items() if each.exchange.is_over]:
            self._on_ended(known.transfers.pop(number), conversation, now_ns=now_ns)

    def _on_begun(
        self, known: _Known, number: int, exchange: Exchange, conversation: Conversation, *, now_ns: int
    ) -> None:
        standing = standing_of(exchange)
        log = known.log.bind(request=number)
        if standing is not None:
            log = log.bind(verb=standing.verb, file=standing.name)
            log.info("transfer started", bytes=standing.bytes_total)
        else:
            log.debug("request", kind=type(exchange).__name__)
        known.transfers[number] = _Transfer(exchange, log, now_ns=now_ns, stats=conversation.connection.stats)

    def _on_progress(self, transfer: _Transfer, conversation: Conversation, *, now_ns: int) -> None:
        standing = standing_of(transfer.exchange)
        if standing is not None:
            transfer.log.info(
                "transfer progress",
                bytes_done=standing.bytes_done,
                bytes=standing.bytes_total,
                **_metrics(transfer, conversation, done=standing.bytes_done, now_ns=now_ns),
            )

    def _on_ended(self, transfer: _Transfer, conversation: Conversation, *, now_ns: int) -> None:
        exchange = transfer.exchange
        standing = standing_of(exchange)
        if standing is None:
            if exchange.error is not None:
                # What the server's own disk does not let it do is for whoever runs it to mend.
                say = transfer.log.warning if exchange.error.code in _OWN_TROUBLES else transfer.log.info
                say("request refused", code=int(exchange.error.code), reason=str(exchange.error))
            return
        metrics = _metrics(transfer, conversation, done=standing.bytes_done, now_ns=now_ns)
        if exchange.error is None:
            transfer.log.info("checksum verified")
            transfer.log.info("transfer done", bytes=standing.bytes_done, **metrics)
            return
        _say_failed(transfer.log, exchange.error, metrics)

    def _trace_datagrams(self, known: _Known, stats: ConnectionStats) -> None:
        assert self._trace is not None, "asked before"
        now = (
            stats.datagrams_sent,
            stats.datagrams_received,
            stats.retransmitted,
            stats.corrupt_dropped,
            stats.lost,
        )
        sent, received, repeated, corrupt, lost = (a - b for a, b in zip(now, known.seen, strict=True))
        known.seen = now
        if sent or received:
            known.log.debug("datagrams", sent=sent, received=received)
        if lost:
            known.log.debug("datagrams lost", count=lost)
        if repeated:
            known.log.debug("retransmission", count=repeated)
        if corrupt:
            known.log.debug("corruption", count=corrupt)


def _round_trip(conversation: Conversation) -> dict[str, float]:
    """The first round trip, where one was measured already: a server hears of it a little later."""
    rtt = conversation.connection.rtt
    return {"rtt_ms": round(rtt.latest_ns / MS, 3)} if rtt.samples else {}


def _metrics(
    transfer: _Transfer, conversation: Conversation, *, done: int, now_ns: int
) -> dict[str, float | int]:
    stats, rtt = conversation.connection.stats, conversation.connection.rtt
    seconds = (now_ns - transfer.began_ns) / SECOND
    sent, received, repeated, corrupt = transfer.before
    return {
        "seconds": round(seconds, 3),
        "goodput_bps": round(done * BITS_PER_BYTE / seconds) if seconds > 0 else 0,
        "datagrams_sent": stats.datagrams_sent - sent,
        "datagrams_received": stats.datagrams_received - received,
        "retransmitted": stats.retransmitted - repeated,
        "corrupt_dropped": stats.corrupt_dropped - corrupt,
        "srtt_ms": round(rtt.smoothed_ns / MS, 3),
    }


def _say_failed(log: Logger, error: MayhemError, metrics: dict[str, float | int]) -> None:
    if isinstance(error, IntegrityError):
        log.error("checksum mismatch", code=int(error.code), reason=str(error))
    log.warning("transfer failed", code=int(error.code), reason=str(error), **metrics)
