"""One connection with its session, at a socket: what happens to both in a turn of the loop.

Owns the order: events to the session, the session's own work, batches to the socket, the next deadline.
The daemon has many of these, a client has one. Never decides whose turn it is.
"""

from collections.abc import Callable

from mayhem_udp.endpoint.loop import Timer
from mayhem_udp.endpoint.udp import DatagramSocket
from mayhem_udp.endpoint.workers import Done, Job, Workers
from mayhem_udp.session.session import Session
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.events import Event
from mayhem_udp.transport.state import State


class Conversation:
    """A connection, its session, and where both are."""

    def __init__(
        self, connection: Connection, session: Session, socket: DatagramSocket, timer: Timer
    ) -> None:
        self.connection = connection
        self.session = session
        self.socket = socket
        """The socket that the peer was heard at last."""
        self.deficit_bytes = 0
        """What it may still send in this round (deficit round robin)."""
        self.wants_pump = True
        """Whether its session may have work: it said so, or something has happened since. Time alone gives it none."""
        self.heard_ns = 0
        """When its peer was heard last."""
        self._timer = timer

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever happen here again."""
        return self.connection.state is State.CLOSED

    @property
    def is_ending(self) -> bool:
        """Whether one of the two has said goodbye: no request can be opened any more."""
        return not self.connection.state.is_live

    def acknowledge(self, *, now_ns: int) -> None:
        """Say what has arrived, if that is due, before the work that it brings: the sender goes on meanwhile."""
        if self.connection.owes_acknowledgement(now_ns=now_ns) and not self.socket.is_blocked:
            batch = self.connection.poll_transmit(now_ns=now_ns)
            if batch is not None:
                self.deficit_bytes -= batch.total_bytes
                self.socket.send(batch)

    def take_events(self, *, now_ns: int) -> list[Event]:
        """Hand the connection's events to the session; returns what is not about a request."""
        return self.session.take_events(now_ns=now_ns)

    def go_on(self, *, now_ns: int) -> bool:
        """Send while the deficit lasts, and let the session do a bounded piece of its own work.

        What waits goes before that work, so that the path is busy meanwhile. True when the deficit was used up,
        so that there may be more to send.
        """
        may_have_more = self.send(now_ns=now_ns)
        if self.wants_pump:
            self.wants_pump = self.session.pump(now_ns=now_ns)
            may_have_more = self.send(now_ns=now_ns)
        return may_have_more

    def send(self, *, now_ns: int) -> bool:
        """Send while the deficit lasts; True when it was used up, so that there may be more to send."""
        connection, socket = self.connection, self.socket
        while self.deficit_bytes > 0 and not socket.is_blocked:
            batch = connection.poll_transmit(now_ns=now_ns)
            if batch is None:
                return False
            self.deficit_bytes -= batch.total_bytes
            socket.send(batch)
        return True

    def arm(self) -> None:
        """Set the timer to the connection's next deadline."""
        self._timer.set(self.connection.next_deadline_ns())

    def disarm(self) -> None:
        """No more deadlines."""
        self._timer.cancel()


class WakingWorkers:
    """Workers that wake a conversation after each job, since what a job did may be worth sending."""

    def __init__(
        self,
        workers: Workers,
        wake: Callable[[], None],
        *,
        on_fault: Callable[[Exception], None] | None = None,
    ) -> None:
        self._workers = workers
        self._wake = wake
        self._on_fault = on_fault

    def submit(self, key: object, job: Job, done: Done) -> None:
        """As `Workers.submit`."""

        def back(result: object, error: BaseException | None) -> None:
            try:
                done(result, error)
            except Exception as fault:
                if self._on_fault is None:
                    raise
                self._on_fault(fault)
            self._wake()

        self._workers.submit(key, job, back)
