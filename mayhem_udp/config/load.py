"""Bringing the settings together: defaults, one file, the environment, options; the last one wins.

Owns the precedence, where a file is looked for, and the origin of every value. All problems are
collected and raised together. Never acts on a setting, never remembers anything between two loads.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from mayhem_udp.config.place import KeyPath, line_of, lines_of
from mayhem_udp.config.problems import ConfigProblems, Problem
from mayhem_udp.config.schema import SECTIONS, SETTINGS, Setting, Settings, full_name

DEFAULT_FILE: Final = Path(__file__).with_name("config.toml")
"""The top level's `config.toml`, as the package carries it."""
FILE_MAX_BYTES: Final = 1 << 20
"""No configuration is larger; reading stops there."""
SYSTEM_FILE: Final = Path("/etc/mayhem_udp/config.toml")
_TOML_ERROR: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
VARIABLE_PREFIX: Final = "MAYHEM_"
VARIABLE_FILE: Final = "MAYHEM_CONFIG"
VARIABLES: Final = {"MAYHEM_URL": "client.url"}
"""Variables with a name of their own; all others are `MAYHEM_SECTION__KEY`."""


class Layer(IntEnum):
    """Where a value comes from; a higher one wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    OPTION = 3


class Origin(Struct, frozen=True):
    """Where one value comes from."""

    layer: Layer
    place: str
    """`config.toml:12`, `environment MAYHEM_…`, `option --rate`, or `default`."""


class Given(Struct, frozen=True):
    """A value as it was given, not yet read."""

    name: str
    """The setting's full name, as it was written."""
    value: object
    origin: Origin
    is_text: bool
    """Whether it is a text that stands for a value (an option, a variable), or has a type of its own."""


class Sources(Struct, frozen=True):
    """All that a load depends on, so that it can be done again (SIGHUP)."""

    file: Path | None = None
    environ: Mapping[str, str] = {}
    options: tuple[Given, ...] = ()


class Loaded(Struct, frozen=True):
    """Settings, the origin of each by its full name, and what they came from."""

    settings: Settings
    origins: Mapping[str, Origin]
    sources: Sources

    def reload(self) -> "Loaded":
        """The same sources, read again. Raises `ConfigProblems`, and nothing has changed then."""
        return load(self.sources)


class Change(Struct, frozen=True):
    """A setting that differs between two loads."""

    name: str
    old: object
    new: object
    reloads: bool
    """Whether a running daemon takes it over; otherwise it waits for a restart."""


