"""The map of the modules: every room and every module in it, in the order in which they may import.

Owns the looks, and a few words about each room. Which rooms there are, and their order, is read from the
contract in pyproject.toml that the linter of imports holds; which modules, from the folders. So the picture
cannot show what is not there.
"""

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "mayhem_udp"

WORLD: Final = "world"
PURE: Final = "pure"
PLAIN: Final = "plain"


class Room(NamedTuple):
    """One room, or a shelf of single modules."""

    names: tuple[str, ...]
    what: str
    kind: str
    """`WORLD` where it touches a socket, a clock, a disk or a terminal, `PURE` where a contract forbids that."""

    @property
    def title(self) -> str:
        """What is written above it."""
        return f"{self.names[0]}/" if len(self.names) == 1 else "beneath all of them"


BANDS: Final = (
    (Room(("__main__",), "where the command begins", WORLD),),
    (Room(("cli",), "arguments in, exit code out; all words that a person sees", WORLD),),
    (Room(("api",), "the library: connect(), and every verb as a method", WORLD),),
    (
        Room(
            ("endpoint",),
            "where bytes, time and threads come in: sockets, the loop, daemon and client",
            WORLD,
        ),
    ),
    (
        Room(("session",), "what is asked: a verb a file, both halves", PURE),
        Room(("store",), "files at rest, in place whole or not at all", WORLD),
    ),
    (
        Room(
            ("mayhem",), "hostile networks from a seed: at an endpoint, in the proxy, in the simulator", PURE
        ),
    ),
    (
        Room(
            ("transport",), "the engine: datagrams and the time in; datagrams, events and deadlines out", PURE
        ),
    ),
    (Room(("wire",), "bytes ⇄ values; the only place that knows an offset", PURE),),
    (
        Room(
            (
                "log",
                "results",
                "config",
                "twins",
                "url",
                "escape",
                "rangeset",
                "spelling",
                "limits",
                "units",
                "errors",
            ),
            "what everybody may use",
            PLAIN,
        ),
    ),
)

WIDTH: Final = 1000
MARGIN: Final = 14
GAP: Final = 12
PAD: Final = 12
TITLE_HEIGHT: Final = 24
LINE_HEIGHT: Final = 18
GLYPH: Final = 7.25
"""Width of a character of the monospaced font, at 12 px."""
SPACE: Final = 2
"""Characters between two modules."""

STYLE: Final = """
  text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px;
         fill: #24292f; }
  .paper { fill: #ffffff; }
  .room { stroke-width: 1.2; rx: 8; }
  .pure { fill: #eef6ee; stroke: #5a9a5f; }
  .world { fill: #fdf1e3; stroke: #cf8a3c; }
  .plain { fill: #f6f8fa; stroke: #8c959f; }
  .title { font-weight: bold; font-size: 14px; }
  .what { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #57606a; }
  .folder { font-weight: bold; fill: #57606a; }
"""


def layers() -> list[str]:
    """The rooms from top to bottom, as the contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (found,) = (each["layers"] for each in contracts if each["id"] == "layers")
    return [name.strip("() ") for layer in found for name in layer.split(":")]


def modules_of(name: str) -> list[tuple[str, list[str]]]:
    """Folder by folder, the modules of a room; the room itself is the folder without a name."""
    folder = PACKAGE / name
    if not folder.is_dir():
        return [("", [name])]
    inner = sorted(each for each in folder.rglob("*") if (each / "__init__.py").exists())
    found = [(f"{each.relative_to(folder).as_posix()}/", _modules_in(each)) for each in inner]
    return [("", _modules_in(folder)), *found]


def _modules_in(folder: Path) -> list[str]:
    return sorted(each.stem for each in folder.glob("*.py") if each.stem != "__init__")


def picture() -> str:
    """The map, as SVG."""
    top, parts = MARGIN, []
    for band in BANDS:
        width = (WIDTH - 2 * MARGIN - GAP * (len(band) - 1)) / len(band)
        lines = [list(_lines(room, width)) for room in band]
        height = TITLE_HEIGHT + LINE_HEIGHT * max(map(len, lines)) + PAD
        for place, (room, its_lines) in enumerate(zip(band, lines, strict=True)):
            parts += _drawn(room, its_lines, MARGIN + place * (width + GAP), top, (width, height))
        top += height + GAP
    return _page(parts, height=top + LINE_HEIGHT + MARGIN, legend_top=top + LINE_HEIGHT / 2)


def _page(parts: list[str], *, height: float, legend_top: float) -> str:
    legend = [
        *_key(MARGIN, legend_top, PURE, "no clock, no socket, no file: time and datagrams are arguments"),
        *_key(MARGIN + 430, legend_top, WORLD, "touches the world"),
        f'<text class="what" x="{WIDTH - MARGIN}" y="{legend_top:g}" text-anchor="end">imports go downward only ↓</text>',
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">'
    title = "<title>The rooms of mayhem_udp, and the modules in each</title>"
    paper = f'<rect class="paper" width="{WIDTH}" height="{height:g}"/>'
    return "\n".join([head, title, f"<style>{STYLE}</style>", paper, *parts, *legend, "</svg>", ""])


def _key(left: float, top: float, kind: str, what: str) -> list[str]:
    return [
        f'<rect class="room {kind}" x="{left:g}" y="{top - 11:g}" width="18" height="13"/>',
        f'<text class="what" x="{left + 26:g}" y="{top:g}">{escape(what)}</text>',
    ]


def _lines(room: Room, width: float) -> Iterator[list[tuple[str, str]]]:
    """Words with their class, line by line; a folder begins a line."""
    room_for = int((width - 2 * PAD) / GLYPH)
    if len(room.names) > 1:
        modules = [
            name for each in room.names for name in modules_of(each)[0][1] if not (PACKAGE / each).is_dir()
        ]
        groups = [("", sorted(modules))]
        groups += [(f"{name}/", modules_of(name)[0][1]) for name in room.names if (PACKAGE / name).is_dir()]
    else:
        groups = modules_of(room.names[0])
    for folder, modules in groups:
        line: list[tuple[str, str]] = [("folder", folder)] if folder else []
        for module in modules:
            if sum(len(word) + SPACE for _, word in line) + len(module) > room_for:
                yield line
                line = []
            line.append(("module", module))
        yield line


def _drawn(
    room: Room, lines: list[list[tuple[str, str]]], left: float, top: float, size: tuple[float, float]
) -> Iterator[str]:
    width, height = size
    x, y = left + PAD, top + TITLE_HEIGHT - 5
    yield f'<rect class="room {room.kind}" x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"/>'
    after = x + (len(room.title) + SPACE) * GLYPH * 14 / 12
    yield f'<text class="title" x="{x:g}" y="{y:g}">{room.title}</text>'
    yield f'<text class="what" x="{after:g}" y="{y:g}">{escape(room.what)}</text>'
    for line in lines:
        y += LINE_HEIGHT
        at = x
        for its_class, word in line:
            yield f'<text class="{its_class}" x="{at:g}" y="{y:g}">{word}</text>'
            at += (len(word) + SPACE) * GLYPH
