"""Where in a TOML file a key stands, since the standard library's parser does not say.

Owns a small scanner of keys, strings and brackets. It is only ever run over text that `tomllib` has
accepted, so it judges nothing; a key inside an inline table or an array has the line of that.
"""

import re
from collections.abc import Iterator
from typing import Final

KeyPath = tuple[str, ...]

_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # texts of several lines
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'  # texts of one
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|\n"
    r"|[\[\]{}=]"
    r"|[^\s\"'\#\[\]{}=]+"  # bare words, with their dots and commas
    r"|[ \t\r]+",
    re.DOTALL,
)
_KEY_PART: Final = re.compile(r""""((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each table and each key."""
    places: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, words in _statements(text):
        parts = tuple("".join(groups) for groups in _KEY_PART.findall(words))
        if words.startswith("["):
            table = parts
        path = parts if words.startswith("[") else (*table, *parts)
        for length in range(1, len(path) + 1):
            places.setdefault(path[:length], line)
    return places


def line_of(places: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the nearest thing that holds it."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each table's head and each key's left side, with its line."""
    line, line_begun, depth, in_value = 1, 1, 0, False
    words = ""
    for token in (match[0] for match in _TOKEN.finditer(text + "\n")):
        if token == "\n" and depth == 0:
            if words.strip():
                yield line_begun, words.strip()
            words, in_value, line_begun = "", False, line + 1
        elif token == "=" and not in_value:
            in_value = True
        elif in_value:
            depth += (token in "[{") - (token in "]}")
        elif token[0] not in "#\n":
            words += token
        line += token.count("\n")
