"""The scripts of `docs/`, and the Markdown pages with what they show."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from support.paths import ROOT

_ALSO = ("README.md", "README.ru.md")
# A command at the beginning of a line of code; after these words another program starts it.
_COMMAND = re.compile(r"^(?:\$ |srun |nohup |uv run |use it +|torchrun .* -m )?tithe (.*)$")
_END = re.compile(r" (?:\||&&?|;|2?>)(?: |$)")  # where a command ends and another word of the shell begins
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


def commands(page: str) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of every command of tithe, and whether it is whole: a line of code, not of a sentence."""
    for code in script("make_site").code(text(page)):
        whole = not re.fullmatch(r"`[^`\n]+`", code)
        for line in code.strip("`").splitlines():
            if found := _COMMAND.match(line.strip()):
                yield shlex.split(_END.split(found[1])[0], comments=True), whole
