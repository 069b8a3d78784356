"""A picture of a terminal: what a command really shows, colours and all, as an SVG.

Owns as much of a terminal as our own output needs: lines, colours, and going back to draw a line again.
Never makes anything up: the command runs, on a terminal of `COLUMNS`, and what it says last is the picture.
"""

import os
import pty
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS: Final = 100
LINES: Final = 50
_READ_BYTES: Final = 65_536
_FONT_FROM_ELSEWHERE: Final = re.compile(r"^ *@font-face \{.*?^ *\}\n", re.MULTILINE | re.DOTALL)
"""A picture in a page must not load anything; the reader's own monospaced font does."""
_TOKEN: Final = re.compile(r"\x1b\[(?P<arguments>[0-9;?]*)(?P<final>[A-Za-z])|\r\n|[\r\n]|[^\r\n\x1b]+")


class Screen:
    """What is to be seen after all that was written: lines, with their colours still as escape sequences."""

    def __init__(self) -> None:
        self.lines = [""]
        self._row = 0
        self._starts_over = False

    def write(self, text: str) -> None:
        """Take output. Whoever returns to the start of a line is taken to write all of it anew."""
        for token in _TOKEN.finditer(text):
            match token["final"]:
                case None:
                    self._write_plain(token[0])
                case "A":
                    self._row = max(self._row - int(token["arguments"] or 1), 0)
                case "K":
                    self.lines[self._row] = ""
                case "m":
                    self._put(token[0])

    def _write_plain(self, text: str) -> None:
        if text == "\r":
            self._starts_over = True
        elif text in ("\n", "\r\n"):
            self._row += 1
            self._starts_over = False
            if self._row == len(self.lines):
                self.lines.append("")
        else:
            self._put(text)

    def _put(self, text: str) -> None:
        if self._starts_over:
            self.lines[self._row] = ""
            self._starts_over = False
        self.lines[self._row] += text


def shown_by(command: Sequence[str], *, folder: Path) -> str:
    """Run a command on a terminal of its own, and return what is on it at the end. Raises where it fails."""
    terminal, far_end = pty.openpty()
    colours = {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "COLUMNS": str(COLUMNS),
        "LINES": str(LINES),
    }
    process = subprocess.Popen(  # noqa: S603  # a command of this project
        command, cwd=folder, env={**os.environ, **colours}, stdin=far_end, stdout=far_end, stderr=far_end
    )
    os.close(far_end)
    output = bytearray()
    while chunk := _read(terminal):
        output += chunk
    os.close(terminal)
    if code := process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{output.decode('utf-8', 'replace')}")
    screen = Screen()
    screen.write(output.decode("utf-8"))
    return "\n".join(screen.lines).strip("\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, _READ_BYTES)
    except OSError:  # how Linux says that nobody is left at the other end
        return b""


def picture_of(shown: str, *, prompt: str) -> str:
    """The picture, with the command that was typed in its first line."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, legacy_windows=False)
        console.print(Text.assemble(("$ ", "bold green"), (prompt, "bold")))
        for line in shown.split("\n"):
            console.print(Text.from_ansi(line), no_wrap=True, crop=False, overflow="ignore")
        drawn = console.export_svg(title=prompt, theme=MONOKAI, unique_id="terminal")
    return _FONT_FROM_ELSEWHERE.sub("", drawn)
