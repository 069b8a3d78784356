"""Who answers a request: from its first message to the exchange that serves it.

Owns which verbs there are on a server, what access each needs, and how many transfers may go on at once.
Never answers anything itself.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from mayhem_udp.config.schema import AccessSettings
from mayhem_udp.errors import Code, PeerError, RefusedError
from mayhem_udp.limits import OPEN_REQUESTS_MAX
from mayhem_udp.session.asking import ListAnswer, PingAnswer, RemoveAnswer, StatAnswer
from mayhem_udp.session.echo import EchoServer
from mayhem_udp.session.exchange import Exchange, Workers
from mayhem_udp.session.get import GetSender
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackSender, PutPackReceiver
from mayhem_udp.session.put import PutReceiver
from mayhem_udp.session.rivals import Rivals
from mayhem_udp.store.names import check_name
from mayhem_udp.store.store import Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.wire.messages import (
    Echo,
    Get,
    GetPack,
    List,
    Message,
    PingRequest,
    Put,
    PutPack,
    Remove,
    Stat,
)

UNDONE_MIN: Final = 64
UNDONE_MAX: Final = OPEN_REQUESTS_MAX + 256
"""Requests of one connection that are open, or over with a job of theirs still to be done."""


class House(NamedTuple):
    """What all connections of a server share, as it is at the moment."""

    store: Store
    access: AccessSettings
    transfers_max: int
    transfers: Callable[[], int]
    """How many requests are being served now."""
    rivals: Rivals | None = None
    """The uploads that are under way, so that one can take over from a client that is gone."""


class Answering:
    """The opener of one connection's session."""

    def __init__(self, connection: Connection, workers: Workers, house: Callable[[], House]) -> None:
        self._connection = connection
        self._workers = workers
        self._house = house
        self._undone: list[Exchange] = []
        self._sort_out_at = UNDONE_MIN

    def __call__(self, request: int, message: Message) -> Exchange:
        """The exchange for a request; raises `RefusedError` for what is not allowed here."""
        if isinstance(message, PingRequest):
            return PingAnswer(self._connection, self._workers, request)
        self._check_undone()
        exchange = self._answer(request, message)
        self._undone.append(exchange)
        return exchange

    def _check_undone(self) -> None:
        """Who gives requests up faster than the disks follow does not fill the queue that all share."""
        if len(self._undone) < self._sort_out_at:
            return
        self._undone = [each for each in self._undone if each.jobs or not each.is_over]
        self._sort_out_at = max(UNDONE_MIN, min(2 * len(self._undone), UNDONE_MAX))
        if len(self._undone) >= UNDONE_MAX:
            raise RefusedError(
                "the work of too many requests that were given up is not done yet",
                code=Code.BUSY,
                remedy="try again in a while",
            )

    def _answer(self, request: int, message: Message) -> Exchange:
        house = self._house()
        if self._connection.memory.is_used_up:
            raise RefusedError(
                "the server has no memory to spare for another request",
                code=Code.OUT_OF_MEMORY_BUDGET,
                remedy="try again in a while",
            )
        store, connection, workers = house.store, self._connection, self._workers
        match message:
            case Put():
                self._check_write(house)
                rivals = house.rivals
                return PutReceiver(connection, workers, request, store=store, put=message, rivals=rivals)
            case PutPack():
                self._check_write(house)
                return PutPackReceiver(connection, workers, request, store=store.write_small, ask=message)
            case Echo():
                self._check_write(house)
                return EchoServer(connection, workers, request, store=store, echo=message)
            case Get():
                self._check_read(house)
                return GetSender(connection, workers, request, store=store, get=message)
            case GetPack():
                self._check_read(house)
                read = SmallReader(store)
                return GetPackSender(connection, workers, request, read=read, ask=message)
            case Stat():
                _check(house.access.read or house.access.list, "looking at files", "access.read")
                return StatAnswer(connection, workers, request, store=store, ask=message)
            case List():
                _check(house.access.list, "listing", "access.list")
                return ListAnswer(connection, workers, request, store=store, ask=message)
            case Remove():
                _check(house.access.remove, "removing", "access.remove")
                return RemoveAnswer(connection, workers, request, store=store, ask=message)
            case _:
                raise PeerError("a request begins with what is asked for", code=Code.STATE_ILLEGAL)

    def _check_write(self, house: House) -> None:
        _check(house.access.write, "uploading", "access.write")
        _check_room(house)

    def _check_read(self, house: House) -> None:
        _check(house.access.read, "downloading", "access.read")
        _check_room(house)


class SmallReader:
    """Reads small files for a pack."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, raw: bytes) -> SmallFile:
        """One file, whole; raises `MayhemError`."""
        whole = self._store.read_small(check_name(raw))
        return SmallFile(raw, whole.data, whole.mtime_ns, whole.mode, Code.OK, whole.sha256)


def _check(is_allowed: bool, what: str, setting: str) -> None:  # noqa: FBT001  # the setting itself
    if not is_allowed:
        raise RefusedError(
            f"{what} is not allowed on this server",
            code=Code.ACCESS_DENIED,
            remedy=f"ask who runs it to set {setting}",
        )


def _check_room(house: House) -> None:
    if house.transfers() >= house.transfers_max:
        raise RefusedError(
            "the server has as many transfers under way as it takes",
            code=Code.BUSY,
            remedy="try again in a while",
        )
