"""docs/library.md: its examples run as they stand, and its tables are those of the code."""

import inspect
import random
import re
from dataclasses import fields

import pytest
from pages import CODE, examples_of, first_cells, part, text_of

import mayhem_udp
from mayhem_udp.results import EntryKind, Phase

PAGE = text_of("docs/library.md")
EXAMPLES = examples_of(PAGE)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder of an example, with the files that it names."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("report.pdf", "2026/report.pdf"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(random.Random(name).randbytes(5_000))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def run(example, url):
    exec(compile(example.replace("mayhem://localhost/", url), "docs/library.md", "exec"), {})


@pytest.mark.parametrize("example", [pytest.param(code, id=f"line-{line}") for line, code in EXAMPLES])
def test_an_example_runs_as_it_stands(example, server_url, here, capsys):
    run(example, server_url)
    assert "False" not in capsys.readouterr().out


def test_the_examples_show_what_they_promise(server_url, here, capsys):
    for _, example in EXAMPLES:
        run(example, server_url)
    told = capsys.readouterr().out
    assert "2026/report.pdf at " in told
    assert "missing.pdf: " in told
    assert "NOT_FOUND there is no no/such/file" in told
    assert "done: 5000 of 5000" in told
    assert "the server hears: here comes a file" in told
    assert re.search(r"[1-9]\d* batches lost, whole: True", told)
    assert (here / "back" / "received_report.pdf").read_bytes() == (here / "report.pdf").read_bytes()


def test_every_method_is_on_the_page_with_its_arguments():
    shown = [words[0] for words in first_cells(part(PAGE, "## Methods"))]
    client = mayhem_udp.Client
    real = {name: value for name, value in vars(client).items() if not name.startswith("_")}
    assert {each.partition("(")[0] for each in shown} == set(real)
    for each in shown:
        name, _, arguments = each.rstrip(")").partition("(")
        wanted = [re.split(r"[:=]", word)[0].strip() for word in arguments.split(",") if word.strip()]
        given = [it for it in inspect.signature(real[name]).parameters if it != "self"]
        assert [it for it in wanted if it != "*"] == given or (name == "close" and not wanted)


def test_every_field_of_every_result_is_on_the_page():
    results = part(PAGE, "## Results")
    table = [word for words in first_cells(results) for word in words]
    assert table == [field.name for field in fields(mayhem_udp.TransferResult)]
    for kind in (mayhem_udp.TransferFailure, mayhem_udp.Entry, mayhem_udp.PingResult):
        paragraph = re.search(rf"\*\*`{kind.__name__}`\*\*:(.*?)(?:\n\n|\Z)", results, re.DOTALL)[1]
        assert {field.name for field in fields(kind)} <= set(CODE.findall(paragraph))
    assert {f'"{kind.value}"' for kind in EntryKind} <= set(CODE.findall(results))


def test_progress_is_on_the_page_with_all_its_fields_and_phases():
    progress = part(PAGE, "## Progress")
    table = [word for words in first_cells(progress) for word in words]
    assert table == [field.name for field in fields(mayhem_udp.Progress)]
    assert {phase.value for phase in Phase} <= set(CODE.findall(progress))


def test_every_error_is_on_the_page_with_its_exit_code():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d) \|$", part(PAGE, "## Errors"), re.MULTILINE)
    public = {name for name in mayhem_udp.__all__ if name.endswith("Error")}
    assert {name for name, _ in rows} == public
    for name, code in rows:
        assert getattr(mayhem_udp, name).exit_code == int(code)


def test_what_is_raised_in_the_progress_callback_ends_the_call(server_url, here):
    class EnoughError(Exception):
        pass

    def refuse(_progress):
        raise EnoughError

    with pytest.raises(EnoughError), mayhem_udp.connect(server_url, progress=refuse) as server:
        server.put("report.pdf")
