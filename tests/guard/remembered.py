"""What the guard remembers: `guard.toml`, and the program that writes it anew.

    python tests/guard/remembered.py          (or `make guard`)

To be run when a change is meant to cost more, or has made something better that is to stay so; read the diff
before it is committed. Prints what has changed.
"""

import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(each) for each in (HERE, HERE.parent) if str(each) not in sys.path]

from counting import TRANSFERS, count  # noqa: E402  # the folders above come first
from crossings import CROSSINGS, cross  # noqa: E402  # likewise

TABLE = HERE / "guard.toml"
HEAD = """\
# Written by remembered.py (`make guard`); test_guard.py compares. Everything here is the same in every run.
# `links`: share = of what the link could carry in that time, loss by chance left out (above 1 where the loss comes
# before the bottleneck, and is made up for); acks = bytes on the way back, of all bytes; again = datagrams that
# were sent again, for each that the link lost.
# `transfers`: for each MiB of a file over loopback: datagrams, answers to them, system calls by their names, calls
# and lines of Python and calls into C, of each side.
"""


def table():
    """As it was written."""
    return tomllib.loads(TABLE.read_text("utf-8"))


def measured():
    """As it is now."""
    links = {name: cross(name) for name in CROSSINGS}
    transfers = {}
    for name in TRANSFERS:
        with tempfile.TemporaryDirectory() as folder:
            transfers[name] = count(name, Path(folder))
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "links": links,
        "transfers": transfers,
    }


def write(now):
    """Keep this."""
    lines = [HEAD, f'python = "{now["python"]}"\n']
    for kind in ("links", "transfers"):
        lines.append(f"\n[{kind}]\n")
        for name, figures in now[kind].items():
            values = ", ".join(f'"{key}" = {figures[key]}' for key in sorted(figures))
            lines.append(f'"{name}" = {{ {values} }}\n')
    TABLE.write_text("".join(lines), "utf-8")


def differences(then, now):
    """Lines that say what has changed."""
    for kind in ("links", "transfers"):
        for name, figures in now[kind].items():
            before = then.get(kind, {}).get(name, {})
            for key in sorted(figures.keys() | before.keys()):
                old, new = before.get(key), figures.get(key)
                if old != new:
                    yield f"{name}: {key} {old} -> {new}"


if __name__ == "__main__":
    now = measured()
    print("\n".join(differences(table() if TABLE.exists() else {}, now)) or "nothing has changed")
    write(now)
