"""The commands that a document promises: shell blocks that are marked as tested, in their order.

A block is marked by a comment right before it:

    <!-- tested -->                          runs to its end, with exit code 0
    <!-- tested: exit 3 -->                  ends with this exit code
    <!-- tested: background -->              goes on in the background, once it has said something
    <!-- tested: given a.txt dir/b.txt -->   these files are there before it begins

Several marks are separated by semicolons. All blocks of a document share one folder, as the terminal of a
reader does. A line that begins with `$ ` is a command without its prompt.
"""

import re
from dataclasses import dataclass

MARKED = re.compile(
    r"^<!-- tested(?P<marks>:[^>]*)? -->\n+```sh\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"(?P<word>exit|given|background)(?P<rest>.*)")


@dataclass(frozen=True)
class Block:
    """One marked block."""

    line: int
    script: str
    exit_code: int = 0
    is_background: bool = False
    given: tuple[str, ...] = ()


def blocks_of(text):
    """The marked blocks of a document; raises `ValueError` for a mark that means nothing."""
    return [_block(text, found) for found in MARKED.finditer(text)]


def marks_of(text):
    """How many marks there are: as many as blocks, or one of them is not followed by a block."""
    return len(re.findall(r"^<!-- tested", text, re.MULTILINE))


def _block(text, found):
    exit_code, is_background, given = 0, False, ()
    for part in filter(None, (each.strip() for each in (found["marks"] or ":")[1:].split(";"))):
        mark = MARK.fullmatch(part)
        if mark is None:
            raise ValueError(f"no mark: {part!r}")
        if mark["word"] == "exit":
            exit_code = int(mark["rest"])
        elif mark["word"] == "given":
            given = tuple(mark["rest"].split())
        else:
            is_background = True
    lines = (line.removeprefix("$ ") for line in found["script"].splitlines())
    line = text.count("\n", 0, found.start()) + 1
    return Block(line, "\n".join(lines) + "\n", exit_code, is_background, given)
