"""All pages: links lead somewhere, commands exist, and what is promised at the top is there."""

import re

import pytest
from pages import CODE, ROOT, examples_of, first_cells, part, text_of

import mayhem_udp
from docs.workshop.__main__ import DEMO, pages
from docs.workshop.links import dead_links
from mayhem_udp.cli import failures
from mayhem_udp.cli.main import VERBS
from mayhem_udp.results import TransferResult

PAGES = sorted(pages())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    assert list(dead_links(page)) == []


def test_every_page_can_be_reached_from_the_readme():
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text("utf-8"))
        waiting += [(page.parent / each).resolve() for each in targets if "://" not in each]
    assert {page.relative_to(ROOT).as_posix() for page in set(PAGES) - seen} == set()


def test_every_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`|sudo )make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
        assert named <= targets, page


def test_the_readme_opens_with_what_it_is_two_commands_and_a_picture():
    opening = text_of("README.md").split("## ")[0]
    assert re.findall(r"^make (\w+)", opening, re.MULTILINE) == ["demo", "test"]
    assert "](docs/images/demo.svg)" in opening


def test_the_picture_shows_a_demo_that_went_well_and_loads_nothing():
    drawn = DEMO.read_text("utf-8").replace("&#160;", " ")
    assert "Every file came back whole." in drawn
    assert drawn.count("verified") == 5
    assert "url(http" not in drawn
    assert "@font-face" not in drawn


def test_the_readmes_python_example_runs(server_url, tmp_path, monkeypatch, capsys):
    ((_, example),) = examples_of(text_of("README.md"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "report.pdf").write_bytes(b"a report")
    exec(compile(example.replace("mayhem://localhost/", server_url), "README.md", "exec"), {})
    assert re.search(r"Mbit/s, SHA-256 [0-9a-f]{64}\nreport\.pdf 8\n", capsys.readouterr().out)


def test_every_verb_option_and_field_is_on_the_page_of_the_command():
    page = text_of("docs/cli.md")
    told = {word for words in first_cells(page.split("## ")[0]) for word in words}
    assert {each.split()[0] for each in told} == set(VERBS) | {"check", "default"}
    codes = [int(each) for each in re.findall(r"^\| (\d) \|", part(page, "## Exit codes"), re.MULTILINE)]
    errors = [getattr(mayhem_udp, name) for name in mayhem_udp.__all__ if name.endswith("Error")]
    assert codes == sorted({failures.DONE, *(error.exit_code for error in errors)})
    assert set(TransferResult.__dataclass_fields__) <= set(CODE.findall(part(page, "## Options")))


def test_every_option_of_a_transfer_is_on_the_page_of_the_command():
    from mayhem_udp.cli.verbs.put import command

    options = part(text_of("docs/cli.md"), "## Options")
    shared = {name for each in command.params for name in each.opts if name.startswith("--")}
    missing = {name for name in shared if f"`{name}" not in options}
    assert missing <= {
        "--recursive",
        "--verbose",
        "--quiet",
    }  # -r is with the verbs, -v and -q are there by that


def test_the_changelog_has_the_form_and_the_version():
    text = text_of("CHANGELOG.md")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", each) for each in headings[1:])
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
    }  # fmt: skip
