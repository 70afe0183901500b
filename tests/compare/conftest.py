"""Finished runs that the tests of comparisons share, and copies of them to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.comparisons import RUNS, Make, train
from support.texts import make_texts, write_rows


@pytest.fixture(scope="session")
def made(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the real pipeline for each entry of RUNS."""
    folder = tmp_path_factory.mktemp("runs")
    texts, labels = make_texts(80)
    # A tenth of the labels is wrong: they can be learned by heart and nothing else.
    labels = [label if i % 5 else "space" for i, label in enumerate(labels)]
    rows = write_rows(tmp_path_factory.mktemp("rows") / "rows.parquet", texts, labels)
    other = write_rows(tmp_path_factory.mktemp("other") / "rows.parquet", *make_texts(60, classes=3))
    for name, sections in RUNS.items():
        train(folder / name, other if name == "data" else rows, tiny_bert, sections)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Make:
    """Copy what a comparison reads of a run, to be changed: without the manifest, which would tell."""

    def copied(name: str, as_name: str) -> Path:
        target = tmp_path / "copies" / as_name
        unread = shutil.ignore_patterns("checkpoints", "assets", "*.png", "manifest.json")
        shutil.copytree(made / name, target, ignore=unread)
        return target

    return copied
