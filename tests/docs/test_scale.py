"""What docs/scale.md says of many rows is what the benchmark printed, in both languages."""

from __future__ import annotations

import re

from support import docs

NAMES = {"read": "чтение", "near copies": "почти копии", "split": "разбиение"}


def model(page: str) -> dict[str, list[str]]:
    """Return the numbers of each stage in the table of what a row adds, as English writes them."""
    table = docs.text(page).split("µs · bytes of memory |" if "scale.ru" not in page else "мкс · байты памяти |")[1]
    found = {}
    for line in table.split("\n\n")[0].splitlines()[2:]:
        stage, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[stage.replace("`", "").replace("tithe ", "")] = re.findall(r"[\d.]+", " ".join(cells).replace(",", "."))
    return found


def test_the_model_is_that_of_the_published_growth() -> None:
    measured, said, in_russian = (model(page) for page in ("benchmarks/results/growth.md", *PAGES))
    assert len(said) >= 3 and said == measured
    assert in_russian == {NAMES.get(stage, stage): numbers for stage, numbers in measured.items()}


PAGES = ("docs/scale.md", "docs/scale.ru.md")
