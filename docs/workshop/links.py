"""Links of the pages: each leads to a file that is there, and to a heading that is in it.

Owns the rules by which GitHub makes an anchor of a heading. Never asks the network: what is elsewhere is
not looked at.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_FENCED: Final = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`[^`\n]*`")
_LINK: Final = re.compile(
    r"\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|(?:src|href)=\"(?P<html>[^\"]+)\""
)
_HEADING: Final = re.compile(r"^#{1,6} +(?P<text>.+?)\s*#*\s*$", re.MULTILINE)
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_LINK_IN_HEADING: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")


def dead_links(page: Path) -> Iterator[str]:
    """Each link of a page that leads nowhere, with the reason."""
    for target in _targets(page.read_text("utf-8")):
        place, _, anchor = target.partition("#")
        found = (page.parent / unquote(place)).resolve() if place else page
        if not found.exists():
            yield f"{page}: {target}: there is no such file"
        elif anchor and found.suffix == ".md" and anchor not in anchors(found):
            yield f"{page}: {target}: there is no such heading"


def _targets(text: str) -> Iterator[str]:
    for link in _LINK.finditer(_CODE.sub("", _FENCED.sub("", text))):
        target = link["target"] or link["html"]
        if not _ELSEWHERE.match(target):
            yield target


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings; a second one of the same name ends with -1."""
    times: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.finditer(_FENCED.sub("", page.read_text("utf-8"))):
        text = _LINK_IN_HEADING.sub(r"\1", heading["text"]).replace("`", "")
        anchor = _NOT_IN_ANCHORS.sub("", text.lower()).replace(" ", "-")
        found.add(f"{anchor}-{times[anchor]}" if times[anchor] else anchor)
        times[anchor] += 1
    return frozenset(found)
