"""Congestion control: how fast to send, and how much may be unacknowledged.

One interface (`base`), several controllers; which one a path has is chosen here, once, by name.
"""

from typing import Final, Protocol

from mayhem_udp.transport.congestion.base import CongestionController, Rates
from mayhem_udp.transport.congestion.bbr import Bbr
from mayhem_udp.transport.congestion.cubic import Cubic
from mayhem_udp.transport.congestion.fixed import Fixed


class ControllerMaker(Protocol):
    """What makes a controller for a new path."""

    def __call__(self, *, max_datagram_bytes: int, rates: Rates, now_ns: int) -> CongestionController:
        """A controller that knows nothing of the path yet but the size of its datagrams."""


CONTROLLERS: Final[dict[str, ControllerMaker]] = {"bbr": Bbr, "cubic": Cubic, "fixed": Fixed}
"""By the name that the configuration has for them."""
