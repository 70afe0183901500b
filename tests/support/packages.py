"""Packages of other people: modules and a real `.dist-info` in a folder, as pip leaves them."""

from __future__ import annotations

from pathlib import Path


def install(site: Path, name: str, modules: dict[str, str], version: str = "1.0", **entry_points: str) -> None:
    """Write a distribution; each keyword is a family and the lines `member = module` of its entry points."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = (f"[tithe.{family}]\n{lines}\n" for family, lines in entry_points.items())
    (info / "entry_points.txt").write_text("\n".join(groups))
    for module, code in modules.items():
        (site / f"{module}.py").write_text(code)


STRATEGY = """
NEEDS = ("lengths",)
def score(pool, rng, options):
    return -1.0 * pool.lengths
"""
READER = """
from tithe.data.readers import check, lists
SUFFIXES = {suffixes}
def read(path, text_column, label_column):
    names, *rows = [line.split("|") for line in path.read_text().splitlines()]
    check(path, text_column, label_column, names)
    at = names.index(text_column)
    yield from lists((row[at], row[names.index(label_column)] if label_column else None) for row in rows)
"""
