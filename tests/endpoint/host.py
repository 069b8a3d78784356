"""A server on a loop of its own, in a thread: what clients of a test talk to over loopback.

Owns the thread and what crosses into it. Whatever a test wants to know of the server is asked on its loop.
"""

import os
import threading

from mayhem_udp.config import Sources, load, with_overrides
from mayhem_udp.config.schema import AccessSettings
from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.endpoint.engine_settings import admission_limits, engine_settings, socket_settings
from mayhem_udp.endpoint.loop import Loop
from mayhem_udp.endpoint.server import Server
from mayhem_udp.endpoint.udp import UdpSocket
from mayhem_udp.endpoint.watcher import Silence
from mayhem_udp.endpoint.workers import Workers
from mayhem_udp.session.answering import House
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.transport.listener import Listener
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.transport.tokens import TokenMint
from mayhem_udp.units import HOUR
from mayhem_udp.url import HostPort

WAIT_S = 30
ALL_ALLOWED = AccessSettings(read=True, write=True, list=True, remove=True)


def settings_with(**changes):
    """The default settings but for these, by their full names (`transport__chunk_size`)."""
    return with_overrides(load(Sources()).settings, changes, place="a test")


class Told(Silence):
    """Hears of a server's connections, and lets a test wait for it."""

    def __init__(self):
        self.ends = []
        self.faults = []
        self._gone = threading.Semaphore(0)
        self._serving = threading.Event()

    def on_event(self, conversation, event):
        if type(event).__name__ == "Closed":
            self.ends.append(event)

    def on_served(self, conversation, *, now_ns):
        if conversation.session.exchanges:
            self._serving.set()

    def wait_for_request(self):
        assert self._serving.wait(WAIT_S), "nobody asked for anything"

    def on_fault(self, conversation, fault):
        self.faults.append(fault)

    def on_gone(self, conversation):
        self._gone.release()

    def wait_for_gone(self):
        assert self._gone.acquire(timeout=WAIT_S), "no connection ended"


class Host:
    """The server, from its first datagram to `close`."""

    def __init__(self, root, *, watcher=None, changed_store=lambda store: store, **changes):
        settings = settings_with(**changes)
        self.watcher = watcher or Told()
        self._loop = Loop()
        self._workers = Workers(self._loop, threads_max=2)
        self._store = open_store(root, placement=Placement.HIDDEN_FOLDER, clock_ns=monotonic_ns)
        self._changed_store = changed_store(self._store)
        listener = Listener(
            settings=engine_settings(settings, Side.SERVER),
            limits=admission_limits(settings),
            mint=TokenMint(os.urandom(32), boot=b"", visit_lifetime_ns=HOUR),
            entropy=os.urandom,
        )
        self.server = Server(self._loop, listener, self._workers, house=self._house, watcher=self.watcher)
        socket = UdpSocket.bind(HostPort("127.0.0.1", 0), socket_settings(settings))
        self.server.attach(socket)
        self.port = socket.local.port
        self.url = f"mayhem://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._loop.run, daemon=True)
        self._thread.start()

    def _house(self):
        return House(self._changed_store, ALL_ALLOWED, 100, lambda: self.server.transfers, self.server.rivals)

    def ask(self, question):
        """What the question gives, asked on the server's loop."""
        answers, answered = [], threading.Event()

        def on_loop():
            answers.append(question())
            answered.set()

        self._loop.call_from_thread(on_loop)
        assert answered.wait(WAIT_S), "the loop stands still"
        return answers[0]

    def call_from_thread(self, callback):
        """Have it called on the server's loop, without waiting for that."""
        self._loop.call_from_thread(callback)

    def close(self):
        self._loop.call_from_thread(self._loop.stop)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the loop stands still"
        self.server.close()
        assert self._workers.close() == 0
        self._store.close()
        self._loop.close()
