"""The options that many verbs share, and what they come to: settings with their origins.

Owns the names and helps of shared options. An option that stands for a setting is no more than a short
way to write `--set`: its type and range are the schema's, its errors the configuration's.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem
from msgspec import Struct

from mayhem_udp.cli.render.base import Form, Output
from mayhem_udp.cli.render.tally import Tally
from mayhem_udp.cli.surroundings import Remote, Surroundings
from mayhem_udp.config import Loaded, Sources, find_file, load
from mayhem_udp.config.kinds import Choice
from mayhem_udp.config.load import Given, Layer, Origin
from mayhem_udp.config.schema import SETTINGS
from mayhem_udp.errors import UsageError
from mayhem_udp.url import Url

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

_GIVEN: Final = "mayhem.given"
_FLAGS: Final = "mayhem.flags"


def examples(*lines: str) -> str:
    """The end of a verb's help: commands, each with a word on what it does."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# --- Options that are settings ----------------------------------------------------------------------


def _give(ctx: click.Context, name: str, text: str, *, place: str) -> None:
    given = Given(name, text, Origin(Layer.OPTION, f"option {place}"), is_text=True)
    ctx.meta.setdefault(_GIVEN, []).append(given)


def setting(option: str, name: str, metavar: str, help_text: str) -> Decorator[Command]:
    """An option that sets one setting."""

    def take(ctx: click.Context, _option: click.Parameter, text: str | None) -> None:
        if text is not None:
            _give(ctx, name, text, place=option)

    def complete(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
        kind = SETTINGS[name].kind
        words = kind.words if isinstance(kind, Choice) else ()
        return [CompletionItem(word) for word in words if word.startswith(begun)]

    return click.option(
        option, metavar=metavar, expose_value=False, callback=take, help=help_text, shell_complete=complete
    )


def _take_set(ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> None:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"--set {text} has no value", remedy="write it like --set transport.chunk_size=1024"
            )
        _give(ctx, name.strip(), value.strip(), place="--set")


def _complete_set(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(f"{name}=") for name in SETTINGS if name.startswith(begun)]


def _flag(*names: str, help_text: str, **more: Any) -> Decorator[Command]:
    """An option of the invocation as a whole, kept in the context."""

    def take(ctx: click.Context, option: click.Parameter, value: Any) -> None:
        ctx.meta.setdefault(_FLAGS, {})[option.name] = value

    return click.option(*names, expose_value=False, callback=take, help=help_text, **more)


def _all_of(*decorators: Decorator[Any]) -> Decorator[Command]:
    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


local_path: Final = click.Path(readable=False)
"""For completion only: whoever opens it says what is wrong with it, in our words."""
config_option: Final[Decorator[Any]] = _flag(
    "--config", metavar="FILE", type=local_path, help_text="Read this configuration file."
)
set_option: Final = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    expose_value=False,
    callback=_take_set,
    shell_complete=_complete_set,
    help="Set any setting of the configuration.",
)
mayhem_option: Final[Decorator[Any]] = setting(
    "--mayhem", "mayhem.spec", "SPEC", "Make faults at this end: drop=0.1,corrupt=0.1,seed=7 or a profile."
)
verbose_option: Final[Decorator[Any]] = _flag(
    "-v", "--verbose", count=True, help_text="Tell more; twice: datagrams too, counted turn by turn."
)
quiet_option: Final[Decorator[Any]] = _flag("-q", "--quiet", is_flag=True, help_text="Tell errors only.")
log_option: Final[Decorator[Any]] = setting(
    "--log-format", "logging.format", "console|json", "How log lines are written."
)
json_option: Final[Decorator[Any]] = _flag(
    "--json", is_flag=True, help_text="Print JSON, one object a line, and nothing else."
)

general_options: Final[Decorator[Any]] = _all_of(
    config_option, set_option, mayhem_option, log_option, verbose_option, quiet_option
)
"""What every verb that talks has."""

