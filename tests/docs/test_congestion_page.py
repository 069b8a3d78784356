"""docs/congestion.md tells how flows share as the controllers' bench has measured it."""

import tomllib

from pages import part, text_of

PAGE = part(text_of("docs/congestion.md"), "## How it can be unfair")
TABLE = tomllib.loads(text_of("tests/transport/congestion/goodput.toml"))["together"]


def as_on_the_page(figures):
    shares = ", ".join(f"{share:.2f}" for share in figures["shares"])
    return [shares, f"{figures['jain']:.2f}", f"{100 * figures['lost']:.1f} %"]


def rows():
    """The table of the page, by the names of the parties."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "|" in line
    ]
    plain = {cells[0]: cells[1:] for cells in cells[2:]}
    return {name.replace(" of ours", "").replace("ours ", ""): told for name, told in plain.items()}


def test_every_party_is_told_as_it_was_measured():
    assert rows() == {name: as_on_the_page(each) for name, each in TABLE.items()}
