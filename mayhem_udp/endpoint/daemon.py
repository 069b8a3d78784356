"""The daemon: a server with a life, from its start to its end.

Owns what surrounds serving: sockets (its own or the service manager's), the store, the keys, signals,
reloading, sweeping, status and watchdog, and the grace at the end. Never serves anything itself.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from mayhem_udp.config import ConfigProblems, Settings, Sources, compare, load, reloaded
from mayhem_udp.endpoint.clock import monotonic_ns, unix_s
from mayhem_udp.endpoint.engine_settings import admission_limits, engine_settings, socket_settings
from mayhem_udp.endpoint.faulty import FaultySocket
from mayhem_udp.endpoint.heap import keep_freed_memory
from mayhem_udp.endpoint.loop import Loop, sharpen_timers
from mayhem_udp.endpoint.server import Server
from mayhem_udp.endpoint.systemd import Notifier, handed_over, watchdog_ns
from mayhem_udp.endpoint.telemetry import Telemetry
from mayhem_udp.endpoint.udp import BufferGrant, DatagramSocket, UdpSocket
from mayhem_udp.endpoint.watchdog import Watchdog
from mayhem_udp.endpoint.workers import Workers
from mayhem_udp.errors import Code, MayhemError
from mayhem_udp.log import Logger, open_log
from mayhem_udp.mayhem.faults import Direction, MayhemSpec
from mayhem_udp.mayhem.link import LinkPair
from mayhem_udp.mayhem.settings import spec_of
from mayhem_udp.session.answering import House
from mayhem_udp.store.names import RESERVED
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.quota import StoreLimits
from mayhem_udp.store.secret import SECRET_BYTES, load_or_create_secret
from mayhem_udp.store.store import Store
from mayhem_udp.store.sweep import Swept
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.listener import Listener
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.transport.tokens import TokenMint
from mayhem_udp.units import MS, SECOND
from mayhem_udp.url import HostPort

FAREWELL_NS: Final = 200 * MS
"""After the peers were told that this is the end, for the datagrams that say so, and their echo."""
BOOT_BYTES: Final = 16
"""What tells one process's tokens from those of the next."""
SILENCE_NS: Final = 3 * SECOND
"""A client that gives no sign of life for so long, though asked at the end, is not waited for."""


