"""What the pages show is there: links lead somewhere, commands and options exist, code and configs are right."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

import tithe
from support import docs
from support.paths import ROOT
from tithe import config
from tithe.cli.main import root_command
from tithe.errors import InputError

PAGES = docs.pages()


def linked(page: str) -> list[str]:
    return [match[3] for match in docs.script("make_site").links(docs.text(page))]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    broken = []
    for target in linked(page):
        if re.match(r"\w+:", target):
            continue
        file = docs.script("make_site").resolve(page, target) if not target.startswith("#") else page
        anchor = target.partition("#")[2]
        if not (ROOT / file).exists() or (anchor and anchor not in docs.anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_has_words_for_those_who_do_not_see_it(page: str) -> None:
    pictures = [match for match in docs.script("make_site").links(docs.text(page)) if match[1]]
    assert all(match[2] for match in pictures)


PARSER = root_command()


def parse(words: list[str], whole: bool) -> str | None:
    """Parse a command as `tithe` would, without running it; return what is wrong."""
    command: Any = PARSER
    # A number of a sentence is a letter; a line in place of several has an ellipsis.
    rest = ["1" if word == "N" else word for word in words if whole or word != "…"]
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return None if rest and rest[0] in ("--help", "-V") else f"no command {rest}"
        command, rest = command.commands[rest[0]], rest[1:]
    try:
        command.make_context("tithe", rest)
    except Exception as error:
        fragment = not whole and type(error).__name__ in ("MissingParameter", "BadOptionUsage")
        return None if fragment else str(error)
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_command_has_arguments_and_options_that_exist(page: str) -> None:
    wrong = {" ".join(words): reason for words, whole in docs.commands(page) if (reason := parse(words, whole))}
    assert wrong == {}


def test_a_command_that_is_wrong_is_found() -> None:
    for words in (["trian", "x.yaml"], ["train", "x.yaml", "--ouut", "y"], ["train"], ["select", "x", "--budget", "y"]):
        assert parse(words, whole=True)
    assert parse(["train"], whole=False) is None and parse(["train", "--ouut", "y"], whole=False)


def test_a_name_that_does_not_exist_is_found() -> None:
    code = "import tithe\nfrom tithe.errors import InputError, Wrong\ntithe.train(tithe.trian)"
    assert sorted(name for module, name in attributes(ast.parse(code)) if not exists(module, name)) == [
        "Wrong",
        "trian",
    ]


def attributes(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of everything of tithe that code uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tithe":
            yield "tithe", node.attr
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tithe":
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles_and_its_names_exist(page: str) -> None:
    sources = docs.blocks(page, "python")
    sources += [re.sub(r"^(>>>|\.\.\.) ?", "", code, flags=re.MULTILINE) for code in docs.blocks(page, "pycon")]
    names = {name for source in sources for name in attributes(ast.parse(source))}
    missing = [name for module, name in names if not exists(module, name)]
    assert missing == []


def exists(module: str, name: str) -> bool:
    """Say whether a module has a name, by its source: importing it would cost seconds."""
    if module == "tithe" and name in tithe.__all__:
        return True
    path = ROOT / "src" / module.replace(".", "/")
    if (path / f"{name}.py").exists() or (path / name).is_dir():
        return True
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return source.exists() and bool(
        re.search(rf"^(?:def|class) {name}\b|^{name}\b.* = |\bimport\b.*\b{name}\b", source.read_text("utf-8"), re.M)
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_config_is_one(page: str) -> None:
    for code in docs.blocks(page, "yaml"):
        raw = YAML(typ="safe").load(code)
        model = config.parse({"data": {"path": "rows.parquet"}} | raw, (), source=page)
        assert json.loads(json.dumps(config.dump(model)))


def test_a_config_with_a_wrong_key_is_found() -> None:
    with pytest.raises(InputError, match="did you mean"):
        config.parse({"data": {"path": "rows.parquet"}, "train": {"epoch": 1}}, (), source="page")


# Russian pages that have an English one beside them.
IN_BOTH = [page for page in PAGES if page.endswith(".ru.md") and page.replace(".ru.md", ".md") in PAGES]


def shown_code(page: str) -> list[str]:
    """Return the lines of code of a page, less comments and what a reader puts in place: quoted texts, `<names>`."""
    blocks = [code for code in docs.script("make_site").code(docs.text(page)) if not re.fullmatch(r"`[^`\n]+`", code)]
    lines = [re.sub(r"(^|\s+)# .*$", "", line) for code in blocks for line in code.splitlines()]
    return [" ".join(re.sub(r"'[^']*'|\"[^\"]*\"|<[^>]*>", "…", line).split()) for line in lines if line.strip()]


def numbers(page: str) -> list[float]:
    """Return the numbers in the sentences and tables of a page, sorted.

    English writes 4,000 and .5, Russian 4 000 and 0,5.
    """
    text = docs.script("make_site").without_code(docs.text(page))
    if page.endswith(".ru.md"):
        text = re.sub(r"(?<=\d)\s(?=\d{3}\b)", "", text)
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    else:
        text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
        text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    return sorted(float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", text))


# Recipes have trees of folders, whose words are translated.
@pytest.mark.parametrize("page", [page for page in IN_BOTH if not page.startswith("recipes/")])
def test_both_languages_show_the_same_code(page: str) -> None:
    assert shown_code(page) == shown_code(page.replace(".ru.md", ".md"))


@pytest.mark.parametrize("page", IN_BOTH)
def test_both_languages_say_the_same_numbers(page: str) -> None:
    assert numbers(page) == numbers(page.replace(".ru.md", ".md"))


@pytest.mark.parametrize("page", IN_BOTH)
def test_both_languages_have_the_same_headings(page: str) -> None:
    russian, english = (headings(name) for name in (page, page.replace(".ru.md", ".md")))
    assert russian == english


def headings(page: str) -> list[int]:
    """Return the levels of the headings of a page, in their order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", docs.script("make_site").without_code(docs.text(page)), re.M)]


