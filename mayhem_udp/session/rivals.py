"""A second upload of the very same file while a first seems to be under way: who goes on with what is here.

The first is perhaps of a client that was killed, which nobody has noticed yet; then the second takes over
what the first has brought, instead of beginning at nothing. Where the first is alive both go on, each for
itself, and the last that completes wins.
Owns which upload holds which version of a file. Never judges by itself whether a client is alive.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from mayhem_udp.errors import Code
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.transport.connection import Connection

Answer = Callable[[bool], None]
"""Takes whether a client gave a sign of life."""
TAKEN_OVER: Final = "the same file is being sent over another connection"


class Version(NamedTuple):
    """What two uploads have in common that are of the same source to the same name."""

    name: str
    size: int
    fingerprint: bytes


class Rivals:
    """The uploads of one server that can be gone on with."""

    def __init__(
        self,
        *,
        ask_after: Callable[[Connection, Answer], None],
        cut_off: Callable[[Connection, Code, str], None],
    ) -> None:
        """`ask_after` asks a client for a sign of life, and answers in its own time; `cut_off` ends one."""
        self._ask_after = ask_after
        self._cut_off = cut_off
        self._holders: dict[Version, Exchange] = {}

    def enter(self, exchange: Exchange, version: Version, begin: Callable[[], None]) -> None:
        """Call `begin` when it is clear who has what is here of this version: at once, as a rule."""
        holder = self._holders.get(version)
        if holder is None or holder.is_over or holder.connection is exchange.connection:
            self._holders[version] = exchange
            begin()
            return

        def on_answer(is_alive: bool) -> None:  # noqa: FBT001  # an answer
            if not is_alive and not holder.is_over:
                self._cut_off(holder.connection, Code.CONNECTION_LOST, TAKEN_OVER)
            if exchange.is_over:
                return
            if holder.is_over:
                self._holders[version] = exchange
            begin()

        self._ask_after(holder.connection, on_answer)

    def leave(self, exchange: Exchange, version: Version) -> None:
        """An upload has ended."""
        if self._holders.get(version) is exchange:
            del self._holders[version]
