"""Templates filled with plain data."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

import tithe
from support.pages import HOSTILE, Page
from support.paths import ROOT
from tithe.report import palette
from tithe.report.canvas import canvas, png
from tithe.report.html import Cell, Image, Table, render

pytestmark = pytest.mark.usefixtures("real_figures")

SOURCE = Path(tithe.__file__).parent


def suite_page(**values: Any) -> str:
    """The smallest of the pages, with values of its own where they are given."""
    picture = Image(png(canvas(1, 1)[0]), "nothing")
    usual = {"title": "t", "about": "a", "figures": [picture], "standings": Table(("name", "n"), [("x", 1)])}
    usual |= {
        "notes": [],
        "verdicts": [],
        "controls": Table((), []),
        "buys": False,
        "options": "",
        "steps": 20,
        "reader": "",
        "again": "tithe suite",
    }
    return render("suite.html", **{**usual, "tested": 0, "better": [], "worse": [], "training": "so long", **values})


def test_every_kind_of_value_is_escaped() -> None:
    image = Image(png(canvas(1, 1)[0]), HOSTILE)
    table = Table((HOSTILE, "n"), [(HOSTILE, Cell(HOSTILE, look=HOSTILE, dot=HOSTILE))])
    page = suite_page(
        title=HOSTILE, about=HOSTILE, figures=[image], standings=table, better=[HOSTILE], notes=[HOSTILE], again=HOSTILE
    )
    assert page.count("<script") == 1  # its own
    read = Page(page)
    assert read.rows[:2] == [[HOSTILE, "n"], [HOSTILE, HOSTILE]] and read.images[0]["alt"] == HOSTILE
    assert read.text.count(HOSTILE) == 9  # title, heading, about, a note, a list, three cells, the command


def test_cells_show_scores_counts_and_what_is_missing() -> None:
    page = Page(suite_page(standings=Table(("name", "score"), [("a_b", 0.5), ("c", 7), ("d", None), ("e", "x_y")])))
    assert page.rows[1:5] == [["a_b", "0.5000"], ["c", "7"], ["d", "–"], ["e", "x_y"]]


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'about' is undefined"):
        render("suite.html", title="t")


def test_pages_have_the_colors_of_figures() -> None:
    assert f"--ink:{palette.INK};" in suite_page()


@pytest.mark.skipif(find_spec("setuptools") is None, reason="builds a wheel without fetching its build system")
def test_the_wheel_holds_the_templates(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(SOURCE, tmp_path / "src/tithe", ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", build], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    files = set(zipfile.ZipFile(wheel).namelist())
    templates = [path.relative_to(SOURCE.parent).as_posix() for path in (SOURCE / "report/templates").iterdir()]
    assert len(templates) >= 6 and {*templates, "tithe/report/russian.json"} <= files


def strings(path: Path) -> str:
    """Every text constant of a file but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in prose)
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


ONE_PLACE = [
    (r"</?(?:html|head|body|h\d|p|table|tr|t[hd]|div|span|ul|li|img|style|section)\b", ["report/words.py"]),
    (r"#[0-9a-fA-F]{6}\b", ["report/palette.py"]),
]


@pytest.mark.parametrize(("pattern", "files"), ONE_PLACE, ids=["markup", "colors"])
def test_markup_is_in_templates_and_colors_are_in_the_palette(pattern: str, files: list[str]) -> None:
    hits = [path for path in SOURCE.rglob("*.py") if re.search(pattern, strings(path))]
    assert [path.relative_to(SOURCE).as_posix() for path in hits] == files


def test_every_figure_is_made_by_the_canvas() -> None:
    hits = [path for path in SOURCE.rglob("*.py") if re.search(r"\bFigure\(|FigureCanvas|pyplot\.", path.read_text())]
    assert [path.relative_to(SOURCE).as_posix() for path in hits] == ["report/canvas.py"]
