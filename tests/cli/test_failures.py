"""What went wrong becomes one clear line and an exit code."""

import errno
import os
import signal
import socket
from pathlib import Path

import click
import pytest
from shell_in_memory import Shell

from mayhem_udp.cli.failures import Failure, Stopped, failure_of
from mayhem_udp.config import ConfigProblems, Problem
from mayhem_udp.errors import (
    ConfigError,
    IntegrityError,
    LocalFileError,
    MayhemError,
    PeerError,
    RefusedError,
    TransferError,
    UnreachableError,
    UsageError,
)

RESUME = "give the same command again to go on where it stopped"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (MayhemError, 1),
        (TransferError, 1),
        (LocalFileError, 1),
        (PeerError, 1),
        (UsageError, 2),
        (ConfigError, 2),
        (UnreachableError, 3),
        (IntegrityError, 4),
        (RefusedError, 5),
    ],
)
def test_every_error_of_ours_has_its_exit_code_and_says_what_to_do(kind: type[MayhemError], code: int):
    assert failure_of(kind("it broke", remedy="mend it")) == Failure(
        ("mayhem: it broke; next: mend it",), code
    )
    assert failure_of(kind("it broke")).lines == ("mayhem: it broke",)


def test_a_failure_names_its_file_once():
    assert failure_of(RefusedError("no"), about="a.txt").lines == ("mayhem: a.txt: no",)
    assert failure_of(RefusedError("there is no a.txt"), about="a.txt").lines == (
        "mayhem: there is no a.txt",
    )


def test_what_a_server_says_controls_no_terminal():
    (line,) = failure_of(RefusedError("no\x1b[2J", remedy="\u202e")).lines
    assert line == "mayhem: no\\x1b[2J; next: \\u202e"


def test_each_problem_of_a_configuration_has_its_line():
    problems = [Problem("f:1", "a", "is wrong", "do b"), Problem("f:2", "", "is wrong")]
    assert failure_of(ConfigProblems(problems)) == Failure(
        ("mayhem: f:1: a: is wrong; do b", "mayhem: f:2: is wrong"), 2
    )


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OSError(errno.EADDRINUSE, "x"), 1, "the port is in use; next: stop the other program"),
        (OSError(errno.ENOENT, "x", "a.txt"), 1, "a.txt: no such file or folder; next: check the spelling"),
        (OSError(errno.EACCES, "x", b"a.txt"), 1, "a.txt: permission denied; next: choose"),
        (OSError(errno.ENOSPC, "x"), 1, "no space left; next: free some"),
        (OSError(errno.ENETUNREACH, "x"), 3, "the network cannot be reached; next: check"),
        (OSError(errno.ECONNREFUSED, "x"), 3, "nobody listens there; next: is the server running?"),
        (socket.gaierror(-2, "x"), 3, "the host's name is not known; next: check the spelling"),
        (OSError(errno.EXDEV, "x"), 1, os.strerror(errno.EXDEV)),
        (OSError("odd\x07"), 1, "odd\\x07"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (click.Abort(), 1, "interrupted"),
        (Stopped(signal.SIGTERM), 1, "stopped by SIGTERM"),
        (KeyboardInterrupt(RESUME), 1, f"interrupted; next: {RESUME}"),
        (Stopped(signal.SIGTERM, RESUME), 1, f"stopped by SIGTERM; next: {RESUME}"),
        (click.UsageError("No such thing."), 2, "no such thing; next: `mayhem --help`"),
        (click.FileError("a.txt", "gone"), 2, "could not open file 'a.txt': gone; next:"),
    ],
)
def test_what_the_system_says_is_put_in_words(error: BaseException, code: int, line: str):
    failure = failure_of(error)
    assert failure.exit_code == code
    assert failure.lines[0].startswith(f"mayhem: {line}")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["put", "secret", "a", "mayhem://h/"], 1, "cannot read secret: Permission denied"),
        (["echo", "secret", "a", "mayhem://h/"], 1, "secret: permission denied; next: choose another place"),
        (["decode", "secret"], 1, "secret: permission denied; next: choose another place"),
        (["config", "check", "secret"], 2, "secret: cannot be read: Permission denied; name another file"),
        (["ls", "--config", "secret", "mayhem://h/"], 2, "secret: cannot be read: Permission denied; name"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_in_our_words_and_the_others_go(
    shell: Shell, tmp_path: Path, nobody: None, arguments: list[str], code: int, said: str
):
    for name in ("a", "secret"):
        Path(name).write_bytes(b"")
    Path("secret").chmod(0)
    assert shell(*arguments) == code
    assert shell.err.startswith(f"mayhem: {said}")
    assert "--help" not in shell.err
    if arguments[0] in {"put", "echo"}:
        assert "a: 0 B" in shell.out or "a -> " in shell.out


def test_a_reader_that_has_seen_enough_hears_nothing_more():
    assert failure_of(BrokenPipeError()) == Failure((), 1)


STOPS = [(KeyboardInterrupt, "interrupted"), (lambda: Stopped(signal.SIGTERM), "stopped by SIGTERM")]


@pytest.mark.parametrize(("stop", "said"), STOPS)
@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["put", "a", "mayhem://h/"], f"; next: {RESUME}"),
        (["get", "mayhem://h/b"], f"; next: {RESUME}"),
        (["put", "-", "mayhem://h/a"], "; next: standard input cannot be resumed, begin anew"),
        (["get", "mayhem://h/b", "-"], "; next: standard output cannot be resumed, begin anew"),
        (["echo", "a", "mayhem://h/"], ""),
        (["ls", "mayhem://h/"], ""),
        (["stat", "mayhem://h/b"], ""),
        (["rm", "mayhem://h/b"], ""),
        (["ping", "mayhem://h/"], ""),
    ],
)
def test_only_what_can_go_on_is_said_to_go_on(shell: Shell, arguments: list[str], remedy: str, stop, said):
    Path("a").write_bytes(b"one")
    shell.server.files["b"] = b"two"
    shell.server.stop = stop()
    assert shell(*arguments) == 1
    assert shell.err.strip() == f"mayhem: {said}{remedy}"


def test_what_nobody_foresaw_is_not_dressed_up():
    with pytest.raises(ZeroDivisionError):
        failure_of(ZeroDivisionError())
    with pytest.raises(SystemExit):
        failure_of(SystemExit(3))
