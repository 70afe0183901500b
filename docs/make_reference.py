"""Write `docs/config.md` from the config models, and `docs/reference/python.md` from the docstrings of `tithe`.

A test fails if a page and the code differ.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tithe
from tithe import config, errors, plugins
from tithe.config.explain import explain
from tithe.predict.explanation import Explanation
from tithe.predict.prediction import Prediction

_HEAD = "| setting | type | default | meaning |\n|---|---|---|---|\n"
_WIDTH = 100  # of a signature on one line
_ERRORS = (errors.TitheError, errors.InputError, errors.Interrupted)
_PYTHON = """# The Python reference

Written by `make docs` from the docstrings of `tithe`; [From Python](../python.md) shows how they are used together.
Everything below is an attribute of `tithe`, but for the results, which the functions return, and the errors.
"""


def reference() -> str:
    """Return the page of settings: the native ones, then those of every documented format."""
    parts = ["# Settings\n\nWritten by `make docs` from the code; `tithe config explain` prints the same.\n"]
    models = {"native": config.Run}
    models |= {f"recipe `{name}`": plugins.load("formats", name).Config for name in plugins.names("formats")}
    for title, model in models.items():
        rows = (f"| `{k}` | {t.replace('|', '·')} | `{d}` | {m} |\n" for k, t, d, m in explain(model))
        parts.append(f"\n## {title.capitalize()}\n\n{_HEAD}{''.join(rows)}")
    return "".join(parts)


def python_reference() -> str:
    """Return the page of Python: functions, the estimator, what the functions return, and errors."""
    names = [name for name in tithe.__all__ if callable(getattr(tithe, name)) and name != "Run"]
    public = {name: getattr(tithe, name) for name in names}
    functions = {name: each for name, each in public.items() if inspect.isfunction(each)}
    results = dict.fromkeys(typing.get_type_hints(each)["return"] for each in functions.values())
    results |= dict.fromkeys((Prediction, Explanation))
    parts = [_PYTHON, "\n## Functions\n", *(_entry(f"tithe.{name}", each) for name, each in functions.items())]
    parts += ["\n## For scikit-learn\n"]
    parts += [_entry(f"tithe.{name}", each) + _members(each) for name, each in public.items() if inspect.isclass(each)]
    parts += ["\n## Results\n", *(_class(each) for each in sorted(results, key=lambda each: each.__name__))]
    parts += ["\n## Errors\n", *(f"\n### {each.__name__}\n\n{_page(each)}" for each in _ERRORS)]
    return "".join(parts)


def _entry(name: str, public: Callable[..., Any]) -> str:
    """Return the heading, signature and text of a function, or of a class that is made by its users."""
    return f"\n### {name}\n\n```text\n{_signature(name, public)}\n```\n\n{_page(public)}"


def _class(result: type) -> str:
    """Return the heading, text, and public properties and methods of what a function returns."""
    about = "\n[Every setting](../config.md).\n" if result is config.Run else _members(result)
    return f"\n### {result.__name__}\n\n{_page(result)}{about}"


def _members(documented: type) -> str:
    """Return a list of the public methods and properties, each with the first sentence about it."""
    items = "".join(_member_items(documented))
    return items and f"\n**Methods and properties**\n\n{items}"


def _member_items(documented: type) -> Iterator[str]:
    for name, member in vars(documented).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        call = "" if isinstance(member, property) else f"({_parameters(function)})"
        yield f"- `{name}{call}`: {_joined(inspect.cleandoc(function.__doc__).split(chr(10) * 2)[0])}\n"


def _parameters(function: Callable[..., Any]) -> str:
    """Return the names of a method's parameters."""
    return ", ".join(name for name in inspect.signature(function).parameters if name != "self")


def _signature(name: str, public: Callable[..., Any]) -> str:
    """Return a signature on one line, or with a line for each parameter if that is too long."""
    signature = inspect.signature(public)
    parts = []
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        stars = "**" if each.kind is each.VAR_KEYWORD else ""
        default = "" if each.default is each.empty else f" = {each.default!r}"
        parts.append(f"{stars}{each.name}: {each.annotation}{default}")
    returns = "" if inspect.isclass(public) else f" -> {signature.return_annotation}"
    line = f"{name}({', '.join(parts)}){returns}"
    return line if len(line) <= _WIDTH else f"{name}(\n    {f',{chr(10)}    '.join(parts)},\n){returns}"


def _page(documented: object) -> str:
    """Return a docstring as Markdown: its text, then a list for each of its sections, and its examples as code."""
    text = inspect.cleandoc(documented.__doc__ or "")
    text = re.sub(r"docs/(\w+)\.md", r"[\1](../\1.md)", text)
    head, *sections = re.split(r"^(\w+)\n-{3,}\n", text, flags=re.MULTILINE)
    parts = [f"{head.strip()}\n"]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        shown = f"```pycon\n{body.strip()}\n```\n" if title == "Examples" else "".join(_items(body))
        parts.append(f"\n**{title}**\n\n{shown}")
    return "".join(parts)


def _items(body: str) -> Iterator[str]:
    """Yield a list item for each entry of a section: a line with its names, then indented lines about it."""
    for names, about in re.findall(r"^(\S.*)\n((?:[ ]{4}.*\n?|\n)*)", body, re.MULTILINE):
        shown = ", ".join(f"`{name}`" for name in names.split(", "))
        yield f"- {shown}: {_joined(about)}\n"


def _joined(lines: str) -> str:
    return " ".join(lines.split())


PAGES = {"config.md": reference, "reference/python.md": python_reference}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(__file__).parent / name).write_text(page(), encoding="utf-8")
