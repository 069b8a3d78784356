"""The command as a whole: arguments in, exit code out.

Owns the list of verbs, when their modules are imported (late), and what becomes of errors, signals and
closed pipes. Never does a verb's work.
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from mayhem_udp.cli.streams import flush_or_abandon, take_standard_streams

if TYPE_CHECKING:
    from mayhem_udp.cli.failures import Failure
    from mayhem_udp.cli.surroundings import Surroundings

VERBS: Final = {
    "serve": "Run the daemon that clients send to and fetch from.",
    "put": "Upload files.",
    "get": "Download files.",
    "echo": "Send files on a round trip, and compare what comes back.",
    "ls": "List what is on a server.",
    "stat": "Tell a file's size, time and SHA-256.",
    "rm": "Remove files from a server.",
    "ping": "Measure round-trip time and loss.",
    "proxy": "Put mayhem between two UDP programs.",
    "decode": "Explain datagrams byte by byte.",
    "config": "Show the settings in force, or check a file.",
    "completion": "Print the completion script of a shell.",
}
"""Every verb and what it does; each is a module of `verbs` with a click command called `command`."""


class _LateGroup(click.Group):
    """A group that imports a verb's module when it is called for, and not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"mayhem_udp.cli.verbs.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`mayhem help VERB` is another way to say `mayhem VERB --help`."""
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=VERBS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from mayhem_udp import __version__

        click.echo(f"mayhem {__version__}")
        ctx.exit()


@click.group(
    cls=_LateGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`mayhem VERB --help` says more about each, with examples. URLs are mayhem://HOST[:PORT]/NAME; "
    "MAYHEM_URL names the default server. Exit codes: 0 done, 1 failed, 2 usage, 3 unreachable, 4 integrity, "
    "5 refused by the server.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def mayhem() -> None:
    """Send files over UDP through hostile networks, and get them back whole."""


def main() -> int:
    """The console script: the exit code. Signals that ask a program to end end it cleanly."""
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # numpy's: its threads spin, and nothing here uses them
    take_standard_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):  # until here they end it by themselves
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    return run(sys.argv[1:])


def run(arguments: Sequence[str], *, surroundings: "Surroundings | None" = None) -> int:
    """Run one command line and return its exit code; `surroundings` replaces the real world in tests."""
    stdout = surroundings.stdout if surroundings else sys.stdout
    stderr = surroundings.stderr if surroundings else sys.stderr
    try:
        outcome = mayhem.main(list(arguments), prog_name="mayhem", standalone_mode=False, obj=surroundings)
        stdout.flush()
        flush_or_abandon(stderr)
    except BaseException as error:  # noqa: BLE001  # the last boundary: what nobody foresaw is told, too
        failure = _failure_of(error, arguments)
        flush_or_abandon(stdout)
        for line in failure.lines:
            _write_or_abandon(stderr, line)
        return failure.exit_code
    return outcome if isinstance(outcome, int) else 0


def _failure_of(error: BaseException, arguments: Sequence[str]) -> "Failure":
    """What to say about an error; the trace of one that nobody foresaw goes to those who ask for details."""
    from mayhem_udp.cli.failures import FAILED, Failure, failure_of, sentence

    try:
        return failure_of(error)
    except Exception as unforeseen:  # noqa: BLE001  # likewise
        message = f"an error of mayhem itself: {type(unforeseen).__name__}: {unforeseen}"
        said = sentence(message, "please report it, with what -v shows")
        if not any(argument.startswith("-v") or argument == "--verbose" for argument in arguments):
            return Failure((said,), FAILED)
        import traceback

        from mayhem_udp.escape import escape_lines

        return Failure((escape_lines("".join(traceback.format_exception(unforeseen))), said), FAILED)


def _write_or_abandon(stream: TextIO, line: str) -> None:
    with suppress(OSError, ValueError):
        stream.write(line + "\n")
    flush_or_abandon(stream)


def _stop(number: int, _frame: FrameType | None) -> None:
    from mayhem_udp.cli.failures import Stopped

    raise Stopped(number)


if __name__ == "__main__":
    sys.exit(main())
