"""Small things: many small files, one small file, how soon the command is there, and round trips.

Owns the rows of that table. How many round trips a command takes is the difference between its wall time
over a link with a delay and over the same link without, by the delay.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench import own
from bench.links import SERVER_HOST, Link, standing
from bench.peers import INSTALLABLE
from bench.peers.base import Job, Peer, measure, tree_mismatch
from bench.plan import Measurement, Storage
from bench.processes import Ended, ProgramError
from bench.runs import Run, Spread

TABLE: Final = "small_files"
FOLDERS: Final = 100
FILES_PER_FOLDER: Final = 100
FILE_BYTES: Final = 4_096
TREE_BYTES: Final = FOLDERS * FILES_PER_FOLDER * FILE_BYTES
MANY: Final = "10,000 files of 4 KB"
ONE: Final = "one file of 4 KB"
VERSION: Final = "--version"
TIMEOUT_S: Final = 120.0
SHORT_TIMEOUT_S: Final = 10.0
REPEATS_WITHIN: Final = 7
"""Short commands are run so often, and the median counts."""
RTT_MS: Final = 50.0
FAST_MBIT: Final = 1_000.0


def measurements() -> list[Measurement]:
    """All rows, by us and by the peers that can."""
    peers = [peer for peer in INSTALLABLE if peer.is_installed]
    found = [Measurement(table=TABLE, row=MANY, system="mayhem", run=_many_own)]
    found += [_of(peer, MANY, _many_peer) for peer in peers if peer.moves_trees]
    found.append(Measurement(table=TABLE, row=ONE, system="mayhem", run=_one_own))
    found += [_of(peer, ONE, _one_peer) for peer in peers if peer.moves_trees and peer.name != "UFTP"]
    found.append(Measurement(table=TABLE, row=VERSION, system="mayhem", run=_version))
    for verb in ("put", "get"):
        for is_known in (False, True):
            found.append(
                Measurement(
                    table=TABLE,
                    row=f"{verb} over 50 ms, {'with a token' if is_known else 'new client'}",
                    system="mayhem",
                    run=partial(_round_trips, verb=verb, is_known=is_known),
                )
            )
    return found


def _of(peer: Peer, row: str, run: "partial[Run]") -> Measurement:
    return Measurement(table=TABLE, row=row, system=peer.name, run=partial(run, peer=peer), is_peer=True)


def make_tree(folder: Path, *, seed: int) -> Path:
    """A hundred folders of a hundred files each; returns their parent."""
    random = np.random.default_rng(seed)
    tree = folder / "tree"
    for number in range(FOLDERS):
        inner = tree / f"folder{number:03}"
        inner.mkdir(parents=True)
        for file in range(FILES_PER_FOLDER):
            (inner / f"file{file:03}.bin").write_bytes(random.bytes(FILE_BYTES))
    return tree


# --- Many files -------------------------------------------------------------------------------------


def _many_own(storage: Storage, seed: int) -> Run:
    with storage.run() as folder, own.daemon(folder) as server:
        tree = make_tree(folder, seed=seed)
        before_s = server.program.cpu_s()
        ended = own.mayhem(folder, "put", "-r", tree, server.url, "--no-progress", "-q", timeout_s=TIMEOUT_S)
        error = ended.trouble or tree_mismatch(tree, server.root / "tree") or ""
        return _run_of(ended, MANY, TREE_BYTES, error=error, server_cpu_s=server.program.cpu_s() - before_s)


def _many_peer(storage: Storage, seed: int, *, peer: Peer) -> Run:
    with storage.run() as folder:
        tree = make_tree(folder, seed=seed)
        job = Job(
            source=tree, size=TREE_BYTES, sha256="", folder=folder / "there", timeout_s=TIMEOUT_S, tree=True
        )
        job.folder.mkdir()
        return measure(peer, job, table=TABLE, row=MANY)


# --- One file, and no file at all -------------------------------------------------------------------


def _one_own(storage: Storage, seed: int) -> Run:
    with storage.run() as folder, own.daemon(folder) as server:
        source = folder / "small"
        source.write_bytes(np.random.default_rng(seed).bytes(FILE_BYTES))
        attempts = [
            own.mayhem(folder, "put", source, server.url, "-q", timeout_s=SHORT_TIMEOUT_S)
            for _ in range(REPEATS_WITHIN)
        ]
        same = (server.root / "small").read_bytes() == source.read_bytes()
        return _median_run(attempts, ONE, FILE_BYTES, error="" if same else "other contents arrived")


def _one_peer(storage: Storage, seed: int, *, peer: Peer) -> Run:
    runs = []
    for _ in range(REPEATS_WITHIN):
        with storage.run() as folder:
            tree = folder / "tree"
            tree.mkdir()
            (tree / "small").write_bytes(np.random.default_rng(seed).bytes(FILE_BYTES))
            job = Job(
                source=tree,
                size=FILE_BYTES,
                sha256="",
                folder=folder / "there",
                timeout_s=SHORT_TIMEOUT_S,
                tree=True,
            )
            job.folder.mkdir()
            runs.append(measure(peer, job, table=TABLE, row=ONE))
    return sorted(runs, key=lambda run: (run.error, run.seconds))[len(runs) // 2]


def _version(storage: Storage, _seed: int) -> Run:
    with storage.run() as folder:
        attempts = [own.mayhem(folder, "--version", timeout_s=SHORT_TIMEOUT_S) for _ in range(REPEATS_WITHIN)]
    return _median_run(attempts, VERSION, 0)


# --- Round trips ------------------------------------------------------------------------------------


def _round_trips(storage: Storage, seed: int, *, verb: str, is_known: bool) -> Run:
    row = f"{verb} over 50 ms, {'with a token' if is_known else 'new client'}"
    near = _walls(storage, 0.0, verb=verb, is_known=is_known, seed=seed)
    far = _walls(storage, RTT_MS, verb=verb, is_known=is_known, seed=seed)
    trips = (far.median - near.median) / (RTT_MS / 1_000)
    return Run(
        table=TABLE,
        row=row,
        system="mayhem",
        seconds=far.median,
        bytes=FILE_BYTES,
        figures={"round_trips": trips, "seconds_without_delay": near.median},
    )


def _walls(storage: Storage, rtt_ms: float, *, verb: str, is_known: bool, seed: int) -> Spread:
    """Wall times of a small `put` or `get`. A client that is new has an empty cache each time."""
    link = Link(rate_mbit=FAST_MBIT, rtt_ms=rtt_ms, queue_packets=1_000)
    walls = []
    with (
        storage.run() as folder,
        standing(link, seed=seed) as net,
        own.daemon(folder, host=SERVER_HOST, namespace=net.server) as server,
    ):
        data = np.random.default_rng(seed).bytes(FILE_BYTES)
        (folder / "small").write_bytes(data)
        (server.root / "served").write_bytes(data)
        for number in range(REPEATS_WITHIN + 1):
            place = folder / ("known" if is_known else f"new{number}")
            place.mkdir(exist_ok=True)
            words = ("put", folder / "small", f"{server.url}up{number}")
            if verb == "get":
                words = ("get", f"{server.url}served", folder / f"down{number}")
            ended = own.mayhem(place, *words, "-q", namespace=net.client, timeout_s=SHORT_TIMEOUT_S)
            there = server.root / f"up{number}" if verb == "put" else folder / f"down{number}"
            if ended.trouble or there.read_bytes() != data:
                raise ProgramError(ended.trouble or "other contents arrived")
            if number:  # the first one gets the token, and warms the caches
                walls.append(ended.wall_s)
    return Spread.of(walls)


def _median_run(attempts: Sequence[Ended], row: str, size: int, *, error: str = "") -> Run:
    trouble = next((each.trouble for each in attempts if each.trouble), None)
    middle = sorted(attempts, key=lambda ended: ended.wall_s)[len(attempts) // 2]
    return _run_of(middle, row, size, error=trouble or error)


def _run_of(ended: Ended, row: str, size: int, *, error: str, server_cpu_s: float = 0.0) -> Run:
    return Run(
        table=TABLE,
        row=row,
        system="mayhem",
        seconds=ended.wall_s,
        bytes=0 if error else size,
        cpu_s=ended.cpu_s + server_cpu_s,
        memory_bytes=ended.memory_max_bytes,
        error=error,
    )
