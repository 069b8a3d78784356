"""Other programs that move files, one a module, all measured in the same way."""

from typing import Final

from bench.peers import iperf3, ngtcp2, rsync, scp, srt, uftp
from bench.peers.base import Peer

INSTALLABLE: Final[tuple[Peer, ...]] = (
    rsync.PEER,
    scp.PEER,
    srt.PEER,
    uftp.PEER,
    ngtcp2.PEER,
    iperf3.CUBIC,
    iperf3.BBR,
)
"""Every peer that there is a module for; which of them are installed is another question."""


def missing() -> dict[str, tuple[str, ...]]:
    """Peers that are not installed, and the packages that have them."""
    return {peer.name: peer.packages for peer in INSTALLABLE if not peer.is_installed}