client_options: Final[Decorator[Any]] = _all_of(
    json_option,
    setting("--timeout", "client.timeout", "SECONDS", "How long the first contact may take."),
    general_options,
)
"""What every verb that asks a server has."""

transfer_options: Final[Decorator[Any]] = _all_of(
    _flag("--no-progress", is_flag=True, help_text="Do not tell how far it is."),
    setting("--chunk-size", "transport.chunk_size", "BYTES", "Payload of a datagram; 0 discovers the most."),
    setting(
        "--rate",
        "congestion.rate_cap",
        "BITS",
        "No faster than this either way, such as 20M (bits a second).",
    ),
    setting("--cc", "congestion.controller", "NAME", "Congestion control: bbr, cubic or fixed."),
    setting(
        "--retry", "client.retry", "SECONDS", "Once begun, try so long to go on when the server is lost."
    ),
    client_options,
)
"""What every verb that moves files has."""


# --- What they come to ------------------------------------------------------------------------------


class Invocation(Struct, frozen=True):
    """One call of a verb: its surroundings, its settings, and how it shall speak."""

    surroundings: Surroundings
    loaded: Loaded
    form: Form
    verbosity: int
    """-1 quiet, 0, 1 or more for each -v."""

    @property
    def server(self) -> Url | None:
        """The default server."""
        return self.loaded.settings.client.url

    def output(self, *, stdout_is_data: bool = False, has_bars: bool = True) -> Output:
        """Where results and progress go; with data on standard output, results go to standard error."""
        from mayhem_udp.cli.render import open_output

        return open_output(self, stdout_is_data=stdout_is_data, has_bars=has_bars)

    def tally(self, files_total: int | None, *, deed: str = "") -> Tally:
        """The sums of many files, from now on."""
        return Tally(clock_ns=self.surroundings.clock_ns, files_total=files_total, deed=deed)

    def each_connected(self, urls: Iterable[Url], output: Output) -> Iterator[tuple[Url, Remote]]:
        """Each URL with its server; neighbours on one server share the connection."""
        for _, neighbours in groupby(urls, key=lambda url: url.place):
            first, *others = neighbours
            with self.connect(first, output) as remote:
                yield from ((url, remote) for url in (first, *others))

    def connect(self, url: Url, output: Output) -> Remote:
        """A server, not yet contacted; `with` does that."""
        more: dict[str, Any] = {}
        if self.verbosity > 0:
            from mayhem_udp.log import open_log

            stream, environ = self.surroundings.stderr, self.surroundings.environ
            more["log"] = open_log(self.loaded.settings.logging, stream=stream, environ=environ)
        settings = self.loaded.settings
        return self.surroundings.connect(
            str(url.named("")), settings=settings, progress=output.progress, **more
        )


def invocation(ctx: click.Context, *, levels: tuple[str, ...] = ("warning", "info", "trace")) -> Invocation:
    """What a verb's options come to; `levels` are those of -q, -v and -vv. Raises `ConfigError`."""
    surroundings = ctx.obj if isinstance(ctx.obj, Surroundings) else Surroundings()
    flags: dict[str, Any] = ctx.meta.get(_FLAGS, {})
    verbosity = -1 if flags.get("quiet") else min(flags.get("verbose", 0), 2)
    if flags.get("quiet") and flags.get("verbose"):
        raise UsageError("-q and -v contradict each other", remedy="keep one of them")
    if verbosity:
        level = levels[0] if verbosity < 0 else levels[verbosity]
        _give(ctx, "logging.level", level, place="-q" if verbosity < 0 else "-v")
    if flags.get("no_progress"):
        _give(ctx, "client.progress", "off", place="--no-progress")
    file = find_file(given=flags.get("config"), environ=surroundings.environ)
    loaded = load(Sources(file, surroundings.environ, tuple(ctx.meta.get(_GIVEN, ()))))
    return Invocation(surroundings, loaded, Form.JSON if flags.get("json") else Form.PEOPLE, verbosity)
