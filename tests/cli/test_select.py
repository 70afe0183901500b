"""`tithe select` and `tithe suite`: what they write, and wrong questions in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from support.pages import Page
from tithe import plugins, storage

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]
ELEVEN = plugins.names("strategies")


# ---- one selection


@pytest.mark.parametrize("name", ELEVEN)
def test_the_command_writes_what_each_strategy_keeps(
    name: str,
    rows: Path,
    tiny_bert: Path,
    tmp_path: Path,
    tithe: Tithe,
) -> None:
    out = tmp_path / "picks.parquet"
    asked = ["select", rows, "--strategy", name, "--budget", "0.1", "--out", out, "--encoder", tiny_bert]
    code, _, err = tithe(*asked, "--max-length", 32)
    assert code == 0, err
    table = pq.read_table(out)
    count = 120 if name == "all" else 12
    assert table.column_names == ["id", "rank", "score", "round"] and len(table) == count
    ids = table.column("id").to_pylist()
    assert ids == sorted(set(ids)) and min(ids) >= 0 and max(ids) < 120
    assert sorted(table.column("rank").to_pylist()) == list(range(count))
    recorded = json.loads(table.schema.metadata[b"tithe"])
    assert (
        recorded["strategy"] == name and recorded["pool"] == 120 and set(recorded["seconds"]) == {"signals", "choice"}
    )
    assert storage.read_json(tmp_path / "picks.json") == recorded
    with Image.open(tmp_path / "picks.png") as picture:
        assert picture.width > 3 * picture.height - 200, "a map and two histograms, whatever the strategy reads"


@pytest.mark.parametrize(
    "more, says",
    [
        (["--strategy", "k_centre"], "did you mean 'k_center'"),
        (["--budget", "0"], "budget = 0.0 should be greater than 0"),
        (["--budget", "1.5"], "budget = 1.5 should be less than or equal to 1"),
        (["--strategy", "el2n", "--option", "drop=1"], "unknown key 'drop' in select.options of el2n"),
        (["--budget", "0.001"], "fewer than the 2 that 2 classes need"),
        (["--explain", "120"], "row 120 is not among the 120 rows"),
        (["--out", "picks.json"], "--out picks.json is not a .parquet file: write for example --out picks.parquet"),
    ],
)
def test_a_wrong_question_is_one_line(
    more: list[str],
    says: str,
    rows: Path,
    tiny_bert: Path,
    tmp_path: Path,
    tithe: Tithe,
) -> None:
    asked = ["select", rows, "--out", tmp_path / "picks.parquet", "--encoder", tiny_bert, "--max-length", 32, *more]
    code, _, err = tithe(*asked)
    assert code == 2 and says in err[-1] and not list(tmp_path.glob("picks.*"))


def test_a_selection_buries_nothing(settings: Settings, tmp_path: Path, tithe: Tithe) -> None:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(settings()))
    code, _, err = tithe("select", file, "--out", tmp_path / "small.parquet")
    assert code == 2 and err == [f"error: --out {tmp_path}/small.parquet would overwrite {file}: choose another name"]
    assert json.loads(file.read_text()) == settings() and not (tmp_path / "small.png").exists()


# ---- the suite


def test_the_command_ends_with_a_table(rows: Path, tiny_bert: Path, tmp_path: Path, tithe: Tithe) -> None:
    asked = ["suite", rows, "--strategies", "k_center,el2n", "--seeds", "0,1", "--budgets", "0.2", "--max-length", 32]
    code, said, err = tithe(*asked, "--encoder", tiny_bert, "--out", tmp_path / "suite")
    assert code == 0, err
    found = storage.read_json(tmp_path / "suite/suite.json")
    assert {line["strategy"] for line in found["standings"]} == {"all", "random", "k_center", "el2n"}
    assert "as many optimizer steps as on all rows" in said and "k_center 20 %" in said
    assert (tmp_path / "suite/suite.md").read_text().startswith("| strategy")
    assert "k_center 20 %" in Page((tmp_path / "suite/suite.html").read_text()).text
    with Image.open(tmp_path / "suite/suite.png") as found_picture:
        assert found_picture.width > 600