class _Draft:
    """What has been read so far."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins: dict[str, Origin] = {}
        self.problems: list[Problem] = []

    def take(self, given: Given) -> None:
        """Read one value, or note what is wrong with it."""
        setting = SETTINGS.get(given.name)
        if setting is None:
            self.problems.append(_unknown(given))
            return
        try:
            if given.is_text:
                assert isinstance(given.value, str)
                value = setting.kind.from_text(given.value)
            else:
                value = setting.kind.from_toml(given.value)
        except ValueError as error:
            self.problems.append(Problem(given.origin.place, given.name, str(error)))
            return
        self.values[given.name] = value
        self.origins[given.name] = given.origin


def load(sources: Sources) -> Loaded:
    """The settings in force. Raises `ConfigProblems` with all that is wrong."""
    loaded, problems = survey(sources)
    if problems:
        raise ConfigProblems(problems)
    return loaded


def survey(sources: Sources) -> tuple[Loaded, list[Problem]]:
    """All that is wrong, and the settings as far as they were understood; defaults stand for the others."""
    draft = _Draft()
    for given in _from_file(DEFAULT_FILE, Layer.DEFAULT, draft.problems):
        draft.take(given)
    if sources.file is not None:
        for given in _from_file(sources.file, Layer.FILE, draft.problems):
            draft.take(given)
    for given in (*_from_environment(sources.environ, draft.problems), *sources.options):
        draft.take(given)
    problems = [*draft.problems, *_contradictions(draft)]
    return Loaded(_assembled(draft.values), draft.origins, sources), problems


def find_file(*, given: str | None, environ: Mapping[str, str]) -> Path | None:
    """The one file that is read: as given, or `MAYHEM_CONFIG`, or the user's own, or the system's.

    Never one in the current folder, which may be a stranger's. Files are not merged.
    """
    named = given if given is not None else environ.get(VARIABLE_FILE)
    if named:
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or (
        os.path.join(environ["HOME"], ".config") if "HOME" in environ else ""
    )
    users = [Path(home, "mayhem_udp", "config.toml")] if os.path.isabs(home) else []
    return next((path for path in (*users, SYSTEM_FILE) if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    """Whether there is one; where nobody may look (another user's home, inherited by a service) there is none."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def options_from(overrides: Mapping[str, object], *, place: str) -> tuple[Given, ...]:
    """Values with types of their own, by full name or by a short one that is unique; None is left out."""
    return tuple(
        Given(full_name(name) or name, value, Origin(Layer.OPTION, f"{place} {name}"), is_text=False)
        for name, value in overrides.items()
        if value is not None
    )


def with_overrides(settings: Settings, overrides: Mapping[str, object], *, place: str) -> Settings:
    """The same settings but for these, which are given as in `options_from`. Raises `ConfigProblems`."""
    draft = _Draft()
    for name, setting in SETTINGS.items():
        draft.values[name] = _value(settings, setting)
        draft.origins[name] = Origin(Layer.DEFAULT, "the settings given")
    for given in options_from(overrides, place=place):
        draft.take(given)
    return _finished(draft)


def compare(old: Settings, new: Settings) -> tuple[Change, ...]:
    """What differs, in the order of the sections."""
    pairs = ((setting, _value(old, setting), _value(new, setting)) for setting in SETTINGS.values())
    return tuple(
        Change(setting.name, before, after, setting.reloads)
        for setting, before, after in pairs
        if before != after
    )


def reloaded(old: Settings, new: Settings) -> Settings:
    """What a running daemon goes on with: the new values of those settings that need no restart."""
    values = {name: _value(new if setting.reloads else old, setting) for name, setting in SETTINGS.items()}
    return _assembled(values)


def _value(settings: Settings, setting: Setting) -> object:
    return getattr(getattr(settings, setting.section), setting.attribute)


def _finished(draft: _Draft) -> Settings:
    if problems := [*draft.problems, *_contradictions(draft)]:
        raise ConfigProblems(problems)
    return _assembled(draft.values)


def _assembled(values: Mapping[str, object]) -> Settings:
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for name, setting in SETTINGS.items():
        sections[setting.section][setting.attribute] = values[name]
    return Settings(**{section: SECTIONS[section](**fields) for section, fields in sections.items()})


def _from_file(path: Path, layer: Layer, problems: list[Problem]) -> Iterator[Given]:
    """The values of a TOML file; lines are only looked for where they are needed later."""
    text = _text_of(path, problems)
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problems.append(_syntax_problem(path, text, error))
        return
    places = {} if layer is Layer.DEFAULT else lines_of(text)

    def origin(key_path: KeyPath) -> Origin:
        line = line_of(places, key_path)
        return Origin(layer, "default" if layer is Layer.DEFAULT else f"{path}:{line}" if line else str(path))

    for section, table in tables.items():
        if section not in SECTIONS or not isinstance(table, dict):
            problems.append(_bad_section(section, origin((section,)).place))
            continue
        for key, value in table.items():
            yield Given(f"{section}.{key}", value, origin((section, key)), is_text=False)


def place_of(loaded: Loaded, keys: KeyPath) -> str:
    """Where in the file that was loaded something deep inside of a setting stands."""
    assert loaded.sources.file is not None, "asked of what only a file can have"
    line = line_of(lines_of(_text_of(loaded.sources.file, [])), keys)
    return f"{loaded.sources.file}:{line}" if line else str(loaded.sources.file)


def _text_of(path: Path, problems: list[Problem]) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
        if len(content) > FILE_MAX_BYTES:
            problems.append(Problem(str(path), "", f"is larger than {FILE_MAX_BYTES} bytes"))
            return ""
        return content.decode()
    except OSError as error:
        problems.append(
            Problem(str(path), "", f"cannot be read: {error.strerror}", "name another file with --config")
        )
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(f"{path}:{line}", "", "is not UTF-8", "save the file in UTF-8"))
    return ""


