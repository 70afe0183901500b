"""The scripts of `docs/`, and the Markdown pages with what they show."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from types import ModuleType

from support.paths import ROOT

_ALSO = ("README.md", "README.ru.md")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def script(name: str) -> ModuleType:
    """Import a script of `docs/`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages() -> list[str]:
    """Return every page of the repository, by its path."""
    return [*_ALSO, *script("make_site").pages()]


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in a language."""
    return [code for name, code in _FENCE.findall(text(page)) if name == language]


@cache
def anchors(page: str) -> frozenset[str]:
    """Return what a link can name on a page: its headings, as hosts of repositories and the site write them."""
    names: list[str] = []
    for heading in re.findall(r"^#+ +(.*)$", re.sub(_FENCE, "", text(page)), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        names.append(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return frozenset(names)
