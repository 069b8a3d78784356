"""How much of a body may wait in memory to be sent.

Owns the size of the send buffer, which follows the window and the loss, and when it is refilled. Never
holds a byte: `streams.bodies` does.
"""

from math import log
from typing import Final

from mayhem_udp.transport.core import Core
from mayhem_udp.units import KIB

WINDOWS_BUFFERED: Final = 3
"""What is in flight, what is next, and what of a block waits for the rest of it to be acknowledged."""
LOSS_LEAST: Final = 0.001
LOSS_MOST: Final = 0.6
"""Between these the buffer follows the loss seen."""
REFILL_SHARE: Final = 4
SEND_BUFFER_FAIR_BYTES: Final = 1_024 * KIB  # of several bodies, each; less costs a sixth more CPU
SEND_BUFFER_MIN_BYTES: Final = 128 * KIB
"""However small the window: owners supply bodies in blocks of up to half of this, and wait for that much room."""


def body_room_bytes(core: Core, request: int) -> int:
    """How many more bytes of the request's body the send buffer takes now.

    None while less than a quarter of it is free, so that blocks are large: each costs a read, a hash
    and a batch that is not full. One body alone has all of the buffer; each of several what they leave
    free of two, and a good block in any case.
    """
    found = core.requests.open.get(request)
    if found is None:
        return 0
    buffered = found.body_sent.buffered_bytes if found.body_sent else 0
    others = core.requests.supplied.used_bytes - buffered
    alone = min(_wanted_buffer_bytes(core), core.settings.send_buffer_max_bytes)
    wanted = max(alone - others // 2, min(alone, SEND_BUFFER_FAIR_BYTES), SEND_BUFFER_MIN_BYTES)
    room = min(wanted - buffered, core.memory.share_bytes)
    return room if room > 0 and room * REFILL_SHARE >= min(wanted, buffered + room) else 0


def _wanted_buffer_bytes(core: Core) -> int:
    """What keeps the path full: new data as well as what is repeated until all of a block has arrived.

    Of a window's `n` datagrams, lost with probability `p`, the last has arrived after about
    log n / log 1/p round trips, and a window holds two round trips' worth.
    """
    stats = core.stats
    window_bytes = core.path.controller.window_bytes
    loss = min(max(stats.lost / max(stats.datagrams_sent, 1), LOSS_LEAST), LOSS_MOST)
    rounds = log(max(window_bytes / core.chunk_bytes, 2)) / -log(loss)
    return int((WINDOWS_BUFFERED + rounds / 2) * window_bytes)
