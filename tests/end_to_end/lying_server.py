"""A server that sends other bytes than it hashes: `python lying_server.py MODE serve ...`, as `mayhem serve`.

MODE `once`: like memory that flips a bit on the way; what is asked for again comes right.
MODE `always`: the same wrong bytes, whenever they are asked for.
A stand-in for broken or hostile machines, in a process of its own; the daemon it is made from is the real one.
"""

import signal
import sys

from mayhem_udp.cli.main import run
from mayhem_udp.cli.surroundings import Surroundings
from mayhem_udp.endpoint.daemon import Daemon
from mayhem_udp.endpoint.loop import Loop
from mayhem_udp.log import open_log


class TornSource:
    """A file whose blocks change between the hash and the network."""

    def __init__(self, inner, mode):
        self._inner = inner
        self._mode = mode
        self._given = []
        self._is_sent = False

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def read(self, offset, size):
        if self._is_sent:
            return self.read_blocking(offset, size)
        block = bytearray(self._inner.read_blocking(offset, size))
        self._given.append(block)
        return memoryview(block)

    def read_blocking(self, offset, size):
        block = bytearray(self._inner.read_blocking(offset, size))
        if self._mode == "always" and block:
            block[0] ^= 1
        return bytes(block)

    def looks_unchanged(self, *, sent_bytes):
        """All is read and hashed, and nothing of it has left."""
        for block in self._given:
            if block:
                block[0] ^= 1
        self._given.clear()
        self._is_sent = True
        return True


class TornStore:
    """A store whose files are torn."""

    def __init__(self, inner, mode):
        self._inner = inner
        self._mode = mode

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def open_source(self, name):
        return TornSource(self._inner.open_source(name), self._mode)


class LyingDaemon(Daemon):
    """The daemon over a torn store."""

    mode = "once"

    def _open_store(self):
        return TornStore(super()._open_store(), self.mode)


def run_lying(settings, *, sources):
    log = open_log(settings.logging, stream=sys.stderr, environ={})
    with Loop() as loop:
        daemon = LyingDaemon(loop, settings, sources=sources, log=log)
        daemon.start()
        loop.run()
        daemon.close()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    LyingDaemon.mode = sys.argv[1]
    sys.exit(run(sys.argv[2:], surroundings=Surroundings(run_daemon=run_lying)))
