"""The last boundary: anything that went wrong becomes clear lines and an exit code.

Owns the sentences for what the operating system and click say, and the exit codes: 0 done, 1 failed
(interrupted, too), 2 usage and configuration, 3 unreachable, 4 integrity, 5 refused by the server.
Never prints, and never lets a control character through.
"""

import errno
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import click

from mayhem_udp.config import ConfigProblems
from mayhem_udp.errors import Code, MayhemError, TransferError, UnreachableError
from mayhem_udp.escape import escape

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

RESUMABLE: Final = "give the same command again to go on where it stopped"

_OS_SENTENCES: Final = {
    errno.EADDRINUSE: (
        "the port is in use",
        "stop the other program, or choose another port (0 takes a free one)",
    ),
    errno.EADDRNOTAVAIL: ("the address is not one of this machine", "see which there are with `ip address`"),
    errno.EACCES: ("permission denied", "choose another place, or ask for access"),
    errno.EPERM: ("permission denied", "choose another place, or ask for access"),
    errno.ENOENT: ("no such file or folder", "check the spelling"),
    errno.ENOTDIR: ("a part of the path is not a folder", "check the spelling"),
    errno.EISDIR: ("is a folder", "name a file"),
    errno.ENOSPC: ("no space left", f"free some, then {RESUMABLE}"),
    errno.EDQUOT: ("the quota is used up", f"free some space, then {RESUMABLE}"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.EMFILE: ("too many open files", "raise the limit with `ulimit -n`"),
    errno.ENFILE: ("the system has too many open files", "close some programs"),
    errno.EIO: ("the disk reports an error", "check it, and use another place"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ENETUNREACH: ("the network cannot be reached", "check the connection of this machine"),
    errno.EHOSTUNREACH: (
        "the host cannot be reached",
        "check the address, and the connection of this machine",
    ),
    errno.ENETDOWN: ("the network is down", "check the connection of this machine"),
    errno.ECONNREFUSED: ("nobody listens there", "is the server running? start one with `mayhem serve`"),
}
_NEVER_BEGUN: Final = {Code.UNREACHABLE, Code.HANDSHAKE_TIMEOUT, Code.NAME_UNRESOLVED}
_UNREACHABLE_ERRNOS: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ECONNREFUSED}


class Stopped(BaseException):
    """A signal that asks the command to end; like `KeyboardInterrupt`, it passes every `except Exception`."""

    def __init__(self, number: int, remedy: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.remedy = remedy


class Failure(NamedTuple):
    """How the command ends: lines for people, and the exit code."""

    lines: tuple[str, ...]
    exit_code: int


def sentence(message: str, remedy: str = "") -> str:
    """The one line of a failure, as the user sees it."""
    return f"mayhem: {escape(message)}" + (f"; next: {escape(remedy)}" if remedy else "")


def failure_of(error: BaseException, *, about: str = "") -> Failure:
    """What to say about an error, and how to end; raises it again if nobody foresaw it.

    `about` is the name of the file that failed; it is put before a sentence that leaves it out.
    """
    match error:
        case ConfigProblems():
            return Failure(tuple(sentence(str(problem)) for problem in error.problems), error.exit_code)
        case MayhemError():
            is_named = re.search(rf"(?<!\w){re.escape(about)}(?!\w)", error.message) is not None
            message = error.message if is_named or not about else f"{about}: {error.message}"
            return Failure((sentence(message, error.remedy),), error.exit_code)
        case click.exceptions.NoArgsIsHelpError():
            return Failure((error.format_message(),), USAGE)
        case click.ClickException():
            return Failure((_of_click(error),), USAGE)
        case click.Abort() | KeyboardInterrupt():
            remedy = str(error.__cause__ or error)  # click raises its own from Python's
            return Failure((sentence("interrupted", remedy),), FAILED)
        case Stopped():
            name = signal.Signals(error.number).name
            return Failure((sentence(f"stopped by {name}", error.remedy),), FAILED)
        case BrokenPipeError():
            return Failure((), FAILED)  # whoever read our output has seen enough
        case OSError():
            return _of_system(error)
        case _:
            raise error


def reason_of(error: OSError) -> str:
    """What the operating system says, in our words and without a remedy."""
    return _OS_SENTENCES.get(error.errno or 0, (error.strerror or str(error), ""))[0]


def with_remedy(error: MayhemError, *, name: str, remedy: str) -> MayhemError:
    """Where a folder was in the way, what this verb can do about it; any other error as it is.

    The server knows no verbs: what it advises may not exist here.
    """
    if error.code != Code.IS_DIRECTORY:
        return error
    return type(error)(f"{name} is a folder", code=error.code, remedy=remedy)


@contextmanager
def going_on_later() -> Iterator[None]:
    """Around transfers that the same command can go on with: whoever stops them is told so, unless told otherwise."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or RESUMABLE) from None
    except Stopped as stopped:
        raise Stopped(stopped.number, stopped.remedy or RESUMABLE) from None


@contextmanager
def beginning_anew(what: str, *, has_begun: Callable[[], bool]) -> Iterator[None]:
    """Around a transfer of a stream, which the same command cannot go on with: says so if it is cut.

    A server that cannot be reached has cut nothing, unless the transfer had begun before.
    """
    remedy = f"{what} cannot be resumed, begin anew"
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(remedy) from None
    except Stopped as stopped:
        raise Stopped(stopped.number, remedy) from None
    except (UnreachableError, TransferError) as error:
        if error.code in _NEVER_BEGUN and not has_begun():
            raise
        both = f"{error.remedy}; {remedy}" if error.remedy else remedy
        raise type(error)(error.message, code=error.code, remedy=both) from None


def _of_click(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mayhem"
    message = error.format_message().strip().removesuffix(".")
    message = message[:1].lower() + message[1:] if not message[:2].isupper() else message
    one_line = re.sub(r"\s*\n\s*", " ", message)  # click sets choices below each other
    return sentence(one_line, f"`{command} --help`")


def _of_system(error: OSError) -> Failure:
    if isinstance(error, socket.gaierror):
        line = sentence("the host's name is not known", "check the spelling, or give its address")
        return Failure((line,), UNREACHABLE)
    number = error.errno or 0
    what, remedy = _OS_SENTENCES.get(number, (os.strerror(number) if number else str(error), ""))
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    line = sentence(f"{name}: {what}" if name else what, remedy)
    return Failure((line,), UNREACHABLE if number in _UNREACHABLE_ERRNOS else FAILED)
