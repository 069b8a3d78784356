"""How far a request is: for progress bars, logs and results.

Only ever looks at exchanges; nothing is decided from it.
"""

from typing import NamedTuple

from mayhem_udp.session.asking import Question
from mayhem_udp.session.echo import EchoClient, EchoServer
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.session.get import GetReceiver, GetSender
from mayhem_udp.session.packs import GetPackReceiver, GetPackSender, PutPackReceiver, PutPackSender
from mayhem_udp.session.put import PutReceiver, PutSender
from mayhem_udp.session.sending import FileSender
from mayhem_udp.wire.messages import SIZE_UNKNOWN


class Standing(NamedTuple):
    """What is under way, and how far it is; `bytes_total` is None where nobody knows."""

    verb: str
    name: str
    bytes_done: int
    bytes_total: int | None
    resumed_bytes: int | None = 0
    """What the other side had before; None until it has said so."""


def standing_of(exchange: Exchange) -> Standing | None:
    """The standing of a transfer; None for a question and its answer."""
    match exchange:
        case PutSender():
            done, resumed = _acked(exchange, exchange.sender), _resumed(exchange)
            return Standing("put", exchange.name, done, exchange.sender.size, resumed)
        case PutReceiver():
            receiver = exchange.receiver
            done = receiver.staging.received_bytes if receiver else 0
            return Standing("put", str(exchange.name), done, exchange.size)
        case GetReceiver():
            receiver = exchange.receiver
            done = receiver.staging.received_bytes if receiver else 0
            total = exchange.accepted.size if exchange.accepted else SIZE_UNKNOWN
            known = None if total == SIZE_UNKNOWN else total
            return Standing("get", exchange.name, done, known, _resumed(exchange))
        case GetSender():
            sender = exchange.sender
            done = _acked(exchange, sender) if sender else 0
            return Standing("get", str(exchange.name), done, sender.size if sender else None)
        case EchoClient():
            # Half of the way is out, half is back.
            done = (_acked(exchange, exchange.sender) + exchange.receiver.received_bytes) // 2
            return Standing("echo", exchange.name, done, exchange.sender.size)
        case EchoServer():
            done = exchange.receiver.received_bytes if exchange.receiver else 0
            return Standing("echo", str(exchange.name), done, exchange.size)
        case PutPackSender() | PutPackReceiver():
            return Standing("put", f"{exchange.count} small files", exchange.bytes_done, None)
        case GetPackReceiver() | GetPackSender():
            return Standing("get", f"{exchange.count} small files", exchange.bytes_done, None)
        case Question():
            return None
        case _:
            return None


def _resumed(exchange: PutSender | GetReceiver) -> int | None:
    return exchange.resumed_bytes if exchange.accepted is not None else None


def _acked(exchange: Exchange, sender: FileSender) -> int:
    """How much the peer has; all of it once that is settled, and the connection has forgotten the request."""
    if exchange.is_over and exchange.error is None:
        return sender.offset
    return sender.acked_bytes
