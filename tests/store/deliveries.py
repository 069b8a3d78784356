"""Transfers as the session makes them, without a session: names, stagings, packs, and what is left behind.

Owns the short words that the store's tests are written in. Never knows what is right: tests do.
"""

from hashlib import blake2b, sha256
from typing import NamedTuple

from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.store.names import check_name
from mayhem_udp.store.opening import Placement, open_store

ROOT = "/srv/root"
STAGINGS = f"{ROOT}/.mayhem/staging"
SMALL_POLICY = JournalPolicy(run_bytes=64, flush_bytes=64, piece_min_bytes=8, resume_min_bytes=64)
"""Everything that happens at megabytes happens at 64 bytes."""
FOREVER_NS = 1 << 62


class Small(NamedTuple):
    """A small file as it comes from a peer."""

    name: bytes
    data: bytes
    mtime_ns: int
    mode: int
    sha256: bytes


def small(name, data, *, mode=0o644, digest=None):
    return Small(name.encode(), data, 5, mode, digest or sha256(data).digest())


def version_of(data):
    return blake2b(data, digest_size=16).digest()


def open_simulated(disk, *, placement=Placement.HIDDEN_FOLDER, policy=SMALL_POLICY, **options):
    return open_store(ROOT, placement=placement, disk=disk, policy=policy, **options)


def begin(store, name, data, *, fingerprint=None, size=..., mode=0o644):
    """The staging for a file with these contents, nothing of it written yet."""
    return store.stage(
        check_name(name),
        size=len(data) if size is ... else size,
        fingerprint=version_of(data) if fingerprint is None else fingerprint,
        mtime_ns=5,
        mode=mode,
    )


def write(staging, data, start=0, stop=None, *, step=64):
    """The bytes from start to stop, as datagrams bring them."""
    stop = len(data) if stop is None else stop
    for offset in range(start, stop, step):
        staging.write(offset, data[offset : min(offset + step, stop)])


def finish(staging, data):
    staging.finish(sha256(data).digest(), len(data))


def deliver(store, name, data, *, step=64, **options):
    """A whole transfer."""
    staging = begin(store, name, data, **options)
    try:
        if staging.needs_recovery:
            staging.recover()
        for start, stop in staging.have.holes(0, len(data)):
            write(staging, data, start, stop, step=step)
        finish(staging, data)
    except BaseException:
        staging.keep()
        raise


def read(store, name):
    source = store.open_source(check_name(name))
    try:
        return bytes(source.read_blocking(0, source.size))
    finally:
        source.close()


def picture(folder):
    """Everything about a tree that a write could change."""
    return {
        path.relative_to(folder): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.is_file() and path.read_bytes(),
        )
        for path in [folder, *folder.rglob("*")]
    }
