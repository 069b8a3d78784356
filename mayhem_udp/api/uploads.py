"""What goes to the server: a file, bytes, a stream, or many files of which the small ones travel together.

Owns how sources are opened, and how small files are packed. Never talks to a server itself.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct, field

from mayhem_udp.api.outcomes import failed, transfer_result
from mayhem_udp.api.reasons import error_of_file
from mayhem_udp.api.together import Telling
from mayhem_udp.endpoint.clock import unix_s
from mayhem_udp.endpoint.errand import Errand, Tell
from mayhem_udp.errors import Code, MayhemError, UsageError
from mayhem_udp.limits import SMALL_FILE_MAX_BYTES
from mayhem_udp.results import Outcome
from mayhem_udp.session.exchange import Exchange, Workers
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import PutPackSender
from mayhem_udp.session.put import PutSender
from mayhem_udp.store.names import encode_name
from mayhem_udp.store.source import BytesSource, Source, StreamSource, open_local
from mayhem_udp.transport.connection import Connection
from mayhem_udp.units import MIB, SECOND

PACK_FILES: Final = 1_024
PACK_BYTES: Final = 4 * MIB
"""Small files gathered into one request: so many, or so much."""

BREATH_FILES: Final = 64
"""So many files are read in a few milliseconds, then the path has its turn."""

Uploadable = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


def is_stream(source: Uploadable) -> bool:
    """Whether it can be read only once."""
    return not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview)


def open_upload(source: Uploadable) -> Source:
    """What is to be sent, opened. Raises `LocalFileError`, and `UsageError` for what has no bytes."""
    if isinstance(source, str | os.PathLike):
        return open_local(source)
    now_ns = unix_s() * SECOND
    if isinstance(source, BytesIO) and not source.closed:
        return BytesSource(source.getbuffer()[source.tell() :], mtime_ns=now_ns)
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesSource(memoryview(source), mtime_ns=now_ns)
    if not callable(getattr(source, "read", None)):
        raise UsageError(
            f"{type(source).__name__} cannot be sent", remedy="give a path, bytes, or a binary file object"
        )
    return StreamSource(source, mtime_ns=now_ns)


class Upload:
    """One file, as a request of its own."""

    def __init__(self, source: Uploadable, name: str, *, tell: Tell | None = None) -> None:
        self._source = source
        self.name = name
        self.errand = Errand(name, self._make, may_repeat=not is_stream(source), tell=tell)

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        return PutSender(connection, workers, request, source=open_upload(self._source), name=self.name)

    def outcomes(self) -> list[Outcome]:
        """What came of it."""
        exchange = self.errand.exchange
        if self.errand.error is not None or not isinstance(exchange, PutSender) or exchange.sha256 is None:
            return [failed(self.name, self.errand.error)]
        size = exchange.sender.offset
        return [transfer_result(self.errand, self.name, size=size, sha256=exchange.sha256)]


class PackUpload:
    """Many small files in one request."""

    def __init__(self, files: Sequence[SmallFile], *, tell: Tell | None = None) -> None:
        self._files = files
        self._codes: dict[int, int] = {}
        telling = Telling.of(tell, first=files[0].name.decode(), files=len(files))
        self.errand = Errand(f"{len(files)} small files", self._make, may_repeat=True, tell=telling)
        if telling is not None:
            telling.errand = self.errand

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        files, note = iter(self._files), self._note
        return PutPackSender(connection, workers, request, files=files, count=len(self._files), on_codes=note)

    def _note(self, first: int, codes: Sequence[int]) -> None:
        self._codes.update(enumerate(codes, first))

    def outcomes(self) -> list[Outcome]:
        """What came of each."""
        return [self._outcome(index, file) for index, file in enumerate(self._files)]

    def _outcome(self, index: int, file: SmallFile) -> Outcome:
        name = file.name.decode()
        code = self._codes.get(index)
        if code is None:
            return failed(name, self.errand.error)
        if code != Code.OK:
            return failed(name, error_of_file(code, name))
        together = len(self._files)
        return transfer_result(self.errand, name, size=len(file.data), sha256=file.sha256, together=together)


class Gathering(Struct):
    """Turns files to be uploaded into requests: small ones together, each other one alone."""

    tell: Tell | None
    failures: list[Outcome] = field(default_factory=list)
    """Files that could not even be read."""
    _waiting: list[tuple[Path, SmallFile]] = field(default_factory=list)
    _waiting_bytes: int = 0

    def uploads(self, files: Iterable[tuple[Path, str]]) -> Iterator[Upload | PackUpload | None]:
        """The requests, in the order of the files but for the small ones, which wait for company.

        None now and then, so that a thousand files are not read before the next datagram is.
        """
        for number, (path, name) in enumerate(files, 1):
            if number % BREATH_FILES == 0:
                yield None
            try:
                is_small = path.stat().st_size <= SMALL_FILE_MAX_BYTES
                if not is_small:
                    yield Upload(path, name, tell=self.tell)
                    continue
                small = _read_small(path, name)
            except OSError:
                yield Upload(path, name, tell=self.tell)  # which says what is wrong with it
                continue
            except MayhemError as error:
                self.failures.append(failed(name, error))
                continue
            self._waiting.append((path, small))
            self._waiting_bytes += len(small.data)
            if len(self._waiting) >= PACK_FILES or self._waiting_bytes >= PACK_BYTES:
                yield self._packed()
        if self._waiting:
            yield self._packed()

    def _packed(self) -> Upload | PackUpload:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if len(waiting) == 1:  # alone it has a request of its own, with its own progress
            path, small = waiting[0]
            return Upload(path, small.name.decode(), tell=self.tell)
        return PackUpload([small for _, small in waiting], tell=self.tell)


def _read_small(path: Path, name: str) -> SmallFile:
    source = open_local(path)
    try:
        data = b"".join(iter(partial(_next_block, source, [0]), b""))
        digest = sha256(data).digest()
        source.check_unchanged(sent_bytes=len(data), digest=digest)
        return SmallFile(encode_name(name), data, source.mtime_ns, source.mode, Code.OK, digest)
    finally:
        source.close()


def _next_block(source: Source, offset: list[int]) -> bytes:
    if offset[0] == source.size:
        return b""
    block = bytes(source.read_blocking(offset[0], SMALL_FILE_MAX_BYTES))
    offset[0] += len(block)
    return block
