"""`mayhem config`: the settings in force, and what is wrong with a file."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice

import click

from mayhem_udp.cli.options import examples, general_options, invocation, json_option, local_path
from mayhem_udp.cli.surroundings import Surroundings
from mayhem_udp.config import ConfigProblems, Loaded, Problem, Sources, find_file
from mayhem_udp.config.load import DEFAULT_FILE, place_of, survey
from mayhem_udp.config.place import KeyPath
from mayhem_udp.config.schema import SETTINGS
from mayhem_udp.errors import MayhemError, UsageError
from mayhem_udp.escape import escape


@click.group(
    "config",
    short_help="Show the settings in force, or check a file.",
    epilog=examples(
        "mayhem config show",
        "mayhem config check /etc/mayhem_udp/config.toml",
        "mayhem config default > config.toml",
    ),
)
def command() -> None:
    """Show the settings in force and where each came from, check a file, or print the defaults."""


@command.command("show", short_help="Print every setting, its value, and where it came from.")
@general_options
@json_option
@click.pass_context
def show(ctx: click.Context) -> int:
    """Print every setting, its value, and where it came from."""
    call = invocation(ctx)
    shown = {name: SETTINGS[name].kind.to_toml(value) for name, value in _values(call.loaded)}
    with call.output() as output:
        width = max(len(f"{name.partition('.')[2]} = {text}") for name, text in shown.items())
        section = ""
        for name, value in _values(call.loaded):
            its_section, _, key = name.partition(".")
            heading = f"\n[{its_section}]\n" if section else f"[{its_section}]\n"
            origin = call.loaded.origins[name].place
            text = f"{key} = {shown[name]}".ljust(min(width, 44)) + f"  # {escape(origin)}"
            output.tell(
                {"name": name, "value": _as_json(value, shown[name]), "origin": origin},
                text if its_section == section else heading + text,
            )
            section = its_section
    return output.exit_code


@command.command("check", short_help="Say what is wrong with a file, each problem with its line.")
@click.argument("file", required=False, metavar="[FILE]", type=local_path)
@click.pass_context
def check(ctx: click.Context, file: str | None) -> int:
    """Say what is wrong with a file, each problem with its line; without FILE, the one that would be read."""
    around = ctx.obj if isinstance(ctx.obj, Surroundings) else Surroundings()
    path = find_file(given=file, environ=around.environ)
    if path is None:
        raise UsageError(
            "there is no configuration file", remedy="name one; `mayhem config default` makes one"
        )
    loaded, problems = survey(Sources(path))
    if problems := [*problems, *_mayhem_problems(loaded)]:
        raise ConfigProblems(problems)
    around.stdout.write(f"{escape(str(path))}: all is well\n")
    return 0


@command.command("default", short_help="Print the defaults, with a comment on every setting.")
@click.pass_context
def default(ctx: click.Context) -> int:
    """Print the whole default configuration, with a comment on every setting."""
    around = ctx.obj if isinstance(ctx.obj, Surroundings) else Surroundings()
    around.stdout.write(DEFAULT_FILE.read_text())
    return 0


def _values(loaded: Loaded) -> Iterator[tuple[str, object]]:
    for name, setting in SETTINGS.items():
        yield name, getattr(getattr(loaded.settings, setting.section), setting.attribute)


def _as_json(value: object, as_toml: str) -> object:
    """A setting's value for a machine: numbers with a unit as a file has them, so that they can be set again."""
    match value:
        case bool() | float():
            return value
        case int():
            return as_toml.strip('"') if as_toml.startswith('"') else value
        case Mapping():
            return json.loads(json.dumps(value, default=str))  # TOML knows dates, JSON does not
        case _:
            return "" if value is None else str(value)


def _mayhem_problems(loaded: Loaded) -> Iterator[Problem]:
    """What only the fault models can judge: each profile, and the spec.

    A profile that is wrong stands for nothing meanwhile, so that a spec may name it.
    """
    from mayhem_udp.mayhem.profiles import PROFILES, Profile
    from mayhem_udp.mayhem.spec import NOTHING, parse_spec, user_profile

    settings, profiles = loaded.settings.mayhem, dict(PROFILES)
    for name, table in settings.profiles.items():
        try:
            profiles[name] = user_profile(name, table)
        except MayhemError as error:
            profiles[name] = Profile(name, summary="is wrong", spec=NOTHING, source="the configuration")
            keys = ("mayhem", "profiles", name, *_wrong_key(name, table))
            yield Problem(place_of(loaded, keys), "mayhem.profiles", error.message, error.remedy)
    try:
        parse_spec(settings.text, profiles=profiles)
    except MayhemError as error:
        yield Problem(loaded.origins["mayhem.spec"].place, "mayhem.spec", error.message, error.remedy)


def _wrong_key(name: str, table: Mapping[str, object]) -> KeyPath:
    """The first key of a profile that is wrong by itself; none where only all together are, or the name is."""
    if not _is_right(name, {}):
        return ()
    for key, value in table.items():
        if not _is_right(name, {key: value}):
            inner = value if isinstance(value, Mapping) else {}
            wrong = (deep for deep, each in inner.items() if not _is_right(name, {key: {deep: each}}))
            return (key, *islice(wrong, 1))
    return ()


def _is_right(name: str, table: Mapping[str, object]) -> bool:
    from mayhem_udp.mayhem.spec import user_profile

    try:
        user_profile(name, table)
    except MayhemError:
        return False
    return True
