"""Other programs that move files, one a module, all measured in the same way."""

from typing import Final

from bench.peers import rsync
from bench.peers.base import Peer

INSTALLABLE: Final[tuple[Peer, ...]] = (rsync.PEER,)
"""Every peer that there is a module for; which of them are installed is another question."""
