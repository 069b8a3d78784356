"""A peer that moves: datagrams from another address, and the new path once it is proved.

What is known of the old path says nothing about the new one, which starts from nothing (RFC 9000
section 9). Never sends: `outbound` sends the challenges.
"""

from mayhem_udp.transport.core import Core
from mayhem_udp.transport.events import PathChanged
from mayhem_udp.transport.opening import Opened
from mayhem_udp.transport.path import Path, PathCheck
from mayhem_udp.transport.state import State
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.transport.timers import Timer


def on_other_address(core: Core, opened: Opened, *, is_newest: bool) -> None:
    """Something came from another address: have it proved, if it is the newest (RFC 9000 section 9.3)."""
    if core.side is not Side.SERVER or core.state is not State.OPEN:
        return
    check = core.challenge
    if check is not None and check.address == opened.address:
        check.on_received(opened.total_bytes)
    elif is_newest:
        core.challenge = PathCheck(opened.address, int.from_bytes(core.entropy(8)))
        core.challenge.on_received(opened.total_bytes)


def move_to(core: Core, check: PathCheck, *, now_ns: int) -> None:
    """The peer has proved its new address: go on there."""
    core.challenge = None
    core.timers.stop(Timer.PATH)
    old = core.path
    core.path = Path(
        check.address,
        core.settings,
        ceiling_bytes=core.ceiling_bytes,
        rate_cap_bps=core.rate_cap_bps,
        now_ns=now_ns,
    )
    core.path.first_number = core.recovery.ledger.next_number
    core.path.loss.largest_acked = old.loss.largest_acked
    core.path.mtu.search(ceiling_bytes=core.ceiling_bytes)
    core.events.append(PathChanged(check.address))
