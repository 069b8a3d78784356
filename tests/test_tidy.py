"""The house rules, as far as a program can check them: what CONTRIBUTING.md says, this holds.

Owns the sizes, names and words that are allowed in this repository. What ruff, mypy and the contracts of
import-linter (pyproject.toml) can check is checked there; the contracts are run here too, since they are
the architecture. A rule that has to give way does so in ALLOWED, with a reason, and only as long as it is
needed.
"""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from importlinter.cli import lint_imports

ROOT: Final = Path(__file__).resolve().parents[1]
FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
DOCSTRING_WORDS_MIN: Final = 4
TEST_NAME_WORDS_MIN: Final = 3

ALLOWED: Final[dict[str, str]] = {}
"""What may break a size, as "path" or "path::function", and why."""

VAGUE_NAMES: Final = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "data2"}

LEFTOVERS: Final = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|NotImplementedErro[r])\b")

PRIVATE_PLACES: Final = re.compile(
    r"/wor[k]/|/roo[t]/|/hom[e]/\w"
    r"|file:/{3}"
    r"|https?://[\w.:-]*(?:pyp[i]|mirro[r]|artifactor[y]|nexu[s]|devp[i])[\w.:-]*"
    r"|-index-ur[l][= ]+\w+:"
)
"""Places that exist on one machine only, and hosts of package indexes. (Written so as not to match itself.)"""

SUPPRESSIONS: Final = re.compile(
    r"#\s*(?:(?:ruff|flake8):\s*)?noqa\b(?P<codes>:\s*[A-Z]+[0-9]+(?:\s*,\s*[A-Z]+[0-9]+)*)?(?P<noqa>.*)"
    r"|#\s*type:\s*ignore(?P<kinds>\[[\w\s,-]+\])?(?P<ignore>.*)"
)
REASON: Final = re.compile(r"\s+#\s*\S.{2,}")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository, new ones included, what git ignores left out."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    files = (ROOT / name for name in listing.split("\0") if name)
    return tuple(sorted(file for file in files if file.is_file()))


