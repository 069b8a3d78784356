"""The pages as tests need them: their text, their tables, their examples."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def part(text, heading):
    """What stands under a heading, up to the next one of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{rank}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def first_cells(text):
    """What is set as code in the first cell of each row of the tables in `text`, row by row."""
    rows = re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)
    return [words for row in rows if (words := CODE.findall(row))]


def examples_of(text):
    """Each Python example with its line."""
    return [(text.count("\n", 0, found.start()) + 1, found[1]) for found in EXAMPLE.finditer(text)]
