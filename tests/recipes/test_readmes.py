"""The READMEs of the recipes in their two languages, and the pages that quote what the program writes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from support.paths import ROOT

RUSSIAN = sorted((ROOT / "recipes").glob("*/README*.ru.md"))
MISTAKES = "".join((ROOT / f"docs/mistakes{end}.md").read_text(encoding="utf-8") for end in ("", ".ru"))
QUOTED = sorted(set(re.findall(r"`([^`]*…[^`]*)`", MISTAKES)))
LINES = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/log.ru.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("russian", RUSSIAN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_both_languages_show_the_same_code(russian: Path) -> None:
    def code(path: Path) -> list[str]:
        return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)

    assert code(russian) == code(russian.with_name(russian.name.replace(".ru", ""))) != []


@cache
def program() -> str:
    """Return all code with its strings as they are printed: joined, and with … for each value."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src/tithe").rglob("*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", code)
    return re.sub(r"%(\.\d+)?[sdgf]|\{[^{}]*\}", "…", joined).replace("%%", "%")


@pytest.mark.parametrize("line", [*LINES, *QUOTED])
def test_the_program_writes_the_line_that_the_page_explains(line: str) -> None:
    parts = [part.strip(" :") for part in line.split("…")]
    assert [part for part in parts if len(part) > 3 and part not in program()] == []
