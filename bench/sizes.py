"""CPU and memory by a file's size: a byte of a small file must cost what one of a large file does.

Owns the rows of that table. A command moves the same number of bytes in each, in files of one size; what a
command costs that moves next to nothing is a row of its own, to be taken off.
"""

from functools import partial
from pathlib import Path
from typing import Final

from bench import own
from bench.files import has_room, mismatch, random_file
from bench.plan import Measurement, Storage
from bench.processes import ProgramError
from bench.runs import Run

TABLE: Final = "sizes"
NOTHING: Final = "next to nothing"
TOTAL_BYTES: Final = 10**9
ROWS: Final = {NOTHING: (1, 1), "10 MB": (10**7, 100), "100 MB": (10**8, 10), "1 GB": (10**9, 1)}
"""Size and number of files."""
LARGEST: Final = "10 GB"
LARGEST_BYTES: Final = 10**10
SETTINGS: Final = {"client.parallel": 1}
"""One after the other: what is asked for is the cost of a file, not of many at once."""
SLOWEST_BYTES_PER_S: Final = 40e6


def measurements() -> list[Measurement]:
    """All sizes; the largest only where memory suffices, and else it says so."""
    rows = {**ROWS, LARGEST: (LARGEST_BYTES, 1)}
    return [
        Measurement(table=TABLE, row=row, system="mayhem", run=partial(_run, row=row, size=size, count=count))
        for row, (size, count) in rows.items()
    ]


def _run(storage: Storage, seed: int, *, row: str, size: int, count: int) -> Run:
    storage.forget()
    total = size * count
    if not has_room(2 * total):
        raise ProgramError(f"needs {2 * total / 1e9:.0f} GB of memory-backed storage, more than is free")
    with storage.run() as folder:
        paths = [folder / "source" / f"{number:03}" for number in range(count)]
        digests = [random_file(path, size, seed=seed + number) for number, path in enumerate(paths)]
        with own.daemon(folder, settings=SETTINGS) as server:
            before_s = server.program.cpu_s()
            ended = own.mayhem(
                folder,
                *("put", *paths, server.url, "-q"),
                settings=SETTINGS,
                timeout_s=20 + total / SLOWEST_BYTES_PER_S,
            )
            cpu_s = ended.cpu_s + server.program.cpu_s() - before_s
            server_memory_bytes = server.program.memory_max_bytes()
            error = ended.trouble or _wrong(paths, digests, server.root, size) or ""
    return Run(
        table=TABLE,
        row=row,
        system="mayhem",
        seconds=ended.wall_s,
        bytes=0 if error else total,
        cpu_s=cpu_s,
        memory_bytes=max(ended.memory_max_bytes, server_memory_bytes),
        figures={
            "client_memory_bytes": ended.memory_max_bytes,
            "server_memory_bytes": server_memory_bytes,
        },
        error=error,
    )


def _wrong(paths: list[Path], digests: list[str], root: Path, size: int) -> str | None:
    for path, digest in zip(paths, digests, strict=True):
        if wrong := mismatch(root / path.name, size=size, sha256=digest):
            return f"{path.name}: {wrong}"
    return None
