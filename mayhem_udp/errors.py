"""Every error of the project, on one page: the codes of the wire and the exceptions of the library.

A `Code` is stable: its number crosses the wire and is listed in `docs/protocol.md`.
An exception says in a sentence what happened (`message`) and what to do next (`remedy`).
Never decides what to do about an error.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from mayhem_udp.results import Entry


class Code(IntEnum):
    """Why something ended, as a number that both sides understand. Never renumber one."""

    OK = 0
    # 1-19: the connection
    INTERNAL = 1
    PROTOCOL_VIOLATION = 2
    VERSION_UNKNOWN = 3
    IDLE_TIMEOUT = 4
    UNREACHABLE = 5
    CONNECTION_LOST = 6
    SHUTTING_DOWN = 7
    FLOW_CONTROL = 8
    LIMIT_EXCEEDED = 9
    CANCELLED = 10
    BAD_ACK = 11
    FRAME_MALFORMED = 12
    STATE_ILLEGAL = 13
    TOO_MANY_CONNECTIONS = 14
    TOO_MANY_REQUESTS = 15
    OUT_OF_MEMORY_BUDGET = 16
    HANDSHAKE_TIMEOUT = 17
    RATE_LIMITED = 19
    # 20-39: names and access
    NAME_REFUSED = 20
    NAME_TOO_LONG = 21
    NAME_RESERVED = 22
    NOT_FOUND = 23
    IS_DIRECTORY = 24
    NOT_REGULAR = 25
    ACCESS_DENIED = 26
    PERMISSION = 27
    BUSY = 28
    MESSAGE_MALFORMED = 29
    VERB_UNKNOWN = 30
    # 40-59: storage
    NO_SPACE = 40
    QUOTA = 41
    READ_ONLY = 42
    IO_ERROR = 43
    TOO_MANY_OPEN_FILES = 44
    FILE_TOO_LARGE = 45
    STORE_FULL = 46
    TOO_MANY_FILES = 47
    # 60-69: contents
    INTEGRITY = 60
    SOURCE_CHANGED = 61
    SIZE_MISMATCH = 62
    NOT_RESUMABLE = 63
    # 70-79: this side only, never on the wire
    USAGE = 70
    CONFIG = 71
    ADDRESS_IN_USE = 72
    LOCAL_FILE = 73
    NAME_UNRESOLVED = 74


class MayhemError(Exception):
    """Anything foreseeable that can end an operation.

    `message` is a sentence without a full stop, `remedy` what to do next (may be empty),
    `code` the stable number, `exit_code` what the command line ends with.
    """

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str, *, code: Code | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(MayhemError):
    """The caller asked for something that makes no sense."""

    exit_code = 2
    default_code = Code.USAGE


class ConfigError(MayhemError):
    """A setting is unknown, of the wrong type, or out of range."""

    exit_code = 2
    default_code = Code.CONFIG


class UnreachableError(MayhemError):
    """No answer in the time allowed, or the peer went away for longer than that."""

    exit_code = 3
    default_code = Code.UNREACHABLE


class IntegrityError(MayhemError):
    """Bytes arrived that are not the bytes that were sent, and repair failed."""

    exit_code = 4
    default_code = Code.INTEGRITY


class RefusedError(MayhemError):
    """The other side understood, and said no."""

    exit_code = 5
    default_code = Code.ACCESS_DENIED


class IncompleteListError(RefusedError):
    """The server could not read some of what was to be listed; `entries` is what it could."""

    def __init__(
        self, message: str, *, entries: "Sequence[Entry]", code: Code | None = None, remedy: str = ""
    ) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.entries = entries


class TransferError(MayhemError):
    """A transfer ended early for a reason that is neither a refusal nor damage."""

    default_code = Code.IO_ERROR


class LocalFileError(TransferError):
    """A file on this side cannot be read or written."""

    default_code = Code.LOCAL_FILE


class PeerError(MayhemError):
    """The peer broke the rules of the protocol; `code` is what it is told."""

    default_code = Code.PROTOCOL_VIOLATION


_INTEGRITY_CODES = frozenset({Code.INTEGRITY})
_UNREACHABLE_CODES = frozenset(
    {
        Code.IDLE_TIMEOUT,
        Code.UNREACHABLE,
        Code.CONNECTION_LOST,
        Code.SHUTTING_DOWN,
        Code.HANDSHAKE_TIMEOUT,
        Code.BAD_ACK,  # a server that was restarted, and took a late HELLO of the same connection for a new one
    }
)
_TRANSFER_CODES = frozenset(
    {Code.INTERNAL, Code.CANCELLED, Code.IO_ERROR, Code.SOURCE_CHANGED, Code.SIZE_MISMATCH}
)


def error_of_code(code: int, reason: str) -> MayhemError:
    """The exception for a code and a reason that came from the peer or from the connection's end.

    An unknown code is kept as a refusal with its number in the sentence.
    """
    try:
        known = Code(code)
    except ValueError:
        return RefusedError(f"the other side said: {reason} (code {code})")
    kind: type[MayhemError] = RefusedError
    if known in _INTEGRITY_CODES:
        kind = IntegrityError
    elif known in _UNREACHABLE_CODES:
        kind = UnreachableError
    elif known in _TRANSFER_CODES:
        kind = TransferError
    message, remedy = _parts(reason)
    return kind(message or known.name.replace("_", " ").lower(), code=known, remedy=remedy)


def _parts(reason: str) -> tuple[str, str]:
    """What happened and what to do next, which cross the wire as one sentence (`MayhemError.__str__`).

    The last semicolon parts them: there may be others in the name of a file.
    """
    message, _, remedy = reason.rpartition("; ")
    return (message, remedy) if message and remedy else (reason, "")