@pytest.fixture(autouse=True)
def _needs_git() -> None:
    if not (ROOT / ".git").exists() and not os.environ.get("CI"):
        pytest.skip("not a git checkout: nobody knows which files belong to the project")


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Path, text and syntax tree of every Python file."""
    for file in tracked():
        if file.suffix == ".py":
            text = file.read_text("utf-8")
            yield place(file), text, ast.parse(text, str(file))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of_text() -> Iterator[tuple[str, str]]:
    """Every line of every text file, with its place."""
    for file in tracked():
        data = file.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            yield f"{place(file)}:{number}", line


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def oversized() -> dict[str, str]:
    """Files and functions above their limit, each with what is wrong with it."""
    found: dict[str, str] = {}
    for path, text, tree in modules():
        if (lines := len(text.splitlines())) > FILE_LINES_MAX:
            found[path] = f"{lines} lines, more than {FILE_LINES_MAX}: which second idea is in it?"
        for function in functions(tree):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                found[f"{path}::{function.name}"] = (
                    f"line {function.lineno}: {lines} lines, more than {FUNCTION_LINES_MAX}"
                )
    return found


def refuse(faults: list[str], rule: str) -> None:
    """Fail with the rule and every place that breaks it."""
    if faults:
        pytest.fail(rule + "\n" + "\n".join(f"  {fault}" for fault in faults), pytrace=False)


def test_every_module_says_what_it_owns() -> None:
    faults = []
    for path, _, tree in modules():
        docstring = ast.get_docstring(tree) or ""
        first = docstring.split("\n\n")[0].rstrip()
        if not docstring:
            faults.append(f"{path}: no docstring")
        elif not first.endswith((".", ":", "?", "!")):
            faults.append(f"{path}: its docstring does not begin with a sentence: {first!r}")
        elif len(first.split()) < DOCSTRING_WORDS_MIN:
            faults.append(f"{path}: {first!r} says too little")
    refuse(faults, "A module opens with what it owns:")


def test_no_two_modules_say_the_same_of_themselves() -> None:
    said = Counter(ast.get_docstring(tree) for _, _, tree in modules())
    refuse([repr(text) for text, times in said.items() if text and times > 1], "Copied docstrings:")


def test_files_hold_one_idea_and_functions_fit_on_a_screen() -> None:
    faults = [f"{what}: {wrong}" for what, wrong in oversized().items() if what not in ALLOWED]
    refuse(faults, "Too long (split it, or add it to ALLOWED with a good reason):")


def test_allowances_are_used_and_have_reasons() -> None:
    stale = [f"{what}: fits by now, take it out" for what in ALLOWED if what not in oversized()]
    bare = [f"{what}: why?" for what, reason in ALLOWED.items() if len(reason.split()) < DOCSTRING_WORDS_MIN]
    refuse(stale + bare, "ALLOWED in tests/test_tidy.py:")


def test_names_say_what_is_inside() -> None:
    faults = [place(file) for file in tracked() if VAGUE_NAMES & set(re.split(r"[._-]", file.name.lower()))]
    folders = {parent for file in tracked() for parent in file.relative_to(ROOT).parents}
    faults += [str(folder) for folder in sorted(folders) if folder.name.lower() in VAGUE_NAMES]
    refuse(faults, f"A name for everything ({', '.join(sorted(VAGUE_NAMES))}) is a name for nothing:")


def test_no_two_test_files_have_the_same_name() -> None:
    """Without packages in tests/, pytest knows test files and what they import by their base name."""
    names = Counter(file.name for file in tracked() if "tests" in file.relative_to(ROOT).parts[:1])
    shared = {name for name, times in names.items() if times > 1 and name.endswith(".py")} - {"conftest.py"}
    refuse(
        [place(file) for file in tracked() if file.name in shared and "tests" in file.parts], "Same names:"
    )


def test_tests_are_sentences() -> None:
    faults = [
        f"{path}:{function.lineno}: {function.name}"
        for path, _, tree in modules()
        if path.startswith("tests/")
        for function in functions(tree)
        if function.name.startswith("test_") and len(function.name.split("_")) - 1 < TEST_NAME_WORDS_MIN
    ]
    refuse(faults, "A test's name is a sentence:")


def test_tests_neither_sleep_nor_mock() -> None:
    """A test that has to wait for a clock, or to replace our own parts, shows that a seam is missing."""

    def is_refused(node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr="sleep")) | ast.Call(func=ast.Name(id="sleep")):
                return True
            case ast.ImportFrom(module="unittest.mock" | "mock"):
                return True
            case ast.ImportFrom(module="unittest", names=names) | ast.Import(names=names):
                return any(name.name in {"mock", "unittest.mock"} for name in names)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="monkeypatch"), attr="setattr")):
                return True
        return False

    refuse(places_in_tests(is_refused), "Tests neither sleep nor replace internals:")


def places_in_tests(is_refused: Callable[[ast.AST], bool]) -> list[str]:
    return [
        f"{path}:{getattr(node, 'lineno', 0)}: {ast.unparse(node).splitlines()[0]}"
        for path, _, tree in modules()
        if path.startswith("tests/")
        for node in ast.walk(tree)
        if is_refused(node)
    ]


def test_nothing_is_left_for_later() -> None:
    faults = [f"{where}: {line.strip()}" for where, line in lines_of_text() if LEFTOVERS.search(line)]
    refuse(faults, "Finish it, or file an issue:")


def test_no_file_names_a_place_of_one_machine() -> None:
    faults = [f"{where}: {line.strip()}" for where, line in lines_of_text() if PRIVATE_PLACES.search(line)]
    refuse(faults, "Places that a reader's machine does not have:")


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    faults = []
    for path, text, _ in modules():
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.COMMENT or (found := SUPPRESSIONS.search(token.string)) is None:
                continue
            rest = found["noqa"] if found["noqa"] is not None else found["ignore"]
            if not (found["codes"] or found["kinds"]) or not REASON.match(rest):
                faults.append(f"{path}:{token.start[0]}: {token.string}")
    refuse(faults, "A suppression has the form `# noqa: CODE  # reason`:")


def test_third_party_imports_are_exactly_what_pyproject_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[<>=~!\[; ]", line)[0].replace("-", "_") for line in project["dependencies"]}
    imported = {
        name.partition(".")[0]
        for path, _, tree in modules()
        if path.startswith("mayhem_udp/")
        for node in ast.walk(tree)
        for name in imported_by(node)
    }
    assert imported - sys.stdlib_module_names - {"mayhem_udp"} == declared


def imported_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [name.name for name in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
    return []


def test_the_layers_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)  # and taken back afterwards, with what the linter adds
    exit_code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    report = capsys.readouterr().out
    if exit_code:
        pytest.fail(f"Imports against the contracts in pyproject.toml:\n{report}", pytrace=False)
    assert "Imports go downward KEPT" in report