@pytest.mark.parametrize("page", PAGES)
def test_code_in_a_sentence_stays_on_its_line(page: str) -> None:
    """Such code is found a line at a time, here and by the site: half of it would be taken for a sentence."""
    broken = [line for line in docs.script("make_site").without_code(docs.text(page)).splitlines() if "`" in line]
    assert broken == []


@pytest.mark.parametrize("page", IN_BOTH)
def test_pages_in_two_languages_lead_to_each_other(page: str) -> None:
    english = page.replace(".ru.md", ".md")
    assert english in targets(page)[:2] and page in targets(english)[:2]


@pytest.mark.parametrize("page", [page for page in PAGES if page.endswith(".ru.md")])
def test_a_russian_page_leads_to_russian_pages_where_there_are_any(page: str) -> None:
    own = page.replace(".ru.md", ".md")
    also = {target for target in targets(page) if target != own and target.replace(".md", ".ru.md") in PAGES}
    assert also == set()


def targets(page: str) -> list[str]:
    """Return the files that a page leads to, by their paths in the repository, in its order."""
    return [docs.script("make_site").resolve(page, target) for target in linked(page)]


def test_a_page_that_is_only_in_english_is_named_on_a_russian_one() -> None:
    tables_and_notes = ("benchmarks/results/", "recipes/")  # notes: a line in an empty folder on what belongs there
    english = [page for page in PAGES if not page.endswith(".ru.md") and not page.startswith(tables_and_notes)]
    only = [page for page in english if page.replace(".md", ".ru.md") not in PAGES]
    assert "docs/config.md" in only
    assert [page for page in only if page not in targets("docs/reference.ru.md")] == [], "name it there"


def test_the_russian_reference_has_every_section_of_a_config() -> None:
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", docs.text("docs/reference.ru.md"), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(cells))) == sorted(config.Run.model_fields)


def test_the_numbers_of_the_strategies_are_in_the_results_that_they_link_to() -> None:
    page, resolve = "docs/which_strategy.md", docs.script("make_site").resolve
    lines = [line for line in docs.text(page).splitlines() if line.startswith("| ") and "results/" in line]
    assert len(lines) > 5
    for line in lines:
        results = "".join(docs.text(resolve(page, target)) for target in re.findall(r"\]\(([^)]+)\)", line))
        shares = re.findall(r"\d+\.\d %", line)
        assert shares and [share for share in shares if share not in results] == [], line
        measured = [float(number) for number in re.findall(r"\b[01]\.\d+\b", results)]
        for chance in re.findall(r"\bp \.(\d+)", line):
            assert f"0.{chance}" in [f"{number:.{len(chance)}f}" for number in measured], line
