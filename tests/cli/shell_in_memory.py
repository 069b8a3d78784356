"""A server in memory, and surroundings to run the command in without a process, a socket or a terminal."""

import fnmatch
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TextIO

from mayhem_udp.cli.main import run
from mayhem_udp.cli.surroundings import Surroundings
from mayhem_udp.config import Settings
from mayhem_udp.errors import (
    Code,
    LocalFileError,
    MayhemError,
    RefusedError,
    UnreachableError,
)
from mayhem_udp.results import (
    Entry,
    EntryKind,
    Outcome,
    Phase,
    PingResult,
    Progress,
    Removal,
    TransferFailure,
    TransferResult,
)


def result(name: str, content: bytes, *, path: Path | None = None, verified: bool = True) -> TransferResult:
    return TransferResult(
        name=name,
        bytes=len(content),
        seconds=0.5,
        goodput_bps=16.0 * len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        verified=verified,
        datagrams_sent=7,
        datagrams_received=5,
        retransmitted=1,
        corrupt_dropped=2,
        duplicate_dropped=0,
        srtt_ms=1.5,
        min_rtt_ms=1.0,
        loss=0.1,
        path=path,
    )


@dataclass
class MemoryServer:
    """What `mayhem_udp.api.Client` offers, over a dict; it also plays the connector."""

    files: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    """Connections made and ended."""
    settings: Settings | None = None
    """Those of the last connection."""
    unreachable: bool = False
    pings_answered: int = 4
    stop: BaseException | None = None
    """What comes as soon as something has been sent, removed or answered, such as an interruption."""
    echo_damage: bytes = b""
    offers_everything: bool = False
    """Whether all that is here is listed, whatever was asked for."""
    steps: Iterable[Progress] = ()
    """What a transfer tells on its way."""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def connect(
        self, url: str, *, settings: Settings, progress: Callable[[Progress], None], **more: Any
    ) -> Self:
        self.log.append(url)
        self.settings = settings
        self.arguments = more
        self._progress = progress
        return self

    def __enter__(self) -> Self:
        if self.unreachable:
            raise UnreachableError("no answer in 10 s", remedy="is the server running?")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.append("closed")

    def put(self, source: Path | bytes | BinaryIO, name: str | None = None) -> TransferResult:
        assert name is not None
        if isinstance(source, Path):
            try:
                content = source.read_bytes()
            except OSError as error:
                raise LocalFileError(f"cannot read {source}: {error.strerror}") from None
        else:
            content = source if isinstance(source, bytes) else source.read()
        self._tell(name, content)
        self.files[name] = content
        return result(name, content)

    def put_many(self, files: Iterable[tuple[Path, str]]) -> Iterator[Outcome]:
        for path, name in files:
            try:
                yield self.put(path, name)
            except MayhemError as error:
                yield TransferFailure(name=name, error=error)

    def get(self, name: str, destination: Path | BinaryIO | None = None) -> TransferResult:
        if name not in self.files:
            raise RefusedError(f"there is no {name}", code=Code.NOT_FOUND, remedy="see with mayhem ls")
        content = self.files[name]
        self._tell(name, content)
        if isinstance(destination, Path):
            destination.parent.mkdir(parents=True, exist_ok=True)
            destination.write_bytes(content)
            return result(name, content, path=destination)
        assert destination is not None
        destination.write(content)
        return result(name, content)

    def get_many(self, files: Iterable[tuple[str, Path]]) -> Iterator[Outcome]:
        for name, path in files:
            try:
                yield self.get(name, path)
            except MayhemError as error:
                yield TransferFailure(name=name, error=error)

    def echo(self, source: Path, *, out_dir: Path) -> TransferResult:
        self._stop()
        content = source.read_bytes()
        path = out_dir / f"received_{source.name}"
        path.write_bytes(content + self.echo_damage)
        return result(source.name, content, path=path, verified=not self.echo_damage)

    def list(self, pattern: str) -> list[Entry]:
        self._stop()
        return [entry for entry in self._entries() if self.offers_everything or _matches(entry.name, pattern)]

    def stat(self, name: str) -> Entry:
        self._stop()
        for entry in self._entries():
            if entry.name == name:
                return entry
        raise RefusedError(f"there is no {name}", code=Code.NOT_FOUND, remedy="see with mayhem ls")

    def remove_many(self, names: Iterable[str]) -> Iterator[Removal]:
        for name in names:
            self._stop()
            gone = self.files.pop(name, None) is not None
            error = None if gone else RefusedError(f"there is no {name}", code=Code.NOT_FOUND)
            yield Removal(name=name, error=error)

    def pings(self, count: int = 4) -> Iterator[PingResult]:
        for sent in range(1, count + 1):
            got = min(sent, self.pings_answered)
            time_ms = 1.25 if got else None
            yield PingResult(
                sent=sent,
                received=got,
                rtt_min_ms=time_ms,
                rtt_avg_ms=time_ms,
                rtt_max_ms=time_ms,
                loss=1 - got / sent,
            )
            self._stop()

    def _entries(self) -> Iterator[Entry]:
        folders = {
            "/".join(parts[:deep]) for parts in map(_parts, self.files) for deep in range(1, len(parts))
        }
        for name in sorted(folders):
            yield Entry(name=name, bytes=0, mtime_ns=0, kind=EntryKind.FOLDER)
        for name, content in sorted(self.files.items()):
            yield Entry(name=name, bytes=len(content), mtime_ns=1_700_000_000 * 10**9, kind=EntryKind.FILE)

    def _stop(self) -> None:
        if self.stop is not None:
            raise self.stop

    def _tell(self, name: str, content: bytes) -> None:
        self._stop()
        for step in self.steps:
            self._progress(step)
        self._progress(
            Progress(
                name=name,
                bytes_done=len(content),
                bytes_total=len(content),
                seconds=0.01,
                goodput_bps=1e6,
                loss=0.0,
                retransmitted=0,
                state=Phase.DONE,
            )
        )


