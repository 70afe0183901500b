"""The READMEs of the recipes in their two languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.paths import ROOT

RUSSIAN = sorted((ROOT / "recipes").glob("*/README.ru.md"))


@pytest.mark.parametrize("russian", RUSSIAN, ids=lambda path: path.parent.name)
def test_both_languages_show_the_same_code(russian: Path) -> None:
    def code(path: Path) -> list[str]:
        return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)

    assert code(russian) == code(russian.with_name("README.md")) != []
