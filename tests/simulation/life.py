"""One simulated life: a client and a server with files, a hostile network, and what goes wrong meanwhile.

Owns the run of a plan and the promises checked at its end: every file exact, every connection over, nothing
left open or lying about, no engine beyond its bounds. A failure names the command that replays it.
"""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from random import Random

from bounds import check_connection
from damage_in_flight import datagrams_of, flipped
from errands import ERRANDS
from intruders import Forger, Vandal
from msgspec.structs import replace
from plans import draw_plan
from virtual_pair import ADMIT_ALL, CLIENT, SERVER, transport_settings
from virtual_process import LateWorkers
from virtual_sessions import SessionClient, SessionServer, contents, leftovers

from mayhem_udp.mayhem.simulator import Simulator
from mayhem_udp.transport.connection import Connection
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.listener import Listener
from mayhem_udp.transport.state import State
from mayhem_udp.transport.tokens import TokenMint
from mayhem_udp.units import HOUR, MS, SECOND

REPLAY = "python tests/simulation/replay.py {}"
LIFE_MAX_NS = HOUR
"""Of virtual time, in which all is done; what is slept through comes on top."""
END_MAX_NS = 70 * SECOND
"""Within this a connection is over: idle times and the goodbye."""
RETRY_NS = 500 * MS
CHECK_EVERY = 64
"""Bounds are looked at after so many events."""
MEMORY_FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None


class LifeFailure(AssertionError):
    """A promise was broken in a life; says which, and how to see it again."""


class Working:
    """A side in a life: it may be frozen, and its workers are as slow as the plan says."""

    now_ns = 0
    frozen_until_ns = 0
    flips_due = 0
    """Datagrams of bodies that come in with a flipped bit, and a seal that fits."""

    def freeze(self, *, length_ns):
        """The process stands still, while its clock goes on; what comes waits in its socket."""
        self.frozen_until_ns = self.now_ns + length_ns
        self._waiting = []

    def handle_batch(self, batch, *, now_ns):
        self.now_ns = now_ns
        if now_ns < self.frozen_until_ns:
            if len(self._waiting) < 64:
                self._waiting.append(batch)
            return
        if self.flips_due:
            batch = self._with_flips(batch)
        super().handle_batch(batch, now_ns=now_ns)

    def _with_flips(self, batch):
        datagrams = datagrams_of(batch)
        for index, datagram in enumerate(datagrams):
            datagrams[index] = flipped(datagram) if self.flips_due else datagram
            self.flips_due -= datagrams[index] is not datagram
        return replace(batch, buffer=b"".join(datagrams))

    def handle_timeout(self, *, now_ns):
        self.now_ns = now_ns
        if now_ns < self.frozen_until_ns:
            return
        if self.frozen_until_ns:
            self.frozen_until_ns, waiting = 0, self._waiting
            for batch in waiting:
                super().handle_batch(batch, now_ns=now_ns)
        super().handle_timeout(now_ns=now_ns)

    def next_deadline_ns(self):
        return self.frozen_until_ns or super().next_deadline_ns()

    def poll_transmit(self, *, now_ns):
        self.now_ns = now_ns
        return None if now_ns < self.frozen_until_ns else super().poll_transmit(now_ns=now_ns)


class WorkingServer(Working, SessionServer):
    """The server of a life."""


class WorkingClient(Working, SessionClient):
    """The client of a life: it starts errands, and connects again when its connection is lost."""

    def __init__(self, life, connection, folder, *, workers):
        super().__init__(connection, folder, workers=workers)
        self.life = life
        self.retry_at_ns = None

    def work(self, *, now_ns):
        self._steer(now_ns)
        return super().work(now_ns=now_ns)

    def _steer(self, now_ns):
        errands = self.life.errands
        for errand in errands:
            errand.look()
        if self.connection.state is not State.CLOSED:
            self.retry_at_ns = None
        elif self.retry_at_ns is None:
            self.retry_at_ns = now_ns + RETRY_NS
        elif now_ns >= self.retry_at_ns and not self.life.is_done:
            self.use(self.life.new_connection(token=self.tokens[-1] if self.tokens else b"", now_ns=now_ns))
            self.retry_at_ns = None
        under_way = sum(errand.exchange is not None for errand in errands)
        for errand in errands:
            room = under_way < self.life.plan.parallel and self.connection.state in (
                State.OPEN,
                State.OPENING,
            )
            if not room or errand.is_done or errand.exchange is not None or not self._may_open():
                continue
            errand.start(self)
            under_way += 1

    def _may_open(self):
        requests = self.connection._core.requests
        return requests.next < requests.peer_limit

    def next_deadline_ns(self):
        own = super().next_deadline_ns()
        if self.retry_at_ns is None or self.life.is_done:
            return own
        return self.retry_at_ns if own is None else min(own, self.retry_at_ns)


