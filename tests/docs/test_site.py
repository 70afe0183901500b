"""The site that zensical builds of the pages: without warnings, with all pages, and nothing from another host."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from support import docs

_MISSING = importlib.util.find_spec("zensical") is None
_PICTURE_BYTES = 200_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if _MISSING:
        pytest.skip("zensical is not installed: pip install 'tithe[docs]'")
    folder = tmp_path_factory.mktemp("site") / "site"
    docs.script("make_site").build(folder)
    return folder


def test_every_page_is_on_the_site_and_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    place = docs.script("make_site").place
    assert [page for page in docs.pages() if not (site / place(page).url).is_file()] == []
    loading = re.compile(
        r"<(?:link|script|img|iframe|source)\b[^>]*?(?:href|src)=[\"']?(?:https?:)?//[^\"'> ]*|@import|url\("
    )
    for page in site.rglob("*.html"):
        assert loading.findall(page.read_text(encoding="utf-8")) == [], page
    for style in site.rglob("*.css"):
        assert re.findall(r"url\([\"']?(?:https?:)?//", style.read_text(encoding="utf-8")) == [], style


def test_the_search_has_both_languages(site: Path) -> None:
    for folder, word in ((site, "labelled"), (site / "ru", "ошибок")):
        assert word in json.dumps(json.loads((folder / "search.json").read_text("utf-8")), ensure_ascii=False)
    assert '<html lang="ru"' in (site / "ru/index.html").read_text("utf-8")


def test_a_menu_leads_to_every_page_of_docs() -> None:
    make_site = docs.script("make_site")
    for language in make_site.LANGUAGES:
        menu = json.dumps(make_site.settings(language)["nav"], ensure_ascii=False)
        pages = [page for page in make_site.pages() if page.startswith("docs/")]
        own = [make_site.place(page).path for page in pages if make_site.place(page).language == language]
        assert [str(path) for path in own if f'"{path}"' not in menu] == []


def test_links_are_those_of_the_site() -> None:
    make_site = docs.script("make_site")
    known = set(make_site.pages())
    page = make_site.adapted("docs/experiments.md", known)
    assert "[Эксперименты, которым можно доверять](ru/experiments.html)" in page
    assert "[finetune_pipeline](recipes/finetune_pipeline/README.md)" in page
    russian = make_site.adapted("docs/use.ru.md", known)
    assert "[Предсказания](predictions.md)" in russian
    assert "[Architecture](../ARCHITECTURE.html)" in make_site.adapted("docs/reference.ru.md", known)
    recipe = make_site.adapted("recipes/data_efficiency/README.md", known)
    assert "| tasks/text.py, models/classifier.py |" in recipe, "the name of a file of code stays as it is"


def test_pictures_are_small() -> None:
    pictures = list((docs.ROOT / "docs").rglob("*.png"))
    assert pictures and all(picture.stat().st_size <= _PICTURE_BYTES for picture in pictures)
