"""Files to send, and whether what arrived is the same.

Owns the making of random data (from a seed, fast), the scratch folder in memory, and SHA-256 of what came
out at the other end, which every system under the bench is held to.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

MEMORY: Final = Path("/dev/shm")
PREFIX: Final = "mayhem-bench-"
BLOCK_BYTES: Final = 8 * 1024 * 1024
MEMORY_SPARE_BYTES: Final = 2 * 10**9


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder in memory-backed storage (the disk, where there is none), gone afterwards."""
    place = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(place: Path) -> None:
    """Remove what a bench that was killed has left there: folders whose maker is gone."""
    for folder in place.glob(f"{PREFIX}*-*"):
        maker = folder.name.removeprefix(PREFIX).partition("-")[0]
        if maker.isdigit() and not Path("/proc", maker).exists():
            shutil.rmtree(folder, ignore_errors=True)


def has_room(needed_bytes: int) -> bool:
    """Whether so much may be put into memory-backed storage."""
    available = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    free = shutil.disk_usage(MEMORY if MEMORY.is_dir() else tempfile.gettempdir()).free
    return needed_bytes + MEMORY_SPARE_BYTES <= min(available, free)


def random_file(path: Path, size: int, *, seed: int) -> str:
    """Fill a file with random bytes; returns their SHA-256."""
    random = np.random.default_rng(seed)
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK_BYTES):
            block = random.bytes(min(BLOCK_BYTES, size - start))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mismatch(path: Path, *, size: int, sha256: str) -> str | None:
    """What is wrong with what arrived, in words; None if it is what was sent."""
    if not path.is_file():
        return "nothing arrived"
    if path.stat().st_size != size:
        return f"{path.stat().st_size} of {size} bytes arrived"
    return None if sha256_of(path) == sha256 else "the SHA-256 of what arrived is wrong"


def on_disk_bytes(folder: Path) -> int:
    """What lies in a folder, unfinished transfers included, holes left out."""
    return sum(entry.stat().st_blocks * 512 for entry in folder.rglob("*") if entry.is_file())