class Life:
    """A plan that is lived."""

    def __init__(self, plan, folder):
        self.plan = plan
        self.dice = Random(plan.seed ^ 0x5EED)
        self.simulator = Simulator(
            seed=plan.seed, gather_ns=plan.gather_ns, replay=REPLAY.format(plan.seed), trace_max=200
        )
        self.root, self.folder = folder / "served", folder / "fetched"
        self.root.mkdir()
        self.errands = [ERRANDS[task.verb](task, plan.seed) for task in plan.tasks]
        for errand in self.errands:
            errand.plant(self.root)
        self.secret = self.dice.randbytes(32)
        self.boots = 0
        self.settings = transport_settings(**plan.server)
        self.client_settings = transport_settings(**plan.client)
        self.client_address = CLIENT
        self.crashes = 0
        self._steps = 0
        self._awaited = []
        self._begin()

    def _begin(self):
        simulator = self.simulator
        self.server = self._new_server()
        self.client = self._new_client(now_ns=0)
        simulator.add(self.server, SERVER)
        simulator.add(self.client, CLIENT)
        self.links = simulator.connect(CLIENT, SERVER, self.plan.spec)
        self.forger = Forger(self)
        self.vandals = []
        for number, trouble in enumerate(self.plan.troubles):
            act = partial(getattr(self, "_" + trouble.kind.replace(" ", "_")), number, trouble)
            if trouble.after_bytes:
                self._awaited.append((trouble.after_bytes, number, act))
            else:
                simulator.at(trouble.at_ns, act)
        self._awaited.sort()

    @property
    def is_done(self):
        return all(errand.is_done for errand in self.errands)

    # --- Processes -----------------------------------------------------------------------------------

    def _new_server(self):
        self.boots += 1
        mint = TokenMint(self.secret, boot=bytes([self.boots]), visit_lifetime_ns=24 * HOUR)
        listener = Listener(settings=self.settings, limits=ADMIT_ALL, mint=mint, entropy=self.dice.randbytes)
        workers = self._workers(lambda: self.server)
        return WorkingServer(listener, self.root, workers=workers, transfers_max=self.plan.transfers_max)

    def _new_client(self, *, now_ns):
        connection = self.new_connection(token=b"", now_ns=now_ns)
        return WorkingClient(self, connection, self.folder, workers=self._workers(lambda: self.client))

    def _workers(self, owner):
        longest = self.plan.job_max_ns
        if not longest:
            return None
        return LateWorkers(lambda: owner().now_ns, lambda: int(longest * self.dice.random() ** 4))

    def new_connection(self, *, token, now_ns):
        return Connection.client(
            SERVER,
            connection_id=self.dice.getrandbits(64),
            settings=self.client_settings,
            entropy=self.dice.randbytes,
            now_ns=now_ns,
            token=token,
        )

    # --- Troubles ------------------------------------------------------------------------------------

    def _server_crashes(self, _number, _trouble):
        self.crashes += 1
        self.server.crash()
        self.server = self._new_server()
        self.simulator.replace(SERVER, self.server)

    def _client_crashes(self, _number, _trouble):
        self.crashes += 1
        now_ns = self.client.now_ns
        self.client.crash()
        for errand in self.errands:
            errand.exchange = None
        self.client = self._new_client(now_ns=now_ns)
        self.simulator.replace(self.client_address, self.client)

    def _client_moves(self, number, _trouble):
        moved = Address(f"192.0.2.{100 + number}", 40_000 + number)
        self.simulator.move(self.client_address, moved)
        self.client_address = moved

    def _client_sleeps(self, _number, trouble):
        self.simulator.suspend(self.client_address, length_ns=trouble.length_ns)

    def _server_freezes(self, _number, trouble):
        self.server.freeze(length_ns=min(trouble.length_ns, 7 * SECOND))
        self.simulator.wake(SERVER)

    def _calendar_jumps(self, _number, _trouble):
        self.server.unix_s += self.dice.choice([-86_400 * 400, -3_600, 3_600, 86_400 * 400])

    def _replays(self, _number, _trouble):
        self.forger.replay()

    def _forgeries(self, _number, _trouble):
        self.forger.forge()

    def _flood_of_hellos(self, _number, _trouble):
        self.forger.flood()

    def _bits_flip(self, _number, _trouble):
        """Files in packs have digests, but are not repaired: such a life is left alone."""
        if not any("pack" in task.verb for task in self.plan.tasks):
            self.dice.choice([self.client, self.server]).flips_due = self.dice.choice([1, 3])

    def _vandal(self, number, _trouble):
        self.vandals.append(Vandal.let_in(self, number))

    # --- The run -------------------------------------------------------------------------------------

    def run(self):
        """Live it to its end; raises where a promise is broken."""
        simulator = self.simulator
        asleep_ns = sum(each.length_ns for each in self.plan.troubles if each.kind == "client sleeps")
        simulator.run_until(lambda: self._look() and self.is_done, within_ns=LIFE_MAX_NS + asleep_ns)
        self.client.connection.close(0, "done", now_ns=self.client.now_ns)
        for vandal in self.vandals:
            vandal.leave()
        for address in (self.client_address, SERVER):
            simulator.wake(address)
        simulator.run_until(lambda: self._look() and self._is_quiet(), within_ns=END_MAX_NS + asleep_ns)
        self._check_end()

    def _is_quiet(self):
        over = self.client.connection.state is State.CLOSED and not self.server.listener.connections
        idle = not self.server.workers.unfinished and not self.client.workers.unfinished
        return over and idle and self.server.transfers == 0 and not self.server.frozen_until_ns

    def _look(self):
        self._steps += 1
        passed = self.links.outward._delivered_bytes + self.links.inward._delivered_bytes
        while self._awaited and passed >= self._awaited[0][0]:
            self.simulator.at(self.simulator.now_ns, self._awaited.pop(0)[2])
        if self._steps % CHECK_EVERY == 0:
            self.forger.watch()
            for side in (self.client, self.server):
                for session in side.sessions.values():
                    check_connection(session.connection)
        return True

    def _check_end(self):
        wanted, copies = {}, {}
        for errand in self.errands:
            wanted |= errand.files()
            copies |= errand.copies()
        for name, data in wanted.items():
            assert contents(self.root / name) == data, f"the server's {name} is not what was sent"
        for name, data in copies.items():
            assert contents(self.folder / name) == data, f"the client's {name} is not what the server had"
        assert files_under(self.root) == set(wanted), "the server has files that nobody sent"
        assert files_under(self.folder) == set(copies), "the client has files that it did not ask for"
        self._check_leftovers()

    def _check_leftovers(self):
        for side in (self.server, self.client):
            side.workers.run()
        assert self.server.listener.memory.used_bytes == 0, "memory that was held is not given back"
        assert self.client.connection.memory.used_bytes == 0, "memory that was held is not given back"
        for side, folder in ((self.server, self.root), (self.client, self.folder)):
            assert side.store.quota.open_files == 0, "files are still open"
            side.workers.run()
            if not self.crashes and len(self.client.closed) <= 1 and not self.vandals:
                assert leftovers(folder) == [], "stagings are left"
            side.store.sweep(before_ns=1 << 62)
            assert leftovers(folder) == [], "stagings are left that no sweep removes"
            side.store.close()
            assert side.disk.open == set(), "descriptors are left open"


def files_under(folder):
    """Names of all files under a folder but the store's own and a vandal's."""
    return {
        str(each.relative_to(folder))
        for each in folder.rglob("*")
        if each.is_file() and not str(each.relative_to(folder)).startswith((".mayhem", "vandal"))
    }


def live(seed):
    """Live the life of a seed; raises `LifeFailure`. Returns the life, for who wants to look."""
    folder = Path(tempfile.mkdtemp(prefix="mayhem-life-", dir=MEMORY_FOLDER))
    plan = draw_plan(seed)
    life = None
    try:
        life = Life(plan, folder)
        life.run()
    except Exception as error:
        replay = REPLAY.format(seed)
        raise LifeFailure(f"{type(error).__name__}: {error}\n{plan}\nreplay it with: {replay}") from error
    finally:
        if life is not None:
            life.server.disk.crash()
            life.client.disk.crash()
        shutil.rmtree(folder, ignore_errors=True)
    return life


__all__ = ["Life", "LifeFailure", "draw_plan", "live"]
