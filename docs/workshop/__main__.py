"""`make docs`: makes what is made by a program, and looks whether all links lead somewhere.

Owns which file is made by what. The picture of the demo is taken anew only where the demo has changed, since
no two runs take the same time; `--retake` takes it in any case. Exit code 1 where a link is dead.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from docs.workshop.courses import draw
from docs.workshop.life import diagram
from docs.workshop.links import dead_links
from docs.workshop.rooms import ROOT, picture
from docs.workshop.terminal import picture_of, shown_by

IMAGES: Final = ROOT / "docs" / "images"
ROOMS: Final = IMAGES / "rooms.svg"
DEMO: Final = IMAGES / "demo.svg"
ARCHITECTURE: Final = ROOT / "docs" / "architecture.md"
LIFE: Final = re.compile(r"(?<=<!-- made by `make docs`: life -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def main() -> int:
    """The exit code."""
    IMAGES.mkdir(exist_ok=True)
    ROOMS.write_text(picture(), "utf-8")
    draw(IMAGES)
    ARCHITECTURE.write_text(with_life(ARCHITECTURE.read_text("utf-8")), "utf-8")
    if "--retake" in sys.argv[1:] or not is_of_this_demo(DEMO):
        DEMO.write_text(demo_picture(), "utf-8")
    dead = [link for page in pages() for link in dead_links(page)]
    sys.stdout.writelines(f"{link}\n" for link in dead)
    sys.stdout.write(f"{len(list(pages()))} pages, {len(dead)} dead links\n")
    return 1 if dead else 0


def pages() -> Iterator[Path]:
    """Every page of the project."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True)  # noqa: S603  # just git
    names = done.stdout.splitlines()
    return (path for name in sorted(set(names)) if (path := ROOT / name).exists())


def with_life(text: str) -> str:
    """The page on the architecture, with the diagram as the table has it. Raises where it has no place for it."""
    changed, times = LIFE.subn(lambda _: diagram(), text)
    if times != 1:
        raise RuntimeError(f"{ARCHITECTURE} has {times} places for the diagram of states")
    return changed


def demo_picture() -> str:
    """The demo, run and looked at."""
    shown = shown_by([sys.executable, "-m", "demo"], folder=ROOT)
    return picture_of(shown, prompt="make demo").replace("<svg ", f"<!-- of {fingerprint()} -->\n<svg ", 1)


def is_of_this_demo(file: Path) -> bool:
    """Whether the picture was taken of the demo as it is now."""
    return file.exists() and fingerprint() in file.read_text("utf-8")


def fingerprint() -> str:
    """Of the demo's own files."""
    files = sorted((ROOT / "demo").glob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