def run_daemon(settings: Settings, *, sources: Sources) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. Raises `MayhemError` where it cannot begin."""
    with ExitStack() as stack:
        log = open_log(settings.logging, stream=sys.stderr, environ=os.environ)
        loop = stack.enter_context(Loop())
        sharpen_timers()
        keep_freed_memory()
        daemon = Daemon(loop, settings, sources=sources, log=log)
        stack.callback(daemon.close)
        daemon.start()
        loop.run()
    return 0


class Daemon:
    """One daemon on one loop."""

    def __init__(self, loop: Loop, settings: Settings, *, sources: Sources, log: Logger) -> None:
        self._loop = loop
        self._settings = settings
        self._sources = sources
        self._log = log
        self._notifier = Notifier(os.environ)
        self._watchdog: Watchdog | None = None
        self._telemetry = Telemetry(log, progress_interval_ns=settings.logging.progress_interval_ns)
        self._store = self._open_store()
        self._workers = Workers(loop, threads_max=settings.server.workers)
        self._mint = TokenMint(
            self._secret(),
            boot=os.urandom(BOOT_BYTES),
            visit_lifetime_ns=settings.server.token_lifetime_ns,
        )
        listener = Listener(
            settings=engine_settings(settings, Side.SERVER),
            limits=admission_limits(settings),
            mint=self._mint,
            entropy=os.urandom,
        )
        self._server = Server(loop, listener, self._workers, house=self._house, watcher=self._telemetry)
        self._links: list[LinkPair[Address]] = []
        self._rhythms: list[Callable[[], None]] = []
        """What is done now and then: each looks whether its time has changed."""
        self._has_begun = self._is_stopping = False
        self._grace_began_ns = self._grace_ends_ns = 0

    # --- Beginning -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the sockets and begin to serve. Raises `MayhemError`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.on_signal(number, self._on_stop_asked)
        self._loop.on_signal(signal.SIGHUP, self._on_reload_asked)
        spec = spec_of(self._settings.mayhem)
        for socket in self._open_sockets():
            self._server.attach(self._with_faults(socket, spec))
            place = HostPort(socket.local.host, socket.local.port)
            self._log.info(
                "listening", place=str(place), port=socket.local.port, root=str(self._settings.store.root)
            )
            self._warn_of_small_buffers(socket)
        self._every(lambda: self._settings.store.sweep_interval_ns, self._sweep)
        self._every(lambda: self._settings.server.status_interval_ns, self._tell_status)
        watched_ns = watchdog_ns(os.environ, process_id=os.getpid())
        if watched_ns is not None:
            self._watch(watched_ns)
        self._every(lambda: SECOND, self._look_for_stalls)
        self._workers.submit(self._store, self._store.count, _ignore)
        self._sweep()
        self._notifier.ready(self._status())
        self._has_begun = True

    def _watch(self, limit_ns: int) -> None:
        watchdog = Watchdog(self._loop.gaps, notifier=self._notifier, log=self._log, limit_ns=limit_ns)
        self._watchdog = watchdog
        self._every(lambda: watchdog.beat_ns, watchdog.beat)

    def _open_sockets(self) -> list[UdpSocket]:
        wanted = socket_settings(self._settings)
        given = handed_over(os.environ, process_id=os.getpid())
        if given:
            return [UdpSocket.adopt(each.descriptor, wanted) for each in given]
        return [UdpSocket.bind(self._settings.server.listen, wanted)]

    def _with_faults(self, socket: UdpSocket, spec: MayhemSpec) -> DatagramSocket:
        if spec.is_harmless():
            return socket
        self._log.warning(
            "mayhem is on: this daemon damages its own traffic", spec=self._settings.mayhem.text
        )
        links: LinkPair[Address] = LinkPair.of(spec)
        self._links.append(links)
        return FaultySocket(socket, links, sends=Direction.IN)

    def _warn_of_small_buffers(self, socket: UdpSocket) -> None:
        for grant in (socket.receive_buffer, socket.send_buffer):
            if grant.is_short:
                self._log.warning("the kernel gives a smaller socket buffer than asked for", **_about(grant))

    def _open_store(self) -> Store:
        access = self._settings.access
        placement = Placement.HIDDEN_FOLDER if access.write else Placement.NOWHERE
        return open_store(
            self._settings.store.root,
            placement=placement,
            limits=_store_limits(self._settings),
            clock_ns=monotonic_ns,
        )

    def _secret(self) -> bytes:
        folder = self._settings.server.state_dir or os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        fresh = os.urandom(SECRET_BYTES)
        try:
            return load_or_create_secret(folder or Path(self._settings.store.root, RESERVED), fresh=fresh)
        except MayhemError as error:
            if folder:
                raise
            self._log.warning("tokens will not outlive this daemon", reason=str(error))
            return fresh

    def _house(self) -> House:
        settings = self._settings
        return House(
            self._store,
            settings.access,
            settings.limits.transfers_max,
            self._transfers,
            self._server.rivals,
        )

    def _transfers(self) -> int:
        return self._server.transfers

    # --- Now and then --------------------------------------------------------------------------------

    def _every(self, interval_ns: Callable[[], int], action: Callable[[], object]) -> None:
        """Do something now and then, as often as the settings say at the time; 0: not at all."""
        current_ns = 0

        def turn() -> None:
            action()
            arm()

        def arm() -> None:
            nonlocal current_ns
            current_ns = interval_ns()
            timer.set(monotonic_ns() + current_ns if current_ns else None)

        def look_again() -> None:
            if interval_ns() != current_ns:
                arm()

        timer = self._loop.timer(turn)
        self._rhythms.append(look_again)
        arm()

    def _status(self) -> str:
        return f"{len(self._server.conversations)} clients, {self._server.transfers} transfers"

    def _tell_status(self) -> None:
        self._notifier.status(self._status())
        stats = self._server.listener.stats
        self._log.info(
            "status",
            clients=len(self._server.conversations),
            transfers=self._server.transfers,
            loop_gap_p999_ms=self._loop_gap_ms(),
            corrupt_dropped=stats.corrupt_dropped,
            refused=stats.refused,
        )

    def _loop_gap_ms(self) -> float:
        """What 999 of 1,000 turns of the loop did not exceed."""
        return round(self._loop.gaps.percentile_ns(0.999) / MS, 3)

    def _look_for_stalls(self) -> None:
        longest, bound_ns = self._loop.gaps.take_longest(), self._settings.server.stall_warning_ns
        if longest is not None and bound_ns and longest.length_ns > bound_ns:
            self._log.warning(
                "the loop stalled",
                ms=round(longest.length_ns / MS),
                busy_with=longest.busiest,
                busy_ms=round(longest.busiest_ns / MS),
            )

    def _sweep(self) -> None:
        before_ns = unix_s() * SECOND - self._settings.store.staging_age_max_ns

        def done(swept: Swept | None, error: BaseException | None) -> None:
            if isinstance(error, MayhemError):
                self._log.warning("sweeping failed", reason=str(error))
            elif swept is not None and swept.files:
                self._log.info("swept", files=swept.files, bytes=swept.bytes)

        self._workers.submit(self._store, lambda: self._store.sweep(before_ns=before_ns), done)

    # --- Reloading -----------------------------------------------------------------------------------

    def _on_reload_asked(self) -> None:
        self._notifier.reloading(now_ns=monotonic_ns())
        try:
            self._reload()
        except ConfigProblems as error:
            for problem in error.problems:
                self._log.error("the settings stay as they are", problem=str(problem))
        self._notifier.ready(self._status())

    def _reload(self) -> None:
        fresh = load(self._sources).settings
        changes = compare(self._settings, fresh)
        for change in changes:
            if change.reloads:
                self._log.info("setting changed", name=change.name, old=str(change.old), new=str(change.new))
            else:
                self._log.warning("setting needs a restart", name=change.name, new=str(change.new))
        self._settings = reloaded(self._settings, fresh)
        self._server.listener.settings = engine_settings(self._settings, Side.SERVER)
        self._server.listener.limits = admission_limits(self._settings)
        self._store.limits = _store_limits(self._settings)
        self._workers.submit(self._store, self._store.count, _ignore)
        self._telemetry.progress_interval_ns = self._settings.logging.progress_interval_ns
        for look_again in self._rhythms:
            look_again()
        if self._settings.access.write and not self._store.takes_files:
            self._log.warning("setting needs a restart", name="access.write", new="True")
        self._log.info("settings read again", changed=len(changes))

    # --- The end -------------------------------------------------------------------------------------

    def _on_stop_asked(self) -> None:
        if self._is_stopping:
            self._say_farewell()  # asked twice: now
            return
        self._is_stopping = True
        grace_ns = self._settings.server.grace_time_ns
        self._log.info("shutting down", transfers=self._server.transfers, grace_s=grace_ns / SECOND)
        self._notifier.stopping("waiting for transfers")
        self._notifier.extend_timeout(grace_ns + 5 * SECOND)
        self._server.listener.is_closing = True
        self._grace_began_ns = monotonic_ns()
        self._grace_ends_ns = self._grace_began_ns + grace_ns
        self._server.ping_all()
        self._wait_for_transfers()

    def _wait_for_transfers(self) -> None:
        """Wait while transfers go on; those of clients that are not heard any more soon do not count."""
        now_ns = monotonic_ns()
        alive_ns = self._grace_began_ns if now_ns >= self._grace_began_ns + SILENCE_NS else 0
        if now_ns < self._grace_ends_ns and self._server.transfers_heard_since(alive_ns):
            self._loop.call_at(now_ns + 50 * MS, self._wait_for_transfers)
        else:
            self._say_farewell()

    def _say_farewell(self) -> None:
        self._server.close_all(Code.SHUTTING_DOWN, "the server is shutting down")
        self._loop.call_at(monotonic_ns() + FAREWELL_NS, self._loop.stop)

    def close(self) -> None:
        """Let go of everything."""
        if self._watchdog is not None:
            self._watchdog.close()
        self._server.close()
        left = self._workers.close()
        if left:
            self._log.warning("disk work was left behind", jobs=left)
        self._store.close()
        for links in self._links:
            for direction in Direction:
                self._log.info("mayhem made", direction=direction.value, **_made(links, direction))
        if self._has_begun:
            self._log.info("stopped", loop_gap_p999_ms=self._loop_gap_ms())
        self._notifier.close()


def _about(grant: BufferGrant) -> dict[str, object]:
    return {
        "asked_bytes": grant.asked_bytes,
        "given_bytes": grant.given_bytes,
        "remedy": f"sysctl -w {grant.sysctl}={grant.asked_bytes} (deploy/ has a file for it)",
    }


def _made(links: LinkPair[Address], direction: Direction) -> dict[str, int]:
    """What the daemon's own faults have done, in datagrams."""
    counts = links.toward(direction).counts
    return {
        "seen": counts.seen,
        "dropped": counts.dropped,
        "blacked_out": counts.blacked_out,
        "queue_dropped": counts.queue_dropped,
        "corrupted": counts.corrupted,
        "duplicated": counts.duplicated,
        "reordered": counts.reordered,
    }


def _store_limits(settings: Settings) -> StoreLimits:
    limits = settings.limits
    return StoreLimits(
        file_size_max_bytes=limits.file_size_max_bytes,
        stored_max_bytes=limits.stored_max_bytes,
        files_max=limits.files_max,
        open_files_max=limits.open_files_max,
        free_space_min_bytes=settings.store.free_space_min_bytes or None,
        name_max_bytes=limits.name_max_bytes,
        name_depth_max=limits.name_depth_max,
    )


def _ignore(_result: object, _error: BaseException | None) -> None:
    """What comes of it shows elsewhere."""
