"""Which folders are found, and where the search ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tithe.board import folders
from tithe.board.folders import RUN, SEARCH, SUITE

RUN_FILES = ("config.json", "data_report.json", "history.jsonl")
# Files of a folder, and what it is.
KINDS = {
    "run": (RUN_FILES, RUN),
    "begun": (("config.json", "environment.json"), RUN),
    "searching": (("config.json", "tuning/journal.log"), RUN),
    "no_config": (("data_report.json", "history.jsonl"), RUN),
    "encoder": (("config.json", "model.safetensors"), None),
    "data": (("rows.parquet", "history.jsonl"), None),
    "suite": (("suite.json", "trials/d2-0.1-0-0123456789ab.json"), SUITE),
    "begun_suite": (("trials/d2-0.1-0-0123456789ab.json",), SUITE),
    "other_trials": (("trials/notes.json",), None),
    "search": (("tuning.json", "tuning/journal.log"), SEARCH),
    "begun_search": (("tuning/journal.log",), SEARCH),
    "below/it": (RUN_FILES, RUN),
    ".hidden": (RUN_FILES, None),
    "run/checkpoints/copy": (RUN_FILES, None),
}


def make(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def test_what_is_found(tmp_path: Path) -> None:
    for name, (files, _) in KINDS.items():
        make(tmp_path / name, *files)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    found = folders.find(tmp_path)
    expected = {tmp_path / name: kind for name, (_, kind) in KINDS.items() if kind}
    assert found.places == expected and found.is_whole and list(found.places) == sorted(found.places)
    assert folders.find(tmp_path / "run").places == {tmp_path / "run": RUN}
    assert folders.find(tmp_path / "nothing").places == {}


LIMITS = {"_PLACES": 2, "_ENTRIES": 3, "_DEPTH": 0}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_said(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        make(tmp_path / name, *RUN_FILES)
    monkeypatch.setattr(folders, limit, LIMITS[limit])
    found = folders.find(tmp_path)
    assert len(found.places) < 3 and not found.is_whole
