"""The tools of the documentation: a link checker that finds dead links, a screen that shows what a terminal would."""

import sys

import pytest

from docs.workshop.links import anchors, dead_links
from docs.workshop.terminal import COLUMNS, Screen, picture_of, shown_by


def dead(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    (tmp_path / "other.md").write_text(
        "# One\n\n## Two `words`, (and) more\n\n```\n## no heading\n```\n\n## One\n"
    )
    return [line.partition(": ")[2] for line in dead_links(page)]


@pytest.mark.parametrize(
    "link",
    [
        "[a](other.md)",
        "[a](other.md#one)",
        "[a](other.md#one-1)",
        "[a](other.md#two-words-and-more)",
        "[a](#here)\n\n# Here",
        "![a](other.md)",
        "[a](https://example.org/nothing)",
        "`[a](nowhere.md)`",
        "```\n[a](nowhere.md)\n```",
    ],
)
def test_a_link_that_leads_somewhere_is_left_alone(tmp_path, link):
    assert dead(tmp_path, link) == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("[a](nowhere.md)", "nowhere.md: there is no such file"),
        ("[a](other.md#three)", "other.md#three: there is no such heading"),
        ("[a](other.md#no-heading)", "other.md#no-heading: there is no such heading"),
        ("[a](#here)", "#here: there is no such heading"),
        ('<img src="no.png">', "no.png: there is no such file"),
        ("[two\nlines](nowhere.md)", "nowhere.md: there is no such file"),
    ],
)
def test_a_dead_link_is_found(tmp_path, link, why):
    assert dead(tmp_path, link) == [why]


def test_a_heading_and_one_that_looks_like_its_second_are_told_apart(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Frames (4)\n\n# Frames\n\n# Frames\n")
    assert anchors(page) == {"frames-4", "frames", "frames-1"}


def test_a_line_that_is_drawn_again_shows_what_came_last():
    screen = Screen()
    screen.write("first\r\n\x1b[32m10 %\x1b[0m\r\x1b[2K20 %\r\n30 %\x1b[1A\r\x1b[2Kdone")
    assert screen.lines == ["first", "done", "30 %"]


def test_what_a_command_shows_on_a_terminal_is_what_it_shows_at_the_end(tmp_path):
    program = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size is not None); print('\\x1b[1mbold\\x1b[0m')"
    shown = shown_by([sys.executable, "-c", program], folder=tmp_path)
    assert shown == "True True\n\x1b[1mbold\x1b[0m"
    drawn = picture_of(shown, prompt="try it")
    assert ">bold</text>" in drawn.replace("&#160;", " ")
    assert "font-weight: bold" in drawn
    assert COLUMNS == 100


def test_a_command_that_fails_makes_no_picture(tmp_path):
    with pytest.raises(RuntimeError, match="ended with 3"):
        shown_by([sys.executable, "-c", "import sys; sys.exit(3)"], folder=tmp_path)
