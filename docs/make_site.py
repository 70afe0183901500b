"""Build the site of all Markdown pages into `site/`: English at its root, Russian in `ru/`.

The pages stay what they are in the repository: they are copied, with their links adapted, and zensical renders the
copies, a language at a time. It checks every link and heading, and a warning is an error. Nothing on the site comes
from another host: fonts are the system's, and the search runs in the browser on an index that is part of the site.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/**/*.md", "recipes/**/*.md", "benchmarks/**/*.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
STAND_INS = {"README.md": "docs/index.md", "README.ru.md": "docs/index.ru.md"}  # pages of the repository only
LANGUAGES = {"en": "", "ru": "ru/"}

_CODE = re.compile(r"^```.*?^```$|(?<=\n\n)(?: {4}[^\n]*\n+)+|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


class Place(NamedTuple):
    """Where a page is on the site: its language, and its path among the pages of that language."""

    language: str
    path: PurePosixPath

    @property
    def url(self) -> PurePosixPath:
        """The path of the rendered page, from the root of the site."""
        name = self.path.with_name("index.html") if self.path.name == "README.md" else self.path.with_suffix(".html")
        return LANGUAGES[self.language] / name


def place(page: str) -> Place:
    """Return where a page of the repository is on the site; the folder `docs` is its root."""
    path = PurePosixPath(STAND_INS.get(page, page))
    russian = path.name.endswith(".ru.md")
    path = path.with_name(path.name.replace(".ru.md", ".md"))
    return Place("ru" if russian else "en", path.relative_to("docs") if path.parts[0] == "docs" else path)


def pages() -> list[str]:
    """Return every page of the site, as its path in the repository."""
    found = {str(path.relative_to(ROOT)) for pattern in PAGES for path in ROOT.glob(pattern)}
    return sorted(name for name in found if not {".venv", "runs", "artifacts", "checkpoints"} & set(Path(name).parts))


def without_code(text: str) -> str:
    """Return Markdown with a dot for each character of its code, so that places stay the same."""
    return _CODE.sub(lambda code: re.sub(r"[^\n]", "·", code[0]), text)


def code(text: str) -> list[str]:
    """Return the code of a page: fenced and indented blocks, and spans in sentences."""
    return [match[0] for match in _CODE.finditer(text)]


def links(text: str) -> Iterator[re.Match[str]]:
    """Yield every link and picture of a page; of a match, the third group is the target."""
    yield from _LINK.finditer(without_code(text))


def resolve(page: str, target: str) -> str:
    """Return the path in the repository that a link of a page leads to, without its anchor."""
    return os.path.normpath(PurePosixPath(page).parent / target.partition("#")[0])


def adapted(page: str, known: set[str]) -> str:
    """Return the text of a page with links as they are on the site; of a link to no page the words stay."""
    text = (ROOT / page).read_text(encoding="utf-8")
    parts, end = [], 0
    for match in links(text):
        picture, (start, stop), target = match[1], match.span(2), match[3]
        parts += [text[end : match.start()], _adapted(page, known, picture, text[start:stop], target)]
        end = match.end()
    return "".join([*parts, text[end:]])


def _adapted(page: str, known: set[str], picture: str, words: str, target: str) -> str:
    file, anchor = resolve(page, target), "".join(target.partition("#")[1:])
    if re.match(r"\w+:|#", target):
        return f"{picture}[{words}]({target})"
    if file in known or file in STAND_INS:
        words = _title(file) if words == PurePosixPath(file).name else words
        return f"[{words}]({_href(place(page), place(file))}{anchor})"
    return f"![{words}]({_relative(PurePosixPath(_placed(file)), place(page).path)})" if picture else words


def _title(page: str) -> str:
    """Return the first heading of a page, in place of the name of its file, which the site does not show."""
    return re.sub(r"^#+ +", "", (ROOT / STAND_INS.get(page, page)).read_text(encoding="utf-8").partition("\n")[0])


def _href(source: Place, target: Place) -> str:
    """Return a link between pages: to a file of Markdown, or to a rendered page of the other language."""
    if source.language == target.language:
        return _relative(target.path, source.path)
    return _relative(target.url, source.url)


def _relative(target: PurePosixPath, source: PurePosixPath) -> str:
    return os.path.relpath(target, source.parent)


def _placed(file: str) -> str:
    """Return the path of a picture among the pages."""
    return file.removeprefix("docs/")


def stage(language: str, folder: Path) -> None:
    """Write the pages of a language, all pictures and the style to a folder, as zensical reads them."""
    known = set(pages())
    for page in known:
        if (where := place(page)).language == language:
            target = folder / where.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(adapted(page, known), encoding="utf-8")
    for other in (*ROOT.glob("docs/**/*.png"), ROOT / "docs/site.css"):
        target = folder / _placed(str(other.relative_to(ROOT)))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(other, target)


def settings(language: str) -> dict[str, Any]:
    """Return zensical's settings for a language: those of both, its name and its navigation."""
    raw = YAML(typ="safe").load(ROOT / "docs/site.yaml")
    shown = {"nav": list(map(_navigation, raw[language]["nav"]))}
    return (
        raw["both"]
        | {k: v for k, v in raw[language].items() if k != "theme"}
        | shown
        | {
            "docs_dir": "pages",
            "site_dir": "out",
            "theme": raw["both"]["theme"] | raw[language]["theme"],
            "extra": raw["both"]["extra"] | {"alternate": _alternates(language)},
        }
    )


def _navigation(entry: Any) -> Any:
    """Return an entry with its pages where they are on the site; a pattern becomes the pages that it matches."""
    if isinstance(entry, str):
        return str(place(entry).path)
    ((title, value),) = entry.items()
    if isinstance(value, str) and "*" in value:
        return {title: [str(place(page).path) for page in pages() if PurePosixPath(page).match(value)]}
    return {title: list(map(_navigation, value)) if isinstance(value, list) else str(place(value).path)}


def _alternates(language: str) -> list[dict[str, str]]:
    """Return the links of the language menu, from the root of one language to those of all."""
    names = {"en": "English", "ru": "Русский"}
    up = "../" if LANGUAGES[language] else "./"
    return [{"name": names[lang], "lang": lang, "link": f"{up}{LANGUAGES[lang]}index.html"} for lang in LANGUAGES]


def build(out: Path) -> None:
    """Build the site into a folder, replacing what is there; raise if zensical warns."""
    shutil.rmtree(out, ignore_errors=True)
    for language, below in LANGUAGES.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stage(language, folder / "pages")
            (folder / "mkdocs.yml").write_text(json.dumps(settings(language), ensure_ascii=False), encoding="utf-8")
            _render(folder)
            shutil.copytree(folder / "out", out / below, dirs_exist_ok=True)


def _render(folder: Path) -> None:
    """Run zensical in a folder; raise with its warnings, if there are any, without colours and traceback."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(folder / "mkdocs.yml")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        raise RuntimeError(f"zensical warns of pages:\n{plain.partition('Traceback')[0]}")


if __name__ == "__main__":
    build(ROOT / "site")
