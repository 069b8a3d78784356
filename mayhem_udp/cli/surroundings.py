"""What the command stands in: streams, environment, and the library under it, as one value.

Owns the late imports of everything heavy. Tests hand in their own; nothing else in `cli` reaches for
`sys.stdout`, `os.environ` or the network by itself.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TextIO

from msgspec import Struct, field

from mayhem_udp.config import Settings, Sources
from mayhem_udp.results import Entry, Outcome, PingResult, Removal, TransferResult
from mayhem_udp.url import HostPort

Field = tuple[int, int, str, object, str]
"""Of a datagram: offset and length in bytes, the field's name, its value, and what it means."""


class Remote(Protocol):
    """A server as the verbs use it: what `mayhem_udp.api.Client` offers."""

    def put(self, source: Path | bytes | BinaryIO, name: str | None = None) -> TransferResult:
        """Upload one file, under its own name unless another is given."""

    def put_many(self, files: Iterable[tuple[Path, str]]) -> Iterator[Outcome]:
        """Upload files under the names given; each outcome as it is known."""

    def get(self, name: str, destination: Path | BinaryIO | None = None) -> TransferResult:
        """Download one file to exactly this path, whose folders are made, or into a binary file."""

    def get_many(self, files: Iterable[tuple[str, Path]]) -> Iterator[Outcome]:
        """Download files to exactly these paths; each outcome as it is known."""

    def echo(self, source: Path, *, out_dir: Path) -> TransferResult:
        """Upload, let the server send it back, save it as `received_<name>`, compare."""

    def list(self, pattern: str) -> Iterable[Entry]:
        """What matches: `*` within one folder, `**` at any depth; the empty pattern is the root itself."""

    def stat(self, name: str) -> Entry:
        """One name, with its digest if it is a file."""

    def remove_many(self, names: Iterable[str]) -> Iterator[Removal]:
        """Remove files; what came of each as it is known."""

    def pings(self, count: int = 4) -> Iterator[PingResult]:
        """Measure round trips; after each, what they came to so far."""

    def __enter__(self) -> Self:
        """Connect."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the server, and close."""


@contextmanager
def _loading() -> Iterator[None]:
    """Load what stays until the end: no garbage is looked for meanwhile, nor ever in what is there afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _connect(url: str, **arguments: Any) -> Remote:
    with _loading():
        from mayhem_udp.api import connect

    return connect(url, **arguments)


def _run_daemon(settings: Settings, *, sources: Sources) -> int:
    with _loading():
        from mayhem_udp.endpoint.daemon import run_daemon

    return run_daemon(settings, sources=sources)


def _run_proxy(listen: HostPort, to: HostPort, spec: Any, **callbacks: Any) -> int:
    with _loading():
        from mayhem_udp.endpoint.proxy import run_proxy

    return run_proxy(listen, to, spec, **callbacks)


def _monotonic_ns() -> int:
    from mayhem_udp.endpoint.clock import monotonic_ns

    return monotonic_ns()


def _describe(datagram: bytes) -> Sequence[Field]:
    from mayhem_udp.wire.describe import describe

    return describe(datagram)


class Surroundings(Struct, frozen=True):
    """The outside world; the default is the real one."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    connect: Callable[..., Remote] = _connect
    run_daemon: Callable[..., int] = _run_daemon
    run_proxy: Callable[..., int] = _run_proxy
    describe: Callable[[bytes], Sequence[Field]] = _describe
    clock_ns: Callable[[], int] = _monotonic_ns

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks at what is told on the way (standard error is a terminal)."""
        return self.stderr.isatty()
