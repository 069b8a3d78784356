"""What a caller may give: each argument is looked at before anything is done with it.

Owns the sentences for what makes no sense. Never opens a file, never judges a name: `store.names` does.
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from mayhem_udp.config import Settings
from mayhem_udp.errors import UsageError
from mayhem_udp.escape import escape
from mayhem_udp.spelling import as_name, as_path
from mayhem_udp.twins import check_no_twins

if TYPE_CHECKING:
    from mayhem_udp.api.uploads import Uploadable

Pair = TypeVar("Pair", tuple[Path, str], tuple[str, Path])


def name_of(name: object) -> str:
    """A name or a pattern on the server."""
    if isinstance(name, str):
        return name
    raise _no(name, "a name on the server", "give a str, such as 'folder/file'")


def path_of(path: object) -> Path:
    """A path on this side."""
    # A Path is not made again of a Path: that takes it apart, and there may be ten thousand.
    if isinstance(path, Path):
        made = path
    elif isinstance(path, str | os.PathLike) and isinstance(text := os.fspath(path), str):
        made = Path(text)
    else:
        raise _no(path, "a path", "give a str or a pathlib.Path")
    text = str(made)
    if "\0" in text:
        raise UsageError(
            f"the path {escape(text)} has a NUL character, and names no file", remedy="name another"
        )
    spelled = as_path(text)
    return made if spelled == text else Path(spelled)


def upload_name_of(source: "Uploadable", name: str | None, *, verb: str) -> str:
    """What a source is called on the server. Raises `UsageError` where it has no name."""
    own = ""
    if isinstance(source, str | os.PathLike):
        path_of(source)
        own = os.path.basename(os.fspath(source))
    if name is not None and name_of(name) and not name.endswith("/"):
        return name
    if not own:
        raise UsageError("what is sent has no name of its own", remedy=f"give one: {verb}(data, 'name')")
    return (name or "") + as_name(own)


def destination_of(destination: "str | os.PathLike[str] | BinaryIO") -> "Path | BinaryIO":
    """Where a download goes: a path, or what can be written to."""
    if isinstance(destination, str | os.PathLike):
        return path_of(destination)
    if not callable(getattr(destination, "write", None)):
        raise _no(
            destination, "a destination", "give a path (a str or a pathlib.Path) or a binary file object"
        )
    return destination


def names_of(names: Iterable[str]) -> Iterable[str]:
    """Several names on the server; those of a list are looked at now, those of an iterator as they come."""
    checked = (name_of(name) for name in _each_of(names, what="names"))
    return list(checked) if isinstance(names, Collection) else checked


def uploads_of(files: Iterable[Any]) -> Iterable[tuple[Path, str]]:
    """Paths and what each is called on the server, as `names_of`; of a list no two may become one."""
    pairs = ((path_of(path), name_of(name)) for path, name in _pairs_of(files, what="a path and a name"))
    return _without_twins(pairs, "name") if isinstance(files, Collection) else pairs


def downloads_of(files: Iterable[Any]) -> Iterable[tuple[str, Path]]:
    """Names on the server and where each lands, likewise."""
    pairs = ((name_of(name), path_of(path)) for name, path in _pairs_of(files, what="a name and a path"))
    return _without_twins(pairs, "path") if isinstance(files, Collection) else pairs


def _pairs_of(pairs: Iterable[Any], *, what: str) -> Iterable[tuple[Any, Any]]:
    return (_pair_of(pair, what=what) for pair in _each_of(pairs, what=f"pairs of {what}"))


def _pair_of(pair: Any, *, what: str) -> tuple[Any, Any]:
    if isinstance(pair, tuple | list) and len(pair) == 2:
        return pair[0], pair[1]
    raise _no(pair, f"a pair of {what}", f"give tuples of {what}")


def _each_of(many: Iterable[Any], *, what: str) -> Iterable[Any]:
    """One after the other; a single text is not many texts of one letter."""
    if isinstance(many, str | bytes) or not isinstance(many, Iterable):
        raise _no(many, f"several {what}", f"give a list of {what}")
    return many


def _without_twins(pairs: Iterable[Pair], of_its_own: str) -> list[Pair]:
    """All of them, unless two would become one file. Raises `UsageError`."""
    kept = list(pairs)
    check_no_twins(kept, remedy=f"give each a {of_its_own} of its own")
    return kept


def count_of(count: object) -> int:
    """How often something is to be done."""
    if not isinstance(count, int) or isinstance(count, bool):
        raise _no(count, "a count", "give a whole number from 1 upward")
    if count < 1:
        raise UsageError(f"{count} pings measure nothing", remedy="give a count from 1 upward")
    return count


def check_connect(
    url: object, settings: object, progress: object, log: object, overrides: Iterable[tuple[str, object]]
) -> None:
    """What `connect` is given beside single settings; those have kinds of their own, and None is none."""
    if not isinstance(url, str):
        raise _no(url, "a URL", "give a str, such as 'mayhem://localhost/'")
    if settings is not None and not isinstance(settings, Settings):
        raise _no(settings, "the settings", "give a mayhem_udp.Settings, or single ones by keyword")
    if progress is not None and not callable(progress):
        raise _no(progress, "a progress callback", "give a function that takes a mayhem_udp.Progress")
    if log is not None and not callable(getattr(log, "bind", None)):
        raise _no(log, "a log", "give a structlog logger")
    for name, value in overrides:
        if value is None:
            raise UsageError(f"{name} is None, which is no value", remedy="leave it out to have the default")


def _no(given: object, what: str, remedy: str) -> UsageError:
    return UsageError(f"{type(given).__name__} cannot be {what}", remedy=remedy)