def _parts(name: str) -> list[str]:
    return name.split("/")


def _matches(name: str, pattern: str) -> bool:
    """`*` stays within a folder, `**` as the last part goes to any depth."""
    names, patterns = _parts(name), _parts(pattern)
    if patterns[-1] == "**":
        return len(names) >= len(patterns) and all(map(fnmatch.fnmatchcase, names, patterns[:-1]))
    return len(names) == len(patterns) and all(map(fnmatch.fnmatchcase, names, patterns))


def describe_roughly(datagram: bytes) -> list[tuple[int, int, str, object, str]]:
    """A description as `wire.describe` gives them, of two fields."""
    return [
        (0, 2, "magic", datagram[:2], "begins every datagram"),
        (2, len(datagram) - 2, "rest", datagram[2:].decode("latin-1"), ""),
    ]


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def byte_stream(content: bytes = b"", *, terminal: bool = False) -> io.TextIOWrapper:
    class Stream(io.TextIOWrapper):
        def isatty(self) -> bool:
            return terminal

    return Stream(io.BytesIO(content), encoding="utf-8")


@dataclass
class Shell:
    """Runs commands: `shell("put", "a", ...)` gives the exit code; `out` and `err` have what was written."""

    server: MemoryServer
    environ: dict[str, str] = field(default_factory=dict)
    stdin: TextIO = field(default_factory=byte_stream)
    stdout: Callable[[], TextIO] = byte_stream
    """Makes the standard output of each command."""
    is_watched: bool = False
    daemons: list[Settings] = field(default_factory=list)
    run_proxy: Callable[..., int] | None = None
    clock_ns: Callable[[], int] = lambda: 1
    """It stands still, unless a test has another."""
    out: str = ""
    raw_out: bytes = b""
    err: str = ""

    def __call__(self, *arguments: str) -> int:
        stdout = self.stdout()
        stderr: io.StringIO = Terminal() if self.is_watched else io.StringIO()
        around = Surroundings(
            environ=self.environ,
            stdin=self.stdin,
            stdout=stdout,
            stderr=stderr,
            connect=self.server.connect,
            run_daemon=self._run_daemon,
            run_proxy=self.run_proxy or (lambda *_: 0),
            describe=describe_roughly,
            clock_ns=self.clock_ns,
        )
        code = run(arguments, surroundings=around)
        stdout.flush()
        if isinstance(stdout, io.TextIOWrapper):
            buffer = stdout.buffer
            assert isinstance(buffer, io.BytesIO)
            self.raw_out = buffer.getvalue()
        self.out = self.raw_out.decode(errors="replace")
        self.err = stderr.getvalue()
        return code

    def _run_daemon(self, settings: Settings, *, sources: object) -> int:
        self.daemons.append(settings)
        return 0