def _syntax_problem(path: Path, text: str, error: Exception) -> Problem:
    match = _TOML_ERROR.fullmatch(str(error))
    if match is None:
        return Problem(str(path), "", "is not TOML: it is nested too deeply")
    line = match[2] or text.count("\n") + 1
    return Problem(f"{path}:{line}", "", f"is not TOML: {match[1]}")


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> Iterator[Given]:
    """Values of `MAYHEM_SECTION__KEY`; a name without its section is a problem, a foreign one is not."""
    for variable in sorted(each for each in environ if each.startswith(VARIABLE_PREFIX)):
        origin = Origin(Layer.ENVIRONMENT, f"environment {variable}")
        rest = variable.removeprefix(VARIABLE_PREFIX)
        if variable in VARIABLES:
            yield Given(VARIABLES[variable], environ[variable], origin, is_text=True)
        elif "__" in rest:
            yield Given(rest.lower().replace("__", ".", 1), environ[variable], origin, is_text=True)
        elif variable != VARIABLE_FILE and (meant := full_name(rest.lower())):
            name = VARIABLE_PREFIX + meant.upper().replace(".", "__")
            problems.append(Problem(origin.place, "", "names no section", f"write {name}"))


def _nearest(word: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  # only when something is wrong

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def _bad_section(section: str, place: str) -> Problem:
    if section in SECTIONS:
        return Problem(
            place, section, "is a section, and needs keys", f"write [{section}] on a line of its own"
        )
    if meant := full_name(section):
        return Problem(
            place, section, "stands outside a section", f"move it under [{meant.partition('.')[0]}]"
        )
    near = _nearest(section, SECTIONS)
    remedy = f"did you mean [{near}]?" if near else f"the sections are {', '.join(SECTIONS)}"
    return Problem(place, section, "there is no such section", remedy)


def _unknown(given: Given) -> Problem:
    section, _, key = given.name.partition(".")
    if given.origin.layer > Layer.FILE and section not in SECTIONS:
        near = full_name(given.name) or _nearest(given.name, SETTINGS)
    else:
        own = [each.key for each in SETTINGS.values() if each.section == section]
        near_key = _nearest(key, own)
        elsewhere = full_name(key) or _nearest(key, (each.key for each in SETTINGS.values()))
        near = f"{section}.{near_key}" if near_key else full_name(elsewhere) if elsewhere else None
    remedy = f"did you mean {near}?" if near else "`mayhem config default` shows all there are"
    return Problem(given.origin.place, given.name, "there is no such setting", remedy)


_NOT_ABOVE: Final = (
    ("transport.body_window_initial", "transport.body_window_max"),
    ("transport.keep_alive", "transport.idle_timeout"),
    ("limits.memory_per_connection_max", "limits.memory_max"),
)
"""Pairs of settings of which the first must not be above the second."""


def _contradictions(draft: _Draft) -> Iterator[Problem]:
    """Values that are right alone and wrong together, at the place of the one that was given later.

    Where something else is wrong, a default may stand for what was meant: it contradicts nobody then.
    """
    for low, high in _NOT_ABOVE:
        layers = (draft.origins[low].layer, draft.origins[high].layer)
        if draft.problems and Layer.DEFAULT in layers:
            continue
        first, second = draft.values[low], draft.values[high]
        assert isinstance(first, int)
        assert isinstance(second, int)
        if first > second:
            blamed, other = (
                (low, high) if draft.origins[low].layer >= draft.origins[high].layer else (high, low)
            )
            relation = "must not be above" if blamed == low else "must not be below"
            shown = SETTINGS[other].kind.to_toml(draft.values[other])
            message = f"{relation} {other}, which is {shown} ({draft.origins[other].place})"
            yield Problem(draft.origins[blamed].place, blamed, message)
